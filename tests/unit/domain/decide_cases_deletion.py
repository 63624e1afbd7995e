"""What to do next when the resource is deleted."""

from mljobs.domain import errors
from mljobs.domain.decide.decisions import (
    Cancel,
    Finish,
    Keep,
    Leave,
    Read,
    Release,
    Stall,
    Wait,
    Watch,
)
from mljobs.domain.job.observation import Call
from tests.unit.domain.decide_case import STRANGER, Cases, trouble
from tests.unit.domain.world import (
    NOW,
    START,
    TARGET,
    condition,
    intent,
    job,
    later,
    missing,
    observed,
    resource,
    stalled,
    status,
)

LOST = resource(
    intended=intent(), status=status("RUNNING", condition("Stalled", "True", "Lost")), deleting=True
)

DELETION_CASES: Cases = {
    "delete: nothing of ours": (resource(deleting=True), None, Leave()),
    "delete: another controller's, with our finalizer, which came with a copy": (
        resource(held=True, deleting=True, spec={"managedBy": "example.com/x"}),
        None,
        Release(),
    ),
    "delete: another controller's": (
        resource(status=status(), held=False, deleting=True, spec={"managedBy": "example.com/x"}),
        observed(job=job()),
        Keep(),
    ),
    "delete: our finalizer is off, and the job runs": (
        resource(intended=intent(), held=False, status=status(), deleting=True),
        observed(job=job(), seen_at=NOW),
        Cancel(TARGET),
    ),
    "delete: our finalizer is off, and nobody knows how the job is": (
        resource(intended=intent(), held=False, status=status(), deleting=True),
        None,
        Read(TARGET),
    ),
    "delete: our finalizer is off, with the annotation": (
        resource(held=False, status=status(), deleting=True),
        observed(job=job(), seen_at=NOW),
        Cancel(TARGET),
    ),
    "delete: our finalizer is off, and a create call may still take effect": (
        resource(intended=intent(), held=False, deleting=True),
        observed(since=NOW, absences=1, absent_at=NOW),
        Wait,
    ),
    "delete: our finalizer is off, and the cancel is denied": (
        resource(intended=intent(), held=False, status=status(), deleting=True),
        observed(job=job(), failed_calls=trouble(Call.CANCEL, errors.Denied("no"))),
        Wait,
    ),
    "delete: our finalizer is off, and the job ends": (
        resource(intended=intent(), held=False, status=status(), deleting=True),
        observed(job=job("CANCELLING")),
        Watch(TARGET),
    ),
    "delete: our finalizer is off, and the job has ended": (
        resource(intended=intent(), held=False, status=status(), deleting=True),
        observed(job=job("CANCELLED")),
        Finish(),
    ),
    "delete: our finalizer is off, and the job is somebody else's by now": (
        resource(intended=intent(), held=False, status=status(), deleting=True),
        observed(job=job(uid=STRANGER), seen_at=NOW),
        Watch(TARGET),
    ),
    "delete: our finalizer is off, and the job is to be left alone": (
        resource(
            intended=intent(), held=False, status=status(), deleting=True, spec={"deletionPolicy": "Orphan"}
        ),
        observed(job=job(), seen_at=NOW),
        Watch(TARGET),
    ),
    "delete: our finalizer is off, and the user has given up on the job": (
        resource(intended=intent(), held=False, status=status(), deleting=True, force=True),
        observed(job=job(), seen_at=NOW),
        Watch(TARGET),
    ),
    "delete: our finalizer is off, and the job is lost": (
        resource(intended=intent(), held=False, status=LOST.status, deleting=True),
        missing(for_=0, answers=1, checked_while_deleting=True),
        Stall,
    ),
    "delete: our finalizer is off, and the job was refused": (
        resource(intended=intent(), held=False, status=stalled("Rejected"), deleting=True),
        None,
        Leave(),
    ),
    "delete: the job has ended while its cancel was denied": (
        resource(intended=intent(), status=status(), deleting=True),
        observed(job=job("SUCCEEDED"), failed_calls=trouble(Call.CANCEL, errors.Denied("no"))),
        Release(),
    ),
    "delete: ended": (resource(intended=intent(), status=status("FAILED"), deleting=True), None, Release()),
    "delete: orphan": (
        resource(intended=intent(), status=status(), deleting=True, spec={"deletionPolicy": "Orphan"}),
        observed(job=job()),
        Release(),
    ),
    "delete: rejected, no call": (
        resource(intended=intent(), status=stalled("Rejected"), deleting=True),
        None,
        Release(),
    ),
    "delete: whose is it?": (
        resource(intended=intent(), status=status(), deleting=True),
        None,
        Read(TARGET),
    ),
    "delete: running": (
        resource(intended=intent(), status=status(), deleting=True),
        observed(job=job()),
        Cancel(TARGET),
    ),
    "delete: running, and the last poll was denied": (
        resource(intended=intent(), status=status(), deleting=True),
        observed(job=job(), failed_calls=trouble(Call.GET, errors.Denied("no"))),
        Cancel(TARGET),
    ),
    "delete: running, but another may have taken it over since it was seen": (
        resource(intended=intent(), status=status(), deleting=True),
        observed(job=job(), seen_at=later(-10)),
        Read(TARGET),
    ),
    "delete: running, not seen for a while, and it cannot be read": (
        resource(intended=intent(), status=status(), deleting=True),
        observed(job=job(), seen_at=later(-10), failed_calls=trouble(Call.GET, errors.Denied("no"))),
        Wait,
    ),
    "delete: somebody else's when it was seen, which may be over": (
        resource(intended=intent(), status=status(), deleting=True),
        observed(job=job(uid=STRANGER), seen_at=later(-10)),
        Read(TARGET),
    ),
    "delete: running, with a spec that breaks every rule": (
        resource(intended=intent(), status=status(), deleting=True, spec={"trainingInput": {"a": 1}}),
        observed(job=job()),
        Cancel(TARGET),
    ),
    "delete: cancel accepted": (
        resource(intended=intent(), status=status(), deleting=True),
        observed(job=job(), cancelled=True),
        Release(),
    ),
    "delete: ends by itself": (
        resource(intended=intent(), status=status(), deleting=True),
        observed(job=job("CANCELLING")),
        Release(),
    ),
    "delete: a stranger's job is left alone": (
        resource(intended=intent(), deleting=True),
        observed(job=job(uid=STRANGER)),
        Release(),
    ),
    "delete: ours by the record, but it lost our uid": (
        resource(intended=intent(), status=status(), deleting=True),
        observed(job=job(uid=STRANGER)),
        Release(left_behind=TARGET.job_name),
    ),
    "delete: the cancel was denied": (
        resource(intended=intent(), status=status(), deleting=True),
        observed(job=job(), failed_calls=trouble(Call.CANCEL, errors.Denied("no"))),
        Wait,
    ),
    "delete: recorded, absent once: the poller makes sure": (
        resource(intended=intent(), status=status(), deleting=True),
        missing(for_=0, answers=1, checked_while_deleting=True),
        Watch(TARGET),
    ),
    "delete: recorded, absent before it was deleted": (
        resource(intended=intent(), status=status(), deleting=True),
        missing(),
        Read(TARGET),
    ),
    "delete: recorded, absent often, but not for long": (
        resource(intended=intent(), status=status(), deleting=True),
        missing(for_=299, answers=99, checked_while_deleting=True),
        Watch(TARGET),
    ),
    "delete: recorded, absent for long, and often": (
        resource(intended=intent(), status=status(), deleting=True),
        missing(checked_while_deleting=True),
        Release(),
    ),
    "delete: absent, and the cancel was accepted before": (
        resource(intended=intent(), status=status(), deleting=True),
        missing(for_=0, answers=1, cancelled=True),
        Release(),
    ),
    "delete: lost: it may be there again": (LOST, None, Read(TARGET)),
    "delete: lost: the last look was before the deletion": (LOST, missing(for_=0, answers=1), Read(TARGET)),
    "delete: lost: it is not there": (
        LOST,
        missing(for_=0, answers=1, checked_while_deleting=True),
        Release(),
    ),
    "delete: lost: it is there again": (LOST, observed(job=job()), Cancel(TARGET)),
    "delete: lost: nobody can say": (
        LOST,
        observed(failed_calls=trouble(Call.GET, errors.Unavailable("cut"))),
        Wait,
    ),
    "delete: a create without an answer may still take effect": (
        resource(intended=intent(), deleting=True),
        observed(outcome_unknown_at=later(-10), absences=1, absent_at=later(-5)),
        Wait,
    ),
    "delete: another process may have sent the create": (
        resource(intended=intent(time=START), deleting=True),
        observed(since=NOW, absences=1, absent_at=NOW),
        Wait,
    ),
    "delete: the record of the intent was taken off": (
        resource(held=True, deleting=True),
        observed(since=NOW, absences=1, absent_at=NOW),
        Wait,
    ),
    "delete: no other process can have sent the create": (
        resource(intended=intent(), deleting=True),
        observed(since=NOW, alone=True, absences=1, absent_at=NOW),
        Release(),
    ),
    "delete: look once more when it can no longer take effect": (
        resource(intended=intent(), deleting=True),
        observed(outcome_unknown_at=later(-61), absences=1, absent_at=later(-5)),
        Read(TARGET),
    ),
    "delete: it never took effect": (
        resource(intended=intent(), deleting=True),
        observed(outcome_unknown_at=later(-61), absences=2, absent_at=NOW),
        Release(),
    ),
    "delete: force": (
        resource(intended=intent(), status=status(), deleting=True, force=True),
        None,
        Release(left_behind=TARGET.job_name),
    ),
    "delete: force, but it had ended": (
        resource(intended=intent(), status=status("FAILED"), deleting=True, force=True),
        None,
        Release(),
    ),
}

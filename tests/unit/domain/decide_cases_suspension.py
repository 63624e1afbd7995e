"""What to do next to suspend a job and to resume it."""

from mljobs.domain.decide.decisions import Cancel, Finish, Hold, Read, Stall, Submit, Suspend, Watch
from tests.unit.domain.decide_case import SECOND, STRANGER, SUSPENDED, Cases
from tests.unit.domain.world import TARGET, condition, intent, job, later, observed, resource, status

SUSPENSION_CASES: Cases = {
    "suspend: first say so": (
        resource(intended=intent(), status=status(), spec={"suspend": True}),
        observed(job=job()),
        Suspend(TARGET),
    ),
    "suspend: then cancel": (
        resource(intended=intent(), status=status("RUNNING", SUSPENDED), spec={"suspend": True}),
        observed(job=job()),
        Cancel(TARGET),
    ),
    "suspend: after a restart it is not known whose job it is": (
        resource(intended=intent(), status=status("RUNNING", SUSPENDED), spec={"suspend": True}),
        None,
        Watch(TARGET),
    ),
    "suspend: cancel accepted": (
        resource(intended=intent(), status=status("RUNNING", SUSPENDED), spec={"suspend": True}),
        observed(job=job(), cancelled=True),
        Watch(TARGET),
    ),
    "suspend: a job that lost our uid": (
        resource(intended=intent(), status=status("RUNNING", SUSPENDED), spec={"suspend": True}),
        observed(job=job(uid=STRANGER)),
        Stall,
    ),
    "suspend: another may have taken it over since it was seen": (
        resource(intended=intent(), status=status("RUNNING", SUSPENDED), spec={"suspend": True}),
        observed(job=job(), seen_at=later(-10)),
        Read(TARGET),
    ),
    "suspend: ended so": (
        resource(intended=intent(), status=status("CANCELLING", SUSPENDED), spec={"suspend": True}),
        observed(job=job("CANCELLED")),
        Hold(),
    ),
    "suspend: recorded": (
        resource(intended=intent(), status=status("CANCELLED", SUSPENDED), spec={"suspend": True}),
        None,
        Hold(),
    ),
    "suspend: too late, it had succeeded": (
        resource(intended=intent(), status=status("RUNNING", SUSPENDED), spec={"suspend": True}),
        observed(job=job("SUCCEEDED")),
        Finish(),
    ),
    "resume: the first attempt of one that was held back": (
        resource(
            intended=intent(generation=2),
            status={"observedGeneration": 1, "conditions": [condition("Suspended", "True", "Suspended")]},
            generation=2,
        ),
        observed(job=job("QUEUED"), created=True),
        Watch(TARGET),
    ),
    "resume: the second attempt runs": (
        resource(intended=intent(SECOND, generation=3), status=status("CANCELLED", SUSPENDED), generation=3),
        observed(target=SECOND, job=job(target=SECOND)),
        Watch(SECOND),
    ),
    "resume: a new attempt": (
        resource(intended=intent(), status=status("CANCELLED", SUSPENDED), generation=3),
        None,
        Submit,
    ),
    "resume before the cancel: it is carried through": (
        resource(intended=intent(), status=status("RUNNING", SUSPENDED), generation=3),
        observed(job=job()),
        Cancel(TARGET),
    ),
    "cancelled by somebody else is an end": (
        resource(intended=intent(), status=status("CANCELLED"), spec={"suspend": False}),
        None,
        Finish(),
    ),
}

"""What to do next with a job that is to be taken over."""

from mljobs.domain import errors
from mljobs.domain.decide.decisions import Adopt, Read, Record, Release, Stall, Submit, Wait, Watch
from mljobs.domain.job.observation import Call
from mljobs.domain.port import Job
from tests.unit.domain.decide_case import ADOPTION, SECOND, STRANGER, SUSPENDED, Cases, trouble
from tests.unit.domain.world import (
    JOB_ID,
    NOW,
    TARGET,
    intent,
    job,
    later,
    observed,
    resource,
    stalled,
    status,
    target,
)

MINE = resource().labels
OTHER = target("proj", "other", 1)
NOBODYS = Job.parse({**job().document, "labels": {"owner": "x", "team": "z"}})

ADOPTION_CASES: Cases = {
    "adopt: nothing is written down before the job was looked at": (
        resource(adopt="true"),
        None,
        Read(TARGET),
    ),
    "adopt: another job than the one that was intended": (
        resource(adopt="true", intended=intent(OTHER), spec={"jobId": JOB_ID}),
        observed(target=OTHER, absences=1, absent_at=NOW),
        Record(ADOPTION),
    ),
    "adopt: a job that is nobody's, with the labels that it has, as it was seen": (
        resource(adopt="true", spec={"labels": {"team": "a"}}),
        observed(job=NOBODYS),
        Adopt(ADOPTION, {"owner": "x", "team": "a", **MINE}, NOBODYS.etag),
    ),
    "adopt: another resource's job, which the annotation does not name": (
        resource(adopt="true"),
        observed(job=job(uid=STRANGER)),
        Stall,
    ),
    "adopt: another resource's job, which the annotation names": (
        resource(adopt=STRANGER),
        observed(job=job(uid=STRANGER)),
        Adopt(ADOPTION, MINE, job().etag),
    ),
    "adopt: a third resource has taken the job that the annotation names": (
        resource(adopt=STRANGER, intended=ADOPTION),
        observed(job=job(uid="third")),
        Stall,
    ),
    "adopt: another namespace's, although the annotation names it": (
        resource(adopt=STRANGER),
        observed(job=job(uid=STRANGER, namespace="team-b")),
        Stall,
    ),
    "adopt: the annotation names an owner, and the job has none": (
        resource(adopt=STRANGER),
        observed(job=NOBODYS),
        Stall,
    ),
    "adopt: an annotation that says no": (resource(adopt="false"), None, Submit),
    "adopt: there is none": (
        resource(adopt="true", intended=ADOPTION),
        observed(absences=1, absent_at=NOW),
        Stall,
    ),
    "adopt: there was none": (
        resource(adopt="true", intended=ADOPTION, status=stalled("NothingToAdopt")),
        None,
        Read(TARGET),
    ),
    "adopted": (resource(adopt="true", intended=ADOPTION), observed(job=job()), Watch(TARGET)),
    "adopt: the service does not let us": (
        resource(adopt="true", intended=ADOPTION),
        observed(job=NOBODYS, failed_calls=trouble(Call.PATCH, errors.Denied("no"))),
        Wait,
    ),
    "adopt: deleted before": (
        resource(adopt="true", intended=ADOPTION, deleting=True),
        observed(job=job(uid=STRANGER), seen_at=NOW),
        Release(),
    ),
    "adopt: deleted while the call that adopts may still take effect": (
        resource(adopt="true", intended=ADOPTION, deleting=True),
        observed(alone=True, job=job(uid=STRANGER), seen_at=NOW, outcome_unknown_at=later(-5)),
        Wait,
    ),
    "adopt: deleted when the call that adopts can no longer take effect": (
        resource(adopt="true", intended=ADOPTION, deleting=True),
        observed(alone=True, job=job(uid=STRANGER), seen_at=later(-5), outcome_unknown_at=later(-61)),
        Read(TARGET),
    ),
    "adopt: the service refuses the labels": (
        resource(adopt="true", intended=ADOPTION),
        observed(job=NOBODYS, failed_calls=trouble(Call.PATCH, errors.Rejected("no"), fresh=False)),
        Stall,
    ),
    "adopt: deleted after the wish was taken back": (
        resource(intended=ADOPTION, status=stalled("NothingToAdopt"), deleting=True),
        None,
        Release(),
    ),
    "adopt: deleted after another wish was carried out, of which the status does not know": (
        resource(adopt="true", intended=intent(), status=stalled("NothingToAdopt"), deleting=True),
        None,
        Read(TARGET),
    ),
    "adopt: a resumed attempt is a new job": (
        resource(
            adopt="true",
            intended=intent(SECOND, generation=3),
            status=status("CANCELLED", SUSPENDED),
            generation=3,
        ),
        observed(target=SECOND),
        Submit,
    ),
}

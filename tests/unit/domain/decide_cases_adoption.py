"""What to do next with a job that is to be taken over."""

from mljobs.domain import errors
from mljobs.domain.decide.decisions import Adopt, Keep, Look, Release, Stall, Submit, Wait, Watch
from mljobs.domain.job.observation import Method
from tests.unit.domain.decide_case import ADOPTION, SECOND, STRANGER, SUSPENDED, Cases, trouble
from tests.unit.domain.world import NOW, TARGET, intent, job, later, observed, resource, stalled, status

ADOPTION_CASES: Cases = {
    "adopt: first the intent, then the labels": (resource(adopt=True), None, Adopt),
    "adopt: a stranger's job, as the user wants it": (
        resource(adopt=True, intended=ADOPTION),
        observed(job=job(uid=STRANGER)),
        Adopt(ADOPTION, job().labels),
    ),
    "adopt: there is none": (
        resource(adopt=True, intended=ADOPTION),
        observed(absences=1, absent_at=NOW),
        Stall,
    ),
    "adopt: there was none": (
        resource(adopt=True, intended=ADOPTION, status=stalled("NothingToAdopt")),
        None,
        Keep(),
    ),
    "adopted": (resource(adopt=True, intended=ADOPTION), observed(job=job()), Watch(TARGET)),
    "adopt: the service does not let us": (
        resource(adopt=True, intended=ADOPTION),
        observed(job=job(uid=STRANGER), troubles=trouble(Method.PATCH, errors.Denied("no"))),
        Wait,
    ),
    "adopt: deleted before": (
        resource(adopt=True, intended=ADOPTION, deleting=True),
        observed(job=job(uid=STRANGER), seen_at=NOW),
        Release(),
    ),
    "adopt: deleted while the call that adopts may still take effect": (
        resource(adopt=True, intended=ADOPTION, deleting=True),
        observed(alone=True, job=job(uid=STRANGER), seen_at=NOW, doubtful_at=later(-5)),
        Wait,
    ),
    "adopt: deleted when the call that adopts can no longer take effect": (
        resource(adopt=True, intended=ADOPTION, deleting=True),
        observed(alone=True, job=job(uid=STRANGER), seen_at=later(-5), doubtful_at=later(-61)),
        Look(TARGET),
    ),
    "adopt: the service refuses the labels": (
        resource(adopt=True, intended=ADOPTION),
        observed(job=job(uid=STRANGER), troubles=trouble(Method.PATCH, errors.Rejected("no"), fresh=False)),
        Stall,
    ),
    "adopt: deleted after the wish was taken back": (
        resource(intended=ADOPTION, status=stalled("NothingToAdopt"), deleting=True),
        None,
        Release(),
    ),
    "adopt: deleted after another wish was carried out, of which the status does not know": (
        resource(adopt=True, intended=intent(), status=stalled("NothingToAdopt"), deleting=True),
        None,
        Look(TARGET),
    ),
    "adopt: a resumed attempt is a new job": (
        resource(
            adopt=True,
            intended=intent(SECOND, generation=3),
            status=status("CANCELLED", SUSPENDED),
            generation=3,
        ),
        observed(target=SECOND),
        Submit,
    ),
}

"""What to do next while the service owns the job: its state, its labels and its bindings."""

from mljobs.domain import errors
from mljobs.domain.decide.decisions import (
    Announce,
    BindIam,
    Finish,
    Look,
    Refuse,
    Stall,
    UpdateLabels,
    Wait,
    Watch,
)
from mljobs.domain.job.observation import Method
from tests.unit.domain.decide_case import STRANGER, Cases, trouble
from tests.unit.domain.world import NOW, TARGET, condition, intent, job, later, observed, resource, status

BINDINGS = [{"role": "roles/viewer", "members": ["user:a@example.com"]}]
OTHERS = [{"role": "roles/viewer", "members": ["user:b@example.com"]}]
MANY = [{"role": f"roles/role{number}", "members": ["user:a@example.com"]} for number in range(64)]

RUNNING_CASES: Cases = {
    "running": (resource(intended=intent(), status=status()), observed(job=job()), Watch(TARGET)),
    "running, not seen yet": (resource(intended=intent(), status=status()), None, Watch(TARGET)),
    "running, annotation lost": (resource(held=True, status=status()), observed(job=job()), Watch(TARGET)),
    "ended, not recorded": (
        resource(intended=intent(), status=status()),
        observed(job=job("FAILED")),
        Finish(),
    ),
    "ended, recorded": (resource(intended=intent(), status=status("SUCCEEDED")), None, Finish()),
    "ended, and the service says otherwise": (
        resource(intended=intent(), status=status("SUCCEEDED")),
        observed(job=job("RUNNING")),
        Finish(),
    ),
    "absent once": (
        resource(intended=intent(), status=status()),
        observed(absences=1, absent_at=NOW),
        Watch(TARGET),
    ),
    "absent twice": (
        resource(intended=intent(), status=status()),
        observed(absences=2, absent_at=NOW),
        Stall,
    ),
    "lost, recorded": (
        resource(
            intended=intent(),
            status=status("RUNNING", condition("Stalled", "True", "Lost")),
        ),
        None,
        Finish(),
    ),
    "labels differ": (
        resource(intended=intent(), status=status(), spec={"labels": {"team": "b"}}),
        observed(job=job(labels={"team": "a"})),
        UpdateLabels,
    ),
    "labels differ on a job that lost our uid": (
        resource(intended=intent(), status=status(), spec={"labels": {"team": "b"}}),
        observed(job=job(uid=STRANGER)),
        Stall,
    ),
    "bindings are wanted on a job that lost our uid": (
        resource(intended=intent(), status=status(iamBindings=BINDINGS), spec={"iamBindings": BINDINGS}),
        observed(job=job(uid="")),
        Stall,
    ),
    "a job that lost our uid has ended": (
        resource(intended=intent(), status=status()),
        observed(job=job("FAILED", uid=STRANGER)),
        Finish(),
    ),
    "labels differ on a job that ends": (
        resource(intended=intent(), status=status(), spec={"labels": {"team": "b"}}),
        observed(job=job("CANCELLING")),
        Watch(TARGET),
    ),
    "new labels break a rule": (
        resource(intended=intent(), status=status(), spec={"labels": {"Team": "b"}}),
        observed(job=job()),
        Refuse,
    ),
    "labels refused by the service": (
        resource(intended=intent(), status=status(), spec={"labels": {"team": "b"}}),
        observed(job=job(), troubles=trouble(Method.PATCH, errors.Rejected("no"))),
        Stall,
    ),
    "labels, later": (
        resource(intended=intent(), status=status(), spec={"labels": {"team": "b"}}),
        observed(job=job(), troubles=trouble(Method.PATCH, errors.Unavailable("cut"))),
        Wait,
    ),
    # IAM
    "bindings are wanted": (
        resource(intended=intent(), status=status(), spec={"iamBindings": BINDINGS}),
        observed(job=job()),
        Announce(TARGET, BINDINGS),
    ),
    "bindings are announced, perhaps by a process that died before it made them": (
        resource(intended=intent(), status=status(iamBindings=BINDINGS), spec={"iamBindings": BINDINGS}),
        observed(job=job()),
        BindIam(TARGET, BINDINGS, BINDINGS),
    ),
    "bindings: another may have taken the job over since it was seen": (
        resource(intended=intent(), status=status(iamBindings=BINDINGS), spec={"iamBindings": BINDINGS}),
        observed(job=job(), seen_at=later(-10)),
        Look(TARGET),
    ),
    "bindings are made": (
        resource(intended=intent(), status=status(iamBindings=BINDINGS), spec={"iamBindings": BINDINGS}),
        observed(job=job(), bound=BINDINGS),
        Watch(TARGET),
    ),
    "bindings are changed: the old ones stay recorded until they are out": (
        resource(intended=intent(), status=status(iamBindings=BINDINGS), spec={"iamBindings": OTHERS}),
        observed(job=job(), bound=BINDINGS),
        Announce(TARGET, [*BINDINGS, *OTHERS]),
    ),
    "bindings are changed while the announced ones may be there": (
        resource(
            intended=intent(), status=status(iamBindings=[*BINDINGS, *OTHERS]), spec={"iamBindings": OTHERS}
        ),
        observed(job=job()),
        BindIam(TARGET, OTHERS, [*BINDINGS, *OTHERS]),
    ),
    "more bindings than can be recorded: first those go that nobody wants": (
        resource(
            intended=intent(), status=status(iamBindings=MANY), spec={"iamBindings": [*MANY[:2], *OTHERS]}
        ),
        observed(job=job()),
        BindIam(TARGET, MANY[:2], MANY),
    ),
    "bindings are no longer wanted": (
        resource(intended=intent(), status=status(iamBindings=BINDINGS)),
        observed(job=job()),
        BindIam(TARGET, [], BINDINGS),
    ),
    "bindings refused by the service": (
        resource(intended=intent(), status=status(), spec={"iamBindings": BINDINGS}),
        observed(job=job(), troubles=trouble(Method.IAM, errors.Rejected("no such member"))),
        Stall,
    ),
    "bindings, later": (
        resource(intended=intent(), status=status(), spec={"iamBindings": BINDINGS}),
        observed(job=job(), troubles=trouble(Method.IAM, errors.Denied("no"))),
        Wait,
    ),
}

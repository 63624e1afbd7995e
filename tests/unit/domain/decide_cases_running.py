"""What to do next while the service owns the job: its state, its labels and its bindings."""

from mljobs.domain import errors
from mljobs.domain.decide.decisions import (
    Announce,
    BindIam,
    Finish,
    Read,
    Record,
    Refuse,
    Stall,
    Suspend,
    UpdateLabels,
    Wait,
    Watch,
)
from mljobs.domain.job.observation import Call, Relabelling
from tests.unit.domain.decide_case import SECOND, STRANGER, Cases, trouble
from tests.unit.domain.world import (
    NOW,
    TARGET,
    condition,
    intent,
    job,
    later,
    missing,
    observed,
    resource,
    status,
)

MINE = resource().labels
BINDINGS = [{"role": "roles/viewer", "members": ["user:a@example.com"]}]
OTHERS = [{"role": "roles/viewer", "members": ["user:b@example.com"]}]
LOST = resource(intended=intent(), status=status("RUNNING", condition("Stalled", "True", "Lost")))
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
        missing(for_=0, answers=1),
        Watch(TARGET),
    ),
    "absent often, but not for long": (
        resource(intended=intent(), status=status()),
        missing(for_=299, answers=99),
        Watch(TARGET),
    ),
    "absent for long, but not often": (
        resource(intended=intent(), status=status()),
        missing(for_=3000, answers=2),
        Watch(TARGET),
    ),
    "absent for long, and often": (resource(intended=intent(), status=status()), missing(), Stall),
    "lost, recorded": (LOST, None, Stall),
    "lost, recorded, and looked for again": (LOST, missing(for_=0, answers=1), Stall),
    "lost, and there again": (LOST, observed(job=job()), Watch(TARGET)),
    "lost, and has ended": (LOST, observed(job=job("SUCCEEDED")), Finish()),
    "lost, there again, and to be suspended": (
        resource(intended=intent(), status=LOST.status, spec={"suspend": True}),
        observed(job=job()),
        Suspend(TARGET),
    ),
    "lost, and to be suspended": (
        resource(intended=intent(), status=LOST.status, spec={"suspend": True}),
        None,
        Stall,
    ),
    "lost, and somebody has taken the finalizer off": (
        resource(intended=intent(), held=False, status=LOST.status),
        None,
        Record(intent()),
    ),
    "labels differ": (
        resource(intended=intent(), status=status(), spec={"labels": {"team": "b"}}),
        observed(job=job(labels={"team": "a"})),
        UpdateLabels,
    ),
    "others have labels on it, too": (
        resource(intended=intent(), status=status(), spec={"labels": {"team": "a"}}),
        observed(job=job(labels={"team": "a", "cost-center": "7"})),
        Watch(TARGET),
    ),
    "labels differ: those of others stay": (
        resource(intended=intent(), status=status(labelKeys=["team"]), spec={"labels": {"team": "b"}}),
        observed(job=job(labels={"team": "a", "cost-center": "7"})),
        UpdateLabels(TARGET, {"cost-center": "7", "team": "b", **MINE}, job().etag),
    ),
    "a label was taken out of the spec": (
        resource(
            intended=intent(), status=status(labelKeys=["stage", "team"]), spec={"labels": {"team": "a"}}
        ),
        observed(job=job(labels={"team": "a", "stage": "test", "cost-center": "7"})),
        UpdateLabels(TARGET, {"cost-center": "7", "team": "a", **MINE}, job().etag),
    ),
    "what nobody has recorded as the spec's stays": (
        resource(intended=intent(), status=status(), spec={"labels": {"team": "a"}}, generation=2),
        observed(job=job(labels={"team": "a", "stage": "test"})),
        Watch(TARGET),
    ),
    "what an earlier attempt's job had of the spec is not this one's": (
        resource(intended=intent(SECOND), status=status("CANCELLED", labelKeys=["stage"])),
        observed(target=SECOND, job=job(target=SECOND, labels={"stage": "others'"})),
        Watch(SECOND),
    ),
    "labels that somebody has changed once are put right at once": (
        resource(intended=intent(), status=status(), spec={"labels": {"team": "b"}}),
        observed(job=job(labels={"team": "a"}), relabelling=Relabelling(1, 1, NOW)),
        UpdateLabels,
    ),
    "labels that somebody keeps changing wait": (
        resource(intended=intent(), status=status(), spec={"labels": {"team": "b"}}),
        observed(job=job(labels={"team": "a"}), relabelling=Relabelling(1, 2, later(-29))),
        Wait,
    ),
    "labels that somebody keeps changing, later": (
        resource(intended=intent(), status=status(), spec={"labels": {"team": "b"}}),
        observed(job=job(labels={"team": "a"}), relabelling=Relabelling(1, 2, later(-31))),
        UpdateLabels,
    ),
    "labels that the user has changed meanwhile do not wait": (
        resource(intended=intent(), status=status(), spec={"labels": {"team": "b"}}, generation=2),
        observed(job=job(labels={"team": "a"}), relabelling=Relabelling(1, 9, NOW)),
        UpdateLabels,
    ),
    "bindings do not wait for labels that somebody keeps changing": (
        resource(intended=intent(), status=status(), spec={"labels": {"team": "b"}, "iamBindings": BINDINGS}),
        observed(job=job(labels={"team": "a"}), relabelling=Relabelling(1, 2, NOW)),
        Announce(TARGET, BINDINGS),
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
        observed(job=job(), failed_calls=trouble(Call.PATCH, errors.Rejected("no"))),
        Stall,
    ),
    "labels, later": (
        resource(intended=intent(), status=status(), spec={"labels": {"team": "b"}}),
        observed(job=job(), failed_calls=trouble(Call.PATCH, errors.Unavailable("cut"))),
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
        Read(TARGET),
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
        observed(job=job(), failed_calls=trouble(Call.IAM, errors.Rejected("no such member"))),
        Stall,
    ),
    "bindings, later": (
        resource(intended=intent(), status=status(), spec={"iamBindings": BINDINGS}),
        observed(job=job(), failed_calls=trouble(Call.IAM, errors.Denied("no"))),
        Wait,
    ),
}

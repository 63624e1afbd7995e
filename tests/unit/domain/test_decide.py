from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.domain.world import (
    JOB_ID,
    NOW,
    START,
    TARGET,
    condition,
    intent,
    job,
    later,
    observed,
    resource,
    stalled,
    status,
)

from mljobs.domain import errors
from mljobs.domain.conditions import Reason
from mljobs.domain.decide import Policy, decide, polled
from mljobs.domain.decisions import (
    Adopt,
    Announce,
    BindIam,
    Cancel,
    Decision,
    Finish,
    Hold,
    Keep,
    Look,
    Refuse,
    Release,
    Stall,
    Submit,
    Suspend,
    UpdateLabels,
    Wait,
    Watch,
)
from mljobs.domain.observation import Method, Observation, Trouble
from mljobs.domain.resource import Resource, Target

POLICY = Policy()
SECOND = Target("proj", JOB_ID[:-1] + "2", 2)
STRANGER = "99999999-2222-3333-4444-555555555555"


def trouble(method: Method, error: errors.JobServiceError, *, fresh: bool = True, generation: int = 1) -> Any:
    return {method: Trouble(method, error, generation, later(5 if fresh else -5))}


def decided(subject: Resource, known: Observation | None = None, policy: Policy = POLICY) -> Decision:
    return decide(subject, known or Observation(since=START), policy, NOW)


BINDINGS = [{"role": "roles/viewer", "members": ["user:a@example.com"]}]
OTHERS = [{"role": "roles/viewer", "members": ["user:b@example.com"]}]
MANY = [{"role": f"roles/role{number}", "members": ["user:a@example.com"]} for number in range(64)]
ADOPTION = intent(adopting=True)
SUSPENDED = condition("Suspended", "True", "Suspending")

CASES: dict[str, tuple[Resource, Observation | None, Decision | type]] = {
    # before submission
    "new": (resource(), None, Submit),
    "invalid": (resource(spec={"trainingInput": {}}), None, Refuse),
    "suspended from the start": (resource(spec={"suspend": True}), None, Hold),
    "invalid and suspended": (resource(spec={"suspend": True, "trainingInput": {}}), None, Refuse),
    "intended, then crashed: the same again": (resource(intended=intent(time=later(-1e5))), None, Submit),
    "create throttled": (
        resource(intended=intent()),
        observed(troubles=trouble(Method.CREATE, errors.Throttled("slow down"))),
        Wait,
    ),
    "create throttled, then suspended": (
        resource(intended=intent(), spec={"suspend": True}),
        observed(alone=True, troubles=trouble(Method.CREATE, errors.Throttled("slow down"))),
        Hold(),
    ),
    "create throttled, then made invalid": (
        resource(intended=intent(), spec={"trainingInput": {}}),
        observed(alone=True, troubles=trouble(Method.CREATE, errors.Throttled("slow down"))),
        Refuse,
    ),
    "create throttled, time is up": (
        resource(intended=intent()),
        observed(troubles=trouble(Method.CREATE, errors.Throttled("slow down"), fresh=False)),
        Submit,
    ),
    "create unknown, wait": (
        resource(intended=intent()),
        observed(doubtful_at=NOW, troubles=trouble(Method.CREATE, errors.Unavailable("cut"))),
        Wait,
    ),
    "create unknown, the same again": (
        resource(intended=intent()),
        observed(doubtful_at=NOW, troubles=trouble(Method.CREATE, errors.Unavailable("cut"), fresh=False)),
        Submit,
    ),
    "exists already: whose is it?": (
        resource(intended=intent()),
        observed(troubles=trouble(Method.CREATE, errors.AlreadyExists("taken"))),
        Look(TARGET),
    ),
    "exists already, and reading it failed": (
        resource(intended=intent()),
        observed(
            troubles={
                **trouble(Method.CREATE, errors.AlreadyExists("taken")),
                **trouble(Method.GET, errors.Unavailable("cut")),
            }
        ),
        Wait,
    ),
    "exists already, and then there is none: not at once again": (
        resource(intended=intent()),
        observed(absences=1, absent_at=NOW, troubles=trouble(Method.CREATE, errors.AlreadyExists("taken"))),
        Wait,
    ),
    "exists and is ours": (resource(intended=intent()), observed(job=job("QUEUED")), Watch(TARGET)),
    "exists and is a stranger's": (resource(intended=intent()), observed(job=job(uid=STRANGER)), Stall),
    "a stranger's, recorded": (resource(intended=intent(), status=stalled("JobIdTaken")), None, Keep()),
    "rejected": (
        resource(intended=intent()),
        observed(alone=True, troubles=trouble(Method.CREATE, errors.Rejected("bad region"))),
        Stall,
    ),
    "rejected, but another process may have sent it before": (
        resource(intended=intent()),
        observed(troubles=trouble(Method.CREATE, errors.Rejected("bad region"))),
        Look(TARGET),
    ),
    "rejected after a lost answer: not certain yet": (
        resource(intended=intent()),
        observed(doubtful_at=NOW, troubles=trouble(Method.CREATE, errors.Rejected("bad region"))),
        Look(TARGET),
    ),
    "rejected, recorded": (resource(intended=intent(), status=stalled("Rejected")), None, Keep()),
    "a stranger's, recorded, and then it is to be adopted": (
        resource(intended=intent(), status=stalled("JobIdTaken"), adopt=True),
        None,
        Adopt,
    ),
    "nothing to adopt, recorded": (
        resource(intended=ADOPTION, status=stalled("NothingToAdopt"), adopt=True),
        None,
        Keep(),
    ),
    "nothing to adopt, and then a new one is wanted": (
        resource(intended=ADOPTION, status=stalled("NothingToAdopt")),
        None,
        Submit,
    ),
    "invalid, but its job may exist": (
        resource(intended=intent(), spec={"trainingInput": {}}),
        None,
        Look(TARGET),
    ),
    "suspended, its job exists, but the record of the intent was taken off": (
        resource(held=True, spec={"suspend": True}),
        observed(job=job()),
        Adopt,
    ),
    "rejected, then mended, and the new intent is recorded": (
        resource(intended=intent(generation=2), status=stalled("Rejected"), generation=2),
        observed(alone=True, troubles=trouble(Method.CREATE, errors.Rejected("bad region"))),
        Submit,
    ),
    "running, and somebody has taken the finalizer off": (
        resource(intended=intent(), held=False, status=status()),
        observed(job=job()),
        Adopt(intent(), resource().labels),
    ),
    "ended, and somebody has taken the finalizer off": (
        resource(intended=intent(), held=False, status=status("FAILED")),
        None,
        Finish(),
    ),
    "rejected, then mended": (
        resource(intended=intent(), status=stalled("Rejected"), generation=2),
        observed(troubles=trouble(Method.CREATE, errors.Rejected("bad region"))),
        Submit,
    ),
    "denied": (
        resource(intended=intent()),
        observed(troubles=trouble(Method.CREATE, errors.Denied("no"))),
        Wait,
    ),
    "suspended while the outcome is unknown": (
        resource(intended=intent(), spec={"suspend": True}),
        observed(doubtful_at=NOW),
        Look(TARGET),
    ),
    "suspended, looked, may still come": (
        resource(intended=intent(), spec={"suspend": True}),
        observed(doubtful_at=NOW, absent_at=NOW, absences=1),
        Wait,
    ),
    "suspended, certainly absent": (
        resource(intended=intent(), spec={"suspend": True}),
        observed(doubtful_at=later(-100), absent_at=later(-1), absences=2),
        Hold(),
    ),
    "the project changed while the outcome is unknown": (
        resource(intended=intent(), spec={"projectId": "other"}, generation=2),
        observed(doubtful_at=NOW),
        Look(TARGET),
    ),
    # while the service owns it
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
        Watch(TARGET),
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
    # adoption
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
    # suspension
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
        Watch(TARGET),
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
    # deletion
    "delete: nothing of ours": (resource(deleting=True), None, Keep()),
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
        Look(TARGET),
    ),
    "delete: running": (
        resource(intended=intent(), status=status(), deleting=True),
        observed(job=job()),
        Cancel(TARGET),
    ),
    "delete: running, and the last poll was denied": (
        resource(intended=intent(), status=status(), deleting=True),
        observed(job=job(), troubles=trouble(Method.GET, errors.Denied("no"))),
        Cancel(TARGET),
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
        observed(job=job(), troubles=trouble(Method.CANCEL, errors.Denied("no"))),
        Wait,
    ),
    "delete: recorded, absent once": (
        resource(intended=intent(), status=status(), deleting=True),
        observed(absences=1, absent_at=NOW),
        Wait,
    ),
    "delete: recorded, absent twice": (
        resource(intended=intent(), status=status(), deleting=True),
        observed(absences=2, absent_at=NOW),
        Release(),
    ),
    "delete: a create without an answer may still take effect": (
        resource(intended=intent(), deleting=True),
        observed(doubtful_at=later(-10), absences=1, absent_at=later(-5)),
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
        observed(doubtful_at=later(-61), absences=1, absent_at=later(-5)),
        Look(TARGET),
    ),
    "delete: it never took effect": (
        resource(intended=intent(), deleting=True),
        observed(doubtful_at=later(-61), absences=2, absent_at=NOW),
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


@pytest.mark.parametrize("case", CASES)
def test_next_step(case: str) -> None:
    subject, known, expected = CASES[case]
    got = decided(subject, known)
    if isinstance(expected, type):
        assert isinstance(got, expected), got
    else:
        assert got == expected


def test_a_submission_is_of_the_derived_id_with_our_labels() -> None:
    got = decided(resource(spec={"labels": {"team": "a", "mljobs-uid": "forged"}}))
    assert isinstance(got, Submit)
    assert got.intent == intent()
    assert got.job["jobId"] == JOB_ID
    assert got.job["labels"] == resource(spec={"labels": {"team": "a"}}).labels


def test_a_replay_repeats_the_intent_to_the_letter() -> None:
    old = intent(time=later(-1e5))
    got = decided(resource(intended=old))
    assert isinstance(got, Submit)
    assert got.intent == old


def test_a_new_attempt_has_a_job_id_of_its_own() -> None:
    subject = resource(intended=intent(), status=status("CANCELLED", SUSPENDED), generation=3)
    got = decided(subject)
    assert isinstance(got, Submit)
    assert got.intent == intent(SECOND, generation=3)
    assert got.job["jobId"] == SECOND.job_id


def test_a_second_attempt_under_way_is_not_taken_for_the_first() -> None:
    subject = resource(
        intended=intent(SECOND, generation=3), status=status("CANCELLED", SUSPENDED), generation=3
    )
    got = decided(subject, observed(job=job("CANCELLED")))
    assert isinstance(got, Submit)
    assert got.intent.target == SECOND


def test_the_default_project_serves_a_spec_without_one() -> None:
    subject = resource()
    subject = replace(subject, spec={k: v for k, v in subject.spec.items() if k != "projectId"})
    assert isinstance(decided(subject), Refuse)
    got = decided(subject, policy=Policy(default_project="fallback"))
    assert isinstance(got, Submit)
    assert got.intent.target.project == "fallback"


def test_a_changed_default_project_does_not_move_an_intended_job() -> None:
    subject = resource(intended=intent(time=START))
    subject = replace(subject, spec={k: v for k, v in subject.spec.items() if k != "projectId"})
    known = observed(since=NOW)
    assert decided(subject, known, Policy(default_project="elsewhere")) == Look(TARGET)


def test_waiting_names_the_call_and_the_way_out() -> None:
    known = observed(job=job(), troubles=trouble(Method.CANCEL, errors.Denied("needs ml.jobs.cancel")))
    got = decided(resource(intended=intent(), status=status(), deleting=True), known)
    assert isinstance(got, Wait)
    assert got.reason is Reason.DENIED
    assert "needs ml.jobs.cancel" in got.message
    assert "Grant the permission" in got.message
    assert got.until == later(5)


def test_the_grace_is_the_administrators() -> None:
    known = observed(doubtful_at=later(-10), absences=1, absent_at=NOW)
    subject = resource(intended=intent(), deleting=True)
    assert isinstance(decided(subject, known), Wait)
    assert decided(subject, known, Policy(grace=timedelta(seconds=9))) == Release()


@pytest.mark.parametrize(
    ("subject", "known", "expected"),
    [
        (resource(), observed(), None),
        (resource(intended=intent()), observed(), None),
        (resource(intended=intent()), observed(job=job("QUEUED")), TARGET),
        (resource(intended=intent(), status=status()), observed(), TARGET),
        (resource(intended=intent(), status=status()), observed(job=job("SUCCEEDED")), None),
        (resource(intended=intent(), status=status("FAILED")), observed(), None),
        (resource(intended=intent(), status=status(), deleting=True), observed(job=job()), None),
        (resource(intended=intent()), observed(job=job(uid=STRANGER)), None),
    ],
)
def test_what_is_polled(subject: Resource, known: Observation, expected: Target | None) -> None:
    assert polled(subject, known) == expected

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mljobs.domain import errors
from mljobs.domain.decide import AdminPolicy, Adoption, Polled, decide, polled
from mljobs.domain.decide.decisions import (
    Adopt,
    Decision,
    Keep,
    Read,
    Refuse,
    Release,
    Stall,
    Submit,
    Wait,
    Watch,
)
from mljobs.domain.job.naming import ownership_labels
from mljobs.domain.job.observation import Call, FailedCall, Observation
from mljobs.domain.job.resource import RETRY, Resource
from mljobs.domain.port import Job, Owner
from mljobs.domain.reasons import Reason
from tests.unit.domain.decide_case import SECOND, STRANGER, SUSPENDED, trouble
from tests.unit.domain.decide_cases_adoption import ADOPTION_CASES
from tests.unit.domain.decide_cases_deletion import DELETION_CASES
from tests.unit.domain.decide_cases_running import RUNNING_CASES
from tests.unit.domain.decide_cases_submission import SUBMISSION_CASES
from tests.unit.domain.decide_cases_suspension import SUSPENSION_CASES
from tests.unit.domain.world import (
    JOB_ID,
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

POLICY = AdminPolicy()
CASES = [
    pytest.param(*case, id=name)
    for table in (SUBMISSION_CASES, RUNNING_CASES, ADOPTION_CASES, SUSPENSION_CASES, DELETION_CASES)
    for name, case in table.items()
]


def decided(subject: Resource, known: Observation | None = None, policy: AdminPolicy = POLICY) -> Decision:
    return decide(subject, known or Observation(since=START), policy, NOW)


@pytest.mark.parametrize(("subject", "known", "expected"), CASES)
def test_next_step(subject: Resource, known: Observation | None, expected: Decision | type) -> None:
    got = decided(subject, known)
    if isinstance(expected, type):
        assert isinstance(got, expected), got
    else:
        assert got == expected


def test_a_submission_is_of_the_derived_id_with_our_labels() -> None:
    got = decided(resource(spec={"labels": {"team": "a", "mljobs-uid": "forged"}}))
    assert isinstance(got, Submit)
    assert got.intent == intent()
    assert got.order.job_id == JOB_ID
    assert got.order.labels == resource(spec={"labels": {"team": "a"}}).labels


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
    assert got.order.job_id == SECOND.job_id


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
    got = decided(subject, policy=AdminPolicy(default_project="fallback"))
    assert isinstance(got, Submit)
    assert got.intent.target.project == "fallback"


def test_a_changed_default_project_does_not_move_an_intended_job() -> None:
    subject = resource(intended=intent(time=START))
    subject = replace(subject, spec={k: v for k, v in subject.spec.items() if k != "projectId"})
    known = observed(since=NOW)
    assert decided(subject, known, AdminPolicy(default_project="elsewhere")) == Read(TARGET)


def test_waiting_names_the_call_and_the_way_out() -> None:
    known = observed(job=job(), failed_calls=trouble(Call.CANCEL, errors.Denied("needs ml.jobs.cancel")))
    got = decided(resource(intended=intent(), status=status(), deleting=True), known)
    assert isinstance(got, Wait)
    assert got.reason is Reason.DENIED
    assert "needs ml.jobs.cancel" in got.message
    assert "Grant the permission" in got.message
    assert got.until == later(5)


@pytest.mark.parametrize(
    ("spec", "policy", "said"),
    [
        ({}, POLICY, "spec.projectId: 'proj' does not exist at the service. Correct it"),
        ({"projectId": None}, AdminPolicy(default_project="proj"), "default project, 'proj', does not exist"),
    ],
)
def test_a_missing_project_is_named_with_the_field_that_names_it(
    spec: dict[str, Any], policy: AdminPolicy, said: str
) -> None:
    known = observed(failed_calls=trouble(Call.CREATE, errors.ProjectNotFound("Not found.")))
    got = decided(resource(intended=intent(), spec=spec), known, policy)
    assert isinstance(got, Wait)
    assert got.reason is Reason.PROJECT_NOT_FOUND
    assert "Not found." in got.message
    assert said in got.message


def test_the_grace_is_the_administrators() -> None:
    known = observed(outcome_unknown_at=later(-10), absences=1, absent_at=NOW)
    subject = resource(intended=intent(), deleting=True)
    assert isinstance(decided(subject, known), Wait)
    assert decided(subject, known, AdminPolicy(grace=timedelta(seconds=9))) == Release()


LOST = resource(intended=intent(), status=status("RUNNING", condition("Stalled", "True", "Lost")))


@pytest.mark.parametrize(
    ("adoption", "namespace", "owner", "expected"),
    [
        (Adoption.NEVER, "team-a", "", "the setting adoption is Never"),
        (Adoption.NEVER, "team-a", STRANGER, "the setting adoption is Never"),
        (Adoption.SAME_NAMESPACE, "team-a", "", None),
        (Adoption.SAME_NAMESPACE, "team-a", STRANGER, None),
        (Adoption.SAME_NAMESPACE, "team-b", STRANGER, "the setting adoption is SameNamespace"),
        (Adoption.ANY, "team-b", STRANGER, None),
    ],
)
def test_adoption_is_bounded_by_the_administrator(
    adoption: Adoption, namespace: str, owner: str, expected: str | None
) -> None:
    there = Job.parse(
        {**job().document, "labels": ownership_labels(Owner(namespace, "old", owner), 1) if owner else {}}
    )
    got = decided(resource(adopt=owner or "true"), observed(job=there), AdminPolicy(adoption=adoption))
    if expected is None:
        assert isinstance(got, Adopt)
        return
    assert isinstance(got, Stall)
    assert got.reason is Reason.NOT_ALLOWED
    assert expected in got.message
    assert STRANGER not in got.message
    assert "team-b" not in got.message


def test_never_asks_the_service_nothing() -> None:
    assert isinstance(decided(resource(adopt="true"), policy=AdminPolicy(adoption=Adoption.NEVER)), Stall)


def test_a_refused_adoption_names_the_owner_and_the_way() -> None:
    got = decided(resource(adopt="true"), observed(job=job(uid=STRANGER)))
    assert isinstance(got, Stall)
    assert got.reason is Reason.JOB_ID_TAKEN
    assert f"team-a/census, whose uid is {STRANGER}" in got.message
    assert "set the annotation mljobs.dev/adopt to that uid" in got.message


@pytest.mark.parametrize(
    ("owner", "told"), [(STRANGER, f"now carries the uid {STRANGER}"), ("", "has lost it")]
)
def test_who_has_lost_the_job_is_told(owner: str, told: str) -> None:
    there = Job.parse(
        {**job().document, "labels": ownership_labels(Owner("b", "b", owner), 1) if owner else {}}
    )
    got = decided(resource(intended=intent(), status=status()), observed(job=there))
    assert isinstance(got, Stall)
    assert got.reason is Reason.TAKEN
    assert told in got.message
    assert "neither changed nor cancelled" in got.message


@pytest.mark.parametrize(
    ("subject", "known", "expected"),
    [
        (resource(), observed(), None),
        (resource(intended=intent()), observed(), None),
        (resource(intended=intent()), observed(job=job("QUEUED")), Polled(TARGET)),
        (resource(intended=intent(), status=status()), observed(), Polled(TARGET)),
        (resource(intended=intent(), status=status()), missing(), Polled(TARGET)),
        (resource(intended=intent(), status=status()), observed(job=job("SUCCEEDED")), None),
        (resource(intended=intent(), status=status("FAILED")), observed(), None),
        (resource(intended=intent(), status=status(), deleting=True), observed(job=job()), Polled(TARGET)),
        (resource(intended=intent()), observed(job=job(uid=STRANGER)), None),
        (LOST, observed(), Polled(TARGET, lost=True)),
        (LOST, missing(), Polled(TARGET, lost=True)),
        (LOST, observed(job=job()), Polled(TARGET)),
        (replace(LOST, deleting=True), missing(), Polled(TARGET)),
        (
            resource(intended=intent(), status=status(), spec={"managedBy": "example.com/x"}),
            observed(job=job()),
            None,
        ),
    ],
)
def test_what_is_polled(subject: Resource, known: Observation, expected: Polled | None) -> None:
    assert polled(subject, known) == expected


def test_the_time_after_which_a_job_is_lost_is_the_administrators() -> None:
    subject, known = resource(intended=intent(), status=status()), missing(for_=10)
    assert isinstance(decided(subject, known), Watch)
    assert isinstance(decided(subject, known, AdminPolicy(lost_after=timedelta(seconds=10))), Stall)


ASKED = {RETRY: "2026-11-29T10:00:00Z"}


def rejected_with(retry: str) -> Observation:
    refusal = FailedCall(Call.CREATE, errors.Rejected("No."), 1, later(-5), retry=retry)
    return observed(alone=True, failed_calls={Call.CREATE: refusal})


def test_a_refused_job_is_tried_anew_once_for_each_request() -> None:
    subject = resource(intended=intent(), status=stalled("Rejected"))
    asking = replace(subject, annotations={**subject.annotations, **ASKED})
    assert isinstance(decided(asking, observed(alone=True)), Submit)
    assert isinstance(decided(asking, rejected_with("")), Submit)
    assert isinstance(decided(asking, rejected_with(ASKED[RETRY])), Stall)


def test_a_request_that_was_answered_is_not_answered_again_after_a_restart() -> None:
    refused = {"generation": 1, "reason": "Rejected", "retry": ASKED[RETRY]}
    answered = {**stalled("Rejected"), "record": {"refused": refused}}
    subject = resource(intended=intent(), status=answered)
    asked = replace(subject, annotations={**subject.annotations, **ASKED})
    assert decided(asked, Observation(since=START)) == Keep()
    later_on = replace(asked, annotations={**asked.annotations, RETRY: "2026-11-30T10:00:00Z"})
    assert decided(later_on, Observation(since=START)) != Keep()
    assert decided(subject, Observation(since=START)) == Keep()

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mljobs.api.base import JsonObject
from mljobs.api.resources import KINDS
from mljobs.domain import errors
from mljobs.domain.decide import Policy, decide
from mljobs.domain.decide.decisions import Refuse, Settled, Wait
from mljobs.domain.job.observation import Method, Observation, Trouble
from mljobs.domain.job.resource import Resource
from mljobs.domain.port import Job
from mljobs.domain.reasons import ConditionType, Reason
from mljobs.domain.show.events import transitions
from mljobs.domain.show.outputs import goal_of
from mljobs.domain.show.project import project
from mljobs.domain.spec.problems import Problem
from tests.unit.domain.world import (
    JOB_ID,
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
    target,
)

STATUS_LIMIT = 64 * 1024


def shown(subject: Resource, known: Observation) -> JsonObject:
    """What a resource shows after what is decided for it."""
    decision = decide(subject, known, Policy(), NOW)
    assert isinstance(decision, Settled), decision
    return project(subject, known, decision, NOW)


def words(result: JsonObject) -> dict[str, tuple[str, str]]:
    return {row["type"]: (row["status"], row["reason"]) for row in result["conditions"]}


SUSPENDED = condition("Suspended", "True", "Suspending")
IDLE = {"Suspended": ("False", "NotSuspended")}
RUNNING = {
    **IDLE,
    "Submitted": ("True", "Accepted"),
    "Succeeded": ("Unknown", "NotFinished"),
    "Reconciling": ("False", "Watching"),
}


def ended(outcome: str, reason: str) -> dict[str, tuple[str, str]]:
    return {**RUNNING, "Succeeded": (outcome, reason), "Reconciling": ("False", "Finished")}


def troubled(method: Method, error: errors.JobServiceError, **fields: Any) -> Observation:
    return observed(troubles={method: Trouble(method, error, 1, later(5))}, **fields)


SUBMITTED = resource(intended=intent(), status=status())
LOST = resource(
    intended=intent(),
    status=status("RUNNING", condition("Succeeded", "False", "Lost"), condition("Stalled", "True", "Lost")),
)

CONDITIONS: dict[str, tuple[Resource, Observation, dict[str, tuple[str, str]]]] = {
    "accepted": (resource(intended=intent()), observed(job=job("QUEUED"), created=True), RUNNING),
    "adopted": (
        resource(intended=intent()),
        observed(job=job("QUEUED")),
        {**RUNNING, "Submitted": ("True", "Adopted")},
    ),
    "running": (SUBMITTED, observed(job=job()), RUNNING),
    "succeeded": (SUBMITTED, observed(job=job("SUCCEEDED")), ended("True", "JobSucceeded")),
    "failed": (SUBMITTED, observed(job=job("FAILED")), ended("False", "JobFailed")),
    "cancelled": (SUBMITTED, observed(job=job("CANCELLED")), ended("False", "JobCancelled")),
    "lost": (
        SUBMITTED,
        missing(),
        {
            **RUNNING,
            "Succeeded": ("False", "Lost"),
            "Reconciling": ("False", "Waiting"),
            "Stalled": ("True", "Lost"),
        },
    ),
    "taken by another resource": (
        SUBMITTED,
        observed(job=job(uid="99999999-2222-3333-4444-555555555555")),
        {**RUNNING, "Reconciling": ("False", "Waiting"), "Stalled": ("True", "Taken")},
    ),
    "missing for a while": (SUBMITTED, missing(for_=200), RUNNING),
    "found again": (LOST, observed(job=job()), {**RUNNING, "Succeeded": ("Unknown", "FoundAgain")}),
    "found again, and at its end": (LOST, observed(job=job("SUCCEEDED")), ended("True", "JobSucceeded")),
    "missing while it is deleted": (
        resource(intended=intent(), status=status(), deleting=True),
        missing(for_=200, sought=True),
        {**RUNNING, "Reconciling": ("True", "Deleting")},
    ),
    "reading denied": (
        SUBMITTED,
        troubled(Method.GET, errors.Denied("no"), job=job()),
        {**RUNNING, "Stalled": ("True", "Denied")},
    ),
    "reading fails for a while": (
        SUBMITTED,
        troubled(Method.GET, errors.Unavailable("cut"), job=job()),
        RUNNING,
    ),
    "outcome unknown": (
        resource(intended=intent()),
        troubled(Method.CREATE, errors.Unavailable("cut"), doubtful_at=NOW),
        {
            **IDLE,
            "Submitted": ("Unknown", "OutcomeUnknown"),
            "Succeeded": ("Unknown", "OutcomeUnknown"),
            "Reconciling": ("True", "OutcomeUnknown"),
        },
    ),
    "throttled": (
        resource(intended=intent()),
        troubled(Method.CREATE, errors.Throttled("quota")),
        {
            **IDLE,
            "Submitted": ("False", "Throttled"),
            "Succeeded": ("Unknown", "Throttled"),
            "Reconciling": ("True", "Throttled"),
        },
    ),
    "denied": (
        resource(intended=intent()),
        troubled(Method.CREATE, errors.Denied("no")),
        {
            **IDLE,
            "Submitted": ("False", "Denied"),
            "Succeeded": ("Unknown", "Denied"),
            "Reconciling": ("False", "Waiting"),
            "Stalled": ("True", "Denied"),
        },
    ),
    "no such project": (
        resource(intended=intent()),
        troubled(Method.CREATE, errors.ProjectNotFound("no")),
        {
            **IDLE,
            "Submitted": ("False", "ProjectNotFound"),
            "Succeeded": ("Unknown", "ProjectNotFound"),
            "Reconciling": ("False", "Waiting"),
            "Stalled": ("True", "ProjectNotFound"),
        },
    ),
    "rejected": (
        resource(intended=intent()),
        troubled(Method.CREATE, errors.Rejected("bad region"), alone=True),
        {
            **IDLE,
            "Submitted": ("False", "Rejected"),
            "Succeeded": ("Unknown", "Rejected"),
            "Reconciling": ("False", "Waiting"),
            "Stalled": ("True", "Rejected"),
        },
    ),
    "invalid": (
        resource(spec={"trainingInput": {}}),
        observed(target=None),
        {
            **IDLE,
            "Submitted": ("False", "InvalidSpec"),
            "Succeeded": ("Unknown", "InvalidSpec"),
            "Reconciling": ("False", "Waiting"),
            "Stalled": ("True", "InvalidSpec"),
        },
    ),
    "invalid labels on a running job": (
        resource(intended=intent(), status=status(), spec={"labels": {"Team": "b"}}),
        observed(job=job()),
        {**RUNNING, "Stalled": ("True", "InvalidSpec")},
    ),
    "held back": (
        resource(spec={"suspend": True}),
        observed(target=None),
        {
            "Submitted": ("False", "Suspended"),
            "Succeeded": ("Unknown", "Suspended"),
            "Reconciling": ("False", "Suspended"),
            "Suspended": ("True", "Suspended"),
        },
    ),
    "suspending": (
        resource(intended=intent(), status=status(), spec={"suspend": True}),
        observed(job=job()),
        {**RUNNING, "Suspended": ("True", "Suspending"), "Reconciling": ("True", "Suspending")},
    ),
    "suspended": (
        resource(intended=intent(), status=status("CANCELLING", SUSPENDED), spec={"suspend": True}),
        observed(job=job("CANCELLED")),
        {
            **RUNNING,
            "Succeeded": ("Unknown", "Suspended"),
            "Suspended": ("True", "Suspended"),
            "Reconciling": ("False", "Suspended"),
        },
    ),
    "a cancel was denied": (
        resource(intended=intent(), status=status(), deleting=True),
        troubled(Method.CANCEL, errors.Denied("no"), job=job()),
        {**RUNNING, "Reconciling": ("False", "Waiting"), "Stalled": ("True", "Denied")},
    ),
}


@pytest.mark.parametrize("case", CONDITIONS)
def test_conditions(case: str) -> None:
    subject, known, expected = CONDITIONS[case]
    assert words(shown(subject, known)) == expected


@pytest.mark.parametrize("case", CONDITIONS)
def test_the_status_fits_the_model_and_is_stable(case: str) -> None:
    subject, known, _ = CONDITIONS[case]
    result = shown(subject, known)
    assert KINDS["TrainingJob"].status.model_validate(result).document() == result
    again = replace(subject, status=result)
    decision = decide(again, known, Policy(), later(1))
    if isinstance(decision, Settled):
        assert project(again, known, decision, later(1)) == result
    assert transitions(result, result) == []


def test_the_services_fields_are_taken_over() -> None:
    known = observed(
        job=job(
            "FAILED",
            startTime="2026-01-02T03:01:00Z",
            endTime="2026-01-02T03:02:00Z",
            errorMessage="The replica master 0 exited with a non-zero status of 1.",
            jobPosition="3",
            trainingOutput={"consumedMLUnits": 0.5, "brandNew": 1},
            labels={"mljobs-uid": JOB_ID, "team": "a"},
        )
    )
    known = observed(job=Job.parse({**known.job.document, "labels": job().labels}) if known.job else None)
    result = shown(SUBMITTED, known)
    assert result["state"] == "FAILED"
    assert result["jobName"] == f"projects/proj/jobs/{JOB_ID}"
    assert result["projectId"] == "proj"
    assert result["startTime"] == "2026-01-02T03:01:00Z"
    assert result["jobPosition"] == "3"
    assert result["trainingOutput"] == {"consumedMLUnits": 0.5}
    succeeded = next(row for row in result["conditions"] if row["type"] == "Succeeded")
    assert succeeded["message"] == "The replica master 0 exited with a non-zero status of 1."
    assert result["logsUrl"].endswith(f"/logs?resource=ml_job%2Fjob_id%2F{JOB_ID}&project=proj")


def test_a_job_that_may_exist_is_named_and_one_that_does_not_is_forgotten() -> None:
    unknown = shown(*CONDITIONS["outcome unknown"][:2])
    assert unknown["jobId"] == JOB_ID
    subject = resource(intended=intent(time=later(-1000)), status=unknown)
    known = troubled(Method.CREATE, errors.Rejected("bad region"), doubtful_at=later(-100), absent_at=NOW)
    assert "jobId" not in shown(subject, known)


def test_a_new_attempt_moves_the_old_one_into_the_list() -> None:
    second = target("proj", JOB_ID[:-1] + "2", 2)
    old = status("CANCELLED", SUSPENDED, createTime="2026-01-01T00:00:00Z", errorMessage="x" * 5000)
    subject = resource(intended=intent(second, generation=3), status=old, generation=3)
    known = observed(target=second, job=job("QUEUED", target=second), created=True)
    result = shown(subject, known)
    assert (result["attempt"], result["jobId"]) == (2, second.job_id)
    assert [(row["attempt"], row["jobId"], row["state"]) for row in result["attempts"]] == [
        (1, JOB_ID, "CANCELLED")
    ]
    assert len(result["attempts"][0]["errorMessage"]) == 512
    assert "errorMessage" not in result
    assert words(result)["Suspended"] == ("False", "NotSuspended")


def test_the_bindings_that_were_made_are_recorded_until_they_are_taken_out() -> None:
    mine = [{"role": "roles/viewer", "members": ["user:a@example.com"]}]
    result = shown(
        resource(intended=intent(), status=status(), spec={"iamBindings": mine}),
        observed(job=job(), bound=mine),
    )
    assert result["iamBindings"] == mine
    subject = resource(intended=intent(), status=result)
    assert "iamBindings" not in shown(subject, observed(job=job(), bound=[]))


def test_a_terminal_state_never_regresses() -> None:
    subject = resource(intended=intent(), status=status("SUCCEEDED", generation=1))
    assert shown(subject, observed(job=job("RUNNING")))["state"] == "SUCCEEDED"


def test_a_word_that_nobody_knows_is_unspecified() -> None:
    assert shown(SUBMITTED, observed(job=job("PAUSED")))["state"] == "STATE_UNSPECIFIED"


def test_transition_times_change_only_with_the_status() -> None:
    first = shown(SUBMITTED, observed(job=job()))
    decision = Wait(Reason.THROTTLED, "later", later(5))
    again = project(resource(intended=intent(), status=first), observed(job=job()), decision, later(60))
    times = {row["type"]: row["lastTransitionTime"] for row in again["conditions"]}
    assert times["Reconciling"] == "2026-01-02T03:05:05Z"
    assert times["Suspended"] == "2026-01-02T03:04:05Z"


EVENTS: dict[str, tuple[Resource, Observation, list[tuple[str, str]]]] = {
    "accepted": (*CONDITIONS["accepted"][:2], [("Normal", "Accepted")]),
    "running": (*CONDITIONS["running"][:2], []),
    "succeeded": (*CONDITIONS["succeeded"][:2], [("Normal", "JobSucceeded")]),
    "failed": (*CONDITIONS["failed"][:2], [("Warning", "JobFailed")]),
    "invalid": (*CONDITIONS["invalid"][:2], [("Warning", "InvalidSpec")]),
    "outcome unknown": (*CONDITIONS["outcome unknown"][:2], [("Warning", "OutcomeUnknown")]),
    "lost": (*CONDITIONS["lost"][:2], [("Warning", "Lost")]),
    "found again": (*CONDITIONS["found again"][:2], [("Normal", "FoundAgain")]),
    "held back": (*CONDITIONS["held back"][:2], [("Normal", "Suspended")]),
    "suspending": (*CONDITIONS["suspending"][:2], [("Normal", "Suspending")]),
}


@pytest.mark.parametrize("case", EVENTS)
def test_events_are_transitions_only(case: str) -> None:
    subject, known, expected = EVENTS[case]
    events = transitions(subject.status, shown(subject, known))
    assert [(event.type, event.reason.value) for event in events] == expected


@pytest.mark.parametrize(
    ("adopting", "says"),
    [(False, "from an earlier try"), (True, "as the annotation mljobs.dev/adopt asks")],
)
def test_adopted_says_whose_job_it_was(adopting: bool, says: str) -> None:
    subject = resource(intended=intent(adopting=adopting), spec={"jobId": JOB_ID})
    (row,) = (row for row in shown(subject, observed(job=job()))["conditions"] if row["reason"] == "Adopted")
    assert row["message"].startswith(f"{TARGET.job_name}: ")
    assert says in row["message"]


@pytest.mark.parametrize(
    ("subject", "method"),
    [(resource(intended=intent()), Method.CREATE), (SUBMITTED, Method.GET)],
    ids=["submitting", "reading"],
)
def test_what_is_denied_says_what_helps(subject: Resource, method: Method) -> None:
    error = errors.Denied("Project #1 has been deleted.", status=403, cause=errors.Denial.PROJECT)
    known = troubled(method, error, job=job() if method is Method.GET else None)
    (stalled,) = (row for row in shown(subject, known)["conditions"] if row["type"] == "Stalled")
    assert "Project #1 has been deleted. No permission helps here" in stalled["message"]
    assert "Grant" not in stalled["message"]


def test_a_refusal_lists_all_problems() -> None:
    problems = tuple(Problem(f"spec.trainingInput.f{n}", n, "is wrong") for n in range(3))
    result = project(resource(), observed(target=None), Refuse(problems), NOW)
    stalled = next(row for row in result["conditions"] if row["type"] == ConditionType.STALLED)
    assert all(f"spec.trainingInput.f{n}" in stalled["message"] for n in range(3))


# --- properties ---------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=200),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
STATES = st.sampled_from(
    ["QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED", "CANCELLING", "NEW_WORD", ""]
)
TRIAL = st.fixed_dictionaries(
    {},
    optional={
        "trialId": st.integers(0, 10_000).map(str),
        "finalMetric": st.fixed_dictionaries(
            {"objectiveValue": st.floats(allow_nan=False) | st.text(max_size=3)}
        ),
        "hyperparameters": st.dictionaries(st.text(max_size=40), st.text(max_size=400), max_size=5),
        "state": STATES,
        "surprise": JSON,
    },
)
DOCUMENT = st.fixed_dictionaries(
    {"state": STATES},
    optional={
        "errorMessage": st.text(max_size=20_000),
        "jobPosition": st.integers() | st.text(max_size=5),
        "createTime": st.text(max_size=30) | st.just("2026-01-02T03:00:00Z"),
        "trainingOutput": st.fixed_dictionaries(
            {},
            optional={
                "trials": st.lists(TRIAL, max_size=60),
                "webAccessUris": st.dictionaries(st.text(max_size=30), st.text(max_size=300), max_size=30),
                "consumedMLUnits": st.floats(),
                "completedTrialCount": st.integers() | JSON,
            },
        )
        | JSON,
        "surprise": JSON,
    },
)


@given(document=DOCUMENT)
def test_whatever_the_service_sends_something_storable_is_shown(document: dict[str, Any]) -> None:
    seen = Job.parse({**job().document, **document})
    result = shown(SUBMITTED, observed(job=seen))
    assert KINDS["TrainingJob"].status.model_validate(result).document() == result
    assert len(json.dumps(result).encode()) < STATUS_LIMIT


@pytest.mark.parametrize("goal", ["MAXIMIZE", "MINIMIZE", None])
def test_ten_thousand_trials_stay_small_best_first_and_counted(goal: str | None) -> None:
    spec: dict[str, Any] = {"region": "r", "hyperparameters": {"goal": goal} if goal else {}}
    trials = [
        {
            "trialId": str(n),
            "finalMetric": {"objectiveValue": (n * 7919) % 10_007},
            "hyperparameters": {"a": "1"},
        }
        for n in range(1, 10_001)
    ]
    subject = resource(intended=intent(), status=status(), spec={"trainingInput": spec})
    result = shown(subject, observed(job=job("SUCCEEDED", trainingOutput={"trials": trials})))
    output = result["trainingOutput"]
    values = [trial["finalMetric"]["objectiveValue"] for trial in output["trials"]]
    assert values == sorted(values, reverse=goal != "MINIMIZE")
    assert output["bestTrial"] == output["trials"][0]
    assert output["trialsTruncated"] == 10_000 - len(values)
    assert len(json.dumps(result).encode()) < STATUS_LIMIT


def test_trials_without_a_metric_come_last_and_none_is_the_best() -> None:
    trials = [{"trialId": "1"}, {"trialId": "2", "state": "FAILED"}]
    known = observed(job=job("FAILED", trainingOutput={"trials": trials}))
    assert shown(SUBMITTED, known)["trainingOutput"] == {"consumedMLUnits": 0.0, "trials": trials}
    trials.append({"trialId": "3", "finalMetric": {"objectiveValue": 0}})  # type: ignore[dict-item]
    known = observed(job=job("FAILED", trainingOutput={"trials": trials}))
    output = shown(SUBMITTED, known)["trainingOutput"]
    assert [trial["trialId"] for trial in output["trials"]] == ["3", "1", "2"]
    assert output["bestTrial"]["trialId"] == "3"


def test_the_target_is_the_recorded_job() -> None:
    assert SUBMITTED.target == TARGET


@pytest.mark.parametrize(
    ("spec", "goal"),
    [
        ({"trainingInput": {"hyperparameters": {"goal": "MINIMIZE"}}}, "MINIMIZE"),
        ({"vertex": {"studySpec": {"metrics": [{"goal": "MINIMIZE"}]}}}, "MINIMIZE"),
        (
            {
                "trainingInput": {"hyperparameters": {"goal": "MAXIMIZE"}},
                "vertex": {"studySpec": {"metrics": [{"goal": "MINIMIZE"}]}},
            },
            "MINIMIZE",
        ),
        (
            {
                "trainingInput": {"hyperparameters": {"goal": "MAXIMIZE"}},
                "vertex": {"studySpec": {"metrics": []}},
            },
            "MAXIMIZE",
        ),
        ({"trainingInput": [], "vertex": {"studySpec": {"metrics": {"0": 1}}}}, ""),
        ({}, ""),
    ],
)
def test_the_goal_of_a_search_wherever_it_stands(spec: dict[str, object], goal: str) -> None:
    assert goal_of(spec) == goal

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mljobs.api.base import JsonObject
from mljobs.api.resources import KINDS
from mljobs.domain.decide import AdminPolicy, decide
from mljobs.domain.decide.decisions import Settled
from mljobs.domain.job.observation import Observation
from mljobs.domain.job.resource import Resource
from mljobs.domain.port import Job
from mljobs.domain.show.outputs import goal_of
from mljobs.domain.show.project import project
from tests.unit.domain.world import (
    NOW,
    SECOND,
    TARGET,
    condition,
    intent,
    job,
    observed,
    resource,
    status,
)

STATUS_LIMIT = 64 * 1024


def shown(subject: Resource, known: Observation) -> JsonObject:
    """What a resource shows after what is decided for it."""
    decision = decide(subject, known, AdminPolicy(), NOW)
    assert isinstance(decision, Settled), decision
    return project(subject, known, decision, NOW)


SUBMITTED = resource(intended=intent(), status=status())

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


def test_of_an_earlier_attempt_only_the_beginning_of_its_error_is_kept() -> None:
    cancelled = condition("Suspended", "True", "Suspending")
    before = status("CANCELLED", cancelled, errorMessage="x" * 5000)
    subject = resource(intended=intent(SECOND, generation=3), status=before, generation=3)
    known = observed(target=SECOND, job=job("QUEUED", target=SECOND), created=True)
    (earlier,) = shown(subject, known)["attempts"]
    assert len(earlier["errorMessage"]) == 512


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

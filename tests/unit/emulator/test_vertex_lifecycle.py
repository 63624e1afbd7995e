"""The life of a job of Vertex AI: what has happened stays, time does not run back, an end is the end."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mljobs_dev.emulator.aiplatform import lifecycle
from mljobs_dev.emulator.aiplatform.document import COLLECTIONS
from mljobs_dev.emulator.aiplatform.lifecycle import JobHistory, Pace
from mljobs_dev.emulator.aiplatform.states import JobState, ml_v1_state, read_word
from mljobs_dev.emulator.lifecycle import State

Q, P, R = JobState.QUEUED, JobState.PENDING, JobState.RUNNING
SECONDS = {Q: 10.0, P: 20.0, R: 100.0, JobState.CANCELLING: 5.0}

seconds = st.floats(0, 50, allow_nan=False)
paces = st.builds(
    Pace,
    st.fixed_dictionaries(dict.fromkeys((Q, P, R, JobState.CANCELLING), seconds)),
    final=st.sampled_from(JobState),
    settle=seconds,
    echo=seconds,
    heed=seconds,
    linger=seconds,
    runs=st.booleans(),
    max_wait=st.none() | seconds,
    max_run=st.none() | seconds,
)
acts = st.lists(
    st.tuples(seconds, st.sampled_from(["cancel", "replan", "force"]), paces, st.sampled_from(JobState)),
    max_size=6,
)


def steps(history: JobHistory) -> list[tuple[float, str]]:
    return [(step.at, step.state.removeprefix("JOB_STATE_")) for step in history.steps]


def test_a_plan() -> None:
    pace = Pace(SECONDS, settle=1, echo=2, linger=3, final=JobState.FAILED, error="no")
    history = lifecycle.plan(0, pace)
    assert steps(history) == [
        (0, "PENDING"),
        (1, "QUEUED"),
        (3, "QUEUED"),
        (11, "PENDING"),
        (31, "RUNNING"),
        (131, "FAILED"),
        (134, "FAILED"),
    ]
    assert [step.error for step in history.steps[-2:]] == ["no", "no"]


def test_a_plan_without_a_queue() -> None:
    pace = Pace({**SECONDS, Q: 0.0, P: 0.0}, settle=1)
    assert steps(lifecycle.plan(0, pace)) == [(0, "PENDING"), (1, "RUNNING"), (101, "SUCCEEDED")]


def test_a_cancel() -> None:
    pace = Pace(SECONDS, heed=2)
    history = lifecycle.plan(0, pace)
    cancelled = lifecycle.cancel(history, 29, pace)
    assert steps(cancelled)[-3:] == [(30, "RUNNING"), (31, "CANCELLING"), (36, "CANCELLED")]
    assert lifecycle.cancel(cancelled, 30, pace) is cancelled
    assert steps(lifecycle.replan(cancelled, 30, Pace({**SECONDS, R: 0.5})))[-1] == (30.5, "SUCCEEDED")
    assert lifecycle.cancel(history, 200, pace) is history


@pytest.mark.parametrize("backwards", [R, P, Q])
def test_force_never_goes_back(backwards: JobState) -> None:
    with pytest.raises(ValueError, match="jobs never go back"):
        lifecycle.force(lifecycle.plan(0, Pace(SECONDS)), 50, backwards, Pace(SECONDS))


def test_force_goes_on() -> None:
    forced = lifecycle.force(lifecycle.plan(0, Pace(SECONDS)), 5, R, Pace(SECONDS))
    assert steps(forced) == [(0, "PENDING"), (0, "QUEUED"), (5, "RUNNING"), (105, "SUCCEEDED")]


@given(first=paces, following=acts)
def test_what_has_happened_stays(first: Pace, following: list[tuple[float, str, Pace, JobState]]) -> None:
    history, now = lifecycle.plan(0, first), 0.0
    for later, act, pace, state in following:
        now += later
        past = history.past(now)
        history = changed(history, now, act, pace, state)
        assert history.past(now)[: len(past)] == past
    instants = [step.at for step in history.steps]
    assert instants == sorted(instants)
    assert not any(math.isnan(instant) for instant in instants)
    ends = [step.state for step in history.steps if step.state.terminal]
    assert len(set(ends)) <= 1
    assert all(step.state.terminal for step in history.steps[len(history.steps) - len(ends) :])


def changed(history: JobHistory, now: float, act: str, pace: Pace, state: JobState) -> JobHistory:
    if act == "cancel":
        return lifecycle.cancel(history, now, pace)
    if act == "replan":
        return lifecycle.replan(history, now, pace)
    try:
        return lifecycle.force(history, now, state, pace)
    except ValueError:
        return history


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_usual_durations(collection: str) -> None:
    paces_ = [lifecycle.default_pace(collection, f"p/{number}") for number in range(200)]
    assert paces_[0] == lifecycle.default_pace(collection, "p/0")
    plans = [lifecycle.plan(0, pace) for pace in paces_]
    assert all(history.steps[-1].state is JobState.SUCCEEDED for history in plans)
    running = [history.entered(R) or 0.0 for history in plans]
    low, high = {
        "customJobs": (41, 182),
        "hyperparameterTuningJobs": (1.8, 3),
        "batchPredictionJobs": (0.04, 0.15),
    }[collection]
    assert low <= min(running) <= max(running) <= high
    ends = [pace.heed + pace.seconds[JobState.CANCELLING] for pace in paces_]
    assert (30 if collection == "batchPredictionJobs" else 1) <= min(ends)
    assert max(ends) <= (35 if collection == "batchPredictionJobs" else 6)


@pytest.mark.parametrize(
    ("word", "state", "legacy"),
    [
        ("PREPARING", P, "PREPARING"),
        ("PENDING", P, "PREPARING"),
        ("JOB_STATE_PENDING", P, "PREPARING"),
        ("QUEUED", Q, "QUEUED"),
        ("JOB_STATE_EXPIRED", JobState.EXPIRED, "FAILED"),
        ("PARTIALLY_SUCCEEDED", JobState.PARTIALLY_SUCCEEDED, "SUCCEEDED"),
        ("PAUSED", JobState.PAUSED, "QUEUED"),
        ("UPDATING", JobState.UPDATING, "RUNNING"),
    ],
)
def test_words(word: str, state: JobState, legacy: str) -> None:
    assert (read_word(word), ml_v1_state(state)) == (state, State(legacy))


@pytest.mark.parametrize("word", ["", "DONE", "JOB_STATE_", "pending"])
def test_what_is_no_word(word: str) -> None:
    with pytest.raises(ValueError, match="is none of"):
        read_word(word)


def test_every_state_has_a_word() -> None:
    states: list[Any] = [*JobState]
    assert {ml_v1_state(state) for state in states} == set(State)

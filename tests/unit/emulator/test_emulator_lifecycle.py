"""Jobs only go forward, whatever is done to them, and their etag tells every change."""

import itertools

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mljobs_dev.emulator import lifecycle
from mljobs_dev.emulator.clock import Clock
from mljobs_dev.emulator.jobs import Job
from mljobs_dev.emulator.lifecycle import Pace, State, Step, Timeline

Q, P, R, C = State.QUEUED, State.PREPARING, State.RUNNING, State.CANCELLING
SECONDS = {Q: 10.0, P: 20.0, R: 100.0, C: 5.0}


def states(timeline: Timeline) -> list[tuple[float, str]]:
    return [(step.at, step.state.value) for step in timeline.steps]


@pytest.mark.parametrize(
    ("pace", "expected"),
    [
        (Pace(SECONDS), [(0, "QUEUED"), (10, "PREPARING"), (30, "RUNNING"), (130, "SUCCEEDED")]),
        (
            Pace(SECONDS, State.FAILED, "no"),
            [(0, "QUEUED"), (10, "PREPARING"), (30, "RUNNING"), (130, "FAILED")],
        ),
        (Pace(SECONDS, State.RUNNING), [(0, "QUEUED"), (10, "PREPARING"), (30, "RUNNING")]),
        (Pace(SECONDS, State.QUEUED), [(0, "QUEUED")]),
        (
            Pace(SECONDS, max_wait=15),
            [(0, "QUEUED"), (10, "PREPARING"), (15, "CANCELLING"), (20, "CANCELLED")],
        ),
        (Pace(SECONDS, max_wait=5), [(0, "QUEUED"), (5, "CANCELLING"), (10, "CANCELLED")]),
        (
            Pace(SECONDS, max_wait=30, max_run=60),
            [(0, "QUEUED"), (10, "PREPARING"), (30, "RUNNING"), (90, "CANCELLING"), (95, "CANCELLED")],
        ),
        (
            Pace(SECONDS, State.RUNNING, max_run=60),
            [(0, "QUEUED"), (10, "PREPARING"), (30, "RUNNING"), (90, "CANCELLING"), (95, "CANCELLED")],
        ),
        (Pace(SECONDS, State.QUEUED, max_wait=60), [(0, "QUEUED"), (60, "CANCELLING"), (65, "CANCELLED")]),
    ],
)
def test_plan(pace: Pace, expected: list[tuple[float, str]]) -> None:
    assert states(lifecycle.plan(0, pace)) == expected


def test_a_limit_says_why_it_ended_the_job() -> None:
    assert lifecycle.plan(0, Pace(SECONDS, max_run=60)).steps[-1].error == (
        "Job is cancelled because it ran longer than its max_running_time of 60s."
    )
    assert "max_wait_time of 5s" in lifecycle.plan(0, Pace(SECONDS, max_wait=5)).steps[-1].error


def test_cancel_takes_its_time_and_says_what_the_service_says() -> None:
    timeline = lifecycle.cancel(lifecycle.plan(0, Pace(SECONDS)), 40, Pace(SECONDS))
    assert states(timeline)[2:] == [(30, "RUNNING"), (40, "CANCELLING"), (45, "CANCELLED")]
    assert timeline.at(44).error == ""
    assert timeline.at(45).error == "Job is cancelled by the user."


@pytest.mark.parametrize("now", [41, 46, 200])
def test_cancel_twice_changes_nothing(now: float) -> None:
    once = lifecycle.cancel(lifecycle.plan(0, Pace(SECONDS)), 40, Pace(SECONDS))
    assert lifecycle.cancel(once, now, Pace(SECONDS)) is once


def test_replan_moves_on_at_once_what_is_over() -> None:
    timeline = lifecycle.replan(lifecycle.plan(0, Pace(SECONDS)), 15, Pace({**SECONDS, P: 1.0, R: 2.0}))
    assert states(timeline) == [(0, "QUEUED"), (10, "PREPARING"), (15, "RUNNING"), (17, "SUCCEEDED")]


def test_replan_keeps_a_cancellation() -> None:
    cancelled = lifecycle.cancel(lifecycle.plan(0, Pace(SECONDS)), 15, Pace(SECONDS))
    timeline = lifecycle.replan(cancelled, 16, Pace({**SECONDS, C: 50.0}, State.SUCCEEDED))
    assert states(timeline)[2:] == [(15, "CANCELLING"), (65, "CANCELLED")]
    assert timeline.steps[-1].error == lifecycle.USER_CANCEL


@pytest.mark.parametrize("backwards", [State.QUEUED, State.PREPARING])
def test_force_refuses_to_go_back(backwards: State) -> None:
    with pytest.raises(ValueError, match="never go back"):
        lifecycle.force(lifecycle.plan(0, Pace(SECONDS)), 15, backwards, Pace(SECONDS))


def test_force_goes_on_from_there() -> None:
    timeline = lifecycle.force(lifecycle.plan(0, Pace(SECONDS)), 5, State.RUNNING, Pace(SECONDS))
    assert states(timeline) == [(0, "QUEUED"), (5, "RUNNING"), (105, "SUCCEEDED")]


@given(st.text(min_size=1))
def test_default_pace_is_that_of_recorded_traffic(name: str) -> None:
    training = lifecycle.default_pace(name, training=True)
    assert 27 <= training.seconds[Q] + training.seconds[P] <= 92
    prediction = lifecycle.default_pace(name, training=False)
    assert 1 <= prediction.seconds[Q] + prediction.seconds[P] <= 3
    assert lifecycle.default_pace(name, training=True) == training


paces = st.builds(
    Pace,
    st.fixed_dictionaries({state: st.floats(0, 100) for state in (Q, P, R, C)}),
    final=st.sampled_from(State),
    error=st.sampled_from(["", "broken"]),
    max_wait=st.none() | st.floats(0, 100),
    max_run=st.none() | st.floats(0, 100),
)


class JobLife(RuleBasedStateMachine):
    """Anything that can be done to a job, in any order, at any time."""

    job: Job
    seen: list[tuple[State, int, str]]

    @initialize(pace=paces)
    def create(self, pace: Pace) -> None:
        body = {"jobId": "census", "trainingInput": {"region": "us-central1"}}
        clock = Clock(epoch=1e9, monotonic=lambda: 0.0)
        self.now, self.pace, self.labels = 0.0, pace, 0
        self.job = Job("p", body, sequence=1, created=0.0, pace=pace, clock=clock)
        self.past: tuple[Step, ...] = ()
        self.seen = []

    @rule(seconds=st.floats(0, 150))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def cancel(self) -> None:
        self.job.set_timeline(lifecycle.cancel(self.job.timeline, self.now, self.pace), self.pace)

    @rule(pace=paces)
    def replan(self, pace: Pace) -> None:
        self.pace = pace
        self.job.set_timeline(lifecycle.replan(self.job.timeline, self.now, pace), pace)

    @precondition(lambda self: not self.job.state(self.now).terminal)
    @rule(state=st.sampled_from(State))
    def force(self, state: State) -> None:
        if state.rank > self.job.state(self.now).rank:
            timeline = lifecycle.force(self.job.timeline, self.now, state, self.pace)
            self.job.set_timeline(timeline, self.pace)
            assert self.job.state(self.now).rank >= state.rank

    @rule(labels=st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy")))
    def relabel(self, labels: dict[str, str]) -> None:
        self.job.set_labels(labels)
        self.labels += 1

    @invariant()
    def steps_rise(self) -> None:
        steps = self.job.timeline.steps
        for one, other in itertools.pairwise(steps):
            assert one.at <= other.at
            assert one.state.rank < other.state.rank
        assert not any(step.state.terminal for step in steps[:-1])

    @invariant()
    def what_has_happened_stays(self) -> None:
        past = self.job.timeline.past(self.now)
        assert past[: len(self.past)] == self.past
        self.past = past

    @invariant()
    def etag_tells_state_and_labels(self) -> None:
        document = self.job.document(self.now)
        self.seen.append((State(document["state"]), self.labels, document["etag"]))
        by_version = {(state, labels): etag for state, labels, etag in self.seen}
        assert len(by_version) == len({etag for _, _, etag in self.seen})
        assert len(by_version) == len(set(self.seen))

    @invariant()
    def shape_follows_state(self) -> None:
        document = self.job.document(self.now)
        state = State(document["state"])
        assert ("endTime" in document) is state.terminal
        assert ("startTime" in document) is ("trainingOutput" in document)
        if state is State.RUNNING:
            assert "startTime" in document
        if state in (Q, P):
            assert "startTime" not in document
        if state is State.CANCELLED:
            assert document["errorMessage"]
        times = [document[name] for name in ("createTime", "startTime", "endTime") if name in document]
        assert times == sorted(times)


JobLife.TestCase.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
TestJobLife = JobLife.TestCase

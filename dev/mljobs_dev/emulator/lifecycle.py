"""The life of a job as a function of emulated time.

A timeline is the list of states that a job enters and of the instants at which it does; what lies in the
future may be planned anew, what has happened never changes. No job needs a task or a timer: its state is
looked up when somebody asks.

    QUEUED → PREPARING → RUNNING → SUCCEEDED | FAILED
        └────────┴──────────┴───→ CANCELLING → CANCELLED
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from mljobs_dev.emulator import history

USER_CANCEL = "Job is cancelled by the user."
"""errorMessage of a job that somebody cancelled (recorded traffic)."""


class State(StrEnum):
    """The states of a job (discovery document, `Job.state`)."""

    QUEUED = "QUEUED"
    PREPARING = "PREPARING"
    RUNNING = "RUNNING"
    CANCELLING = "CANCELLING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def rank(self) -> int:
        """How far along a job is; it never goes to a lower or, once ended, to another state."""
        return _RANK[self]

    @property
    def terminal(self) -> bool:
        """Whether a job stays in this state for ever."""
        return self in TERMINAL


_RANK = {
    State.QUEUED: 0,
    State.PREPARING: 1,
    State.RUNNING: 2,
    State.CANCELLING: 3,
    State.SUCCEEDED: 4,
    State.FAILED: 4,
    State.CANCELLED: 4,
}
TERMINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})
_ADVANCING = (State.QUEUED, State.PREPARING, State.RUNNING)


@dataclass(frozen=True)
class Pace:
    """How long a job stays in each state, and where it ends.

    Attributes:
        seconds: emulated seconds in QUEUED, PREPARING, RUNNING and CANCELLING.
        final: the state it comes to rest in; one that is not terminal is never left.
        error: errorMessage of a job that ends as FAILED or CANCELLED by itself.
        max_wait: emulated seconds from creation in which it must start, or None.
        max_run: emulated seconds in RUNNING after which it is cancelled, or None.
    """

    seconds: Mapping[State, float]
    final: State = State.SUCCEEDED
    error: str = ""
    max_wait: float | None = None
    max_run: float | None = None


Step = history.Step[State]
"""A state that a job enters; `error` is its errorMessage from here on."""

Timeline = history.History[State]
"""What has happened to a job and what is to come, with rising ranks."""


def default_pace(name: str, *, training: bool) -> Pace:
    """Durations like those of recorded traffic, the same for the same name every time.

    Args:
        name: what tells jobs apart.
        training: a training job starts after 27 to 92 s and runs for minutes; a prediction job starts after
            1 to 3 s.
    """
    chance = random.Random(name)  # noqa: S311 - repeatable, not secret
    to_start = chance.uniform(27, 92) if training else chance.uniform(1, 3)
    queued = to_start * chance.uniform(0.2, 0.5)
    return Pace(
        {
            State.QUEUED: queued,
            State.PREPARING: to_start - queued,
            State.RUNNING: chance.uniform(120, 600) if training else chance.uniform(60, 300),
            State.CANCELLING: chance.uniform(60, 180),
        }
    )


def plan(created: float, pace: Pace) -> Timeline:
    """The timeline of a job that has just been created."""
    return _continue((Step(created, State.QUEUED),), created, pace)


def replan(timeline: Timeline, now: float, pace: Pace) -> Timeline:
    """Give a job another pace; what it has been through stays.

    A job whose stay in its state is over by the new pace moves on at once. One that is being cancelled is
    still cancelled, in the new pace's time.
    """
    past = timeline.past(now)
    if past[-1].state.terminal:
        return timeline
    return _continue(past, now, pace, cancelled=timeline.steps[-1].error)


def cancel(timeline: Timeline, now: float, pace: Pace, reason: str = USER_CANCEL) -> Timeline:
    """Ask for a job's end: CANCELLING now, CANCELLED after the pace's time. No effect on one that ends."""
    past = timeline.past(now)
    if past[-1].state.rank >= State.CANCELLING.rank:
        return timeline
    return Timeline((*past, *_cancelling(now, pace, reason)))


def force(timeline: Timeline, now: float, state: State, pace: Pace, error: str = "") -> Timeline:
    """Put a job into a state now; from one that is not terminal it goes on by its pace.

    Raises:
        ValueError: the job is in that state or past it.
    """
    past = timeline.past(now)
    if past[-1].state.rank >= state.rank:
        raise ValueError(f"a job in state {past[-1].state} cannot become {state}: jobs never go back")
    forced = (*past, Step(now, state, _said(state, error)))
    return Timeline(forced) if state.terminal else _continue(forced, now, pace, cancelled=error)


def _continue(past: tuple[Step, ...], now: float, pace: Pace, cancelled: str = "") -> Timeline:
    current = past[-1]
    if current.state is State.CANCELLING:
        end = max(now, current.at + pace.seconds[State.CANCELLING])
        return Timeline((*past, Step(end, State.CANCELLED, cancelled or USER_CANCEL)))
    steps = list(past)
    last = pace.final if pace.final.terminal else State.SUCCEEDED
    for state in (*_ADVANCING, last):
        if state.rank <= steps[-1].state.rank:
            continue
        at = max(now, steps[-1].at + pace.seconds[steps[-1].state])
        over = _limit(steps, at, pace)
        if over is not None:
            instant, reason = over
            steps.extend(_cancelling(max(now, instant), pace, reason))
            break
        if steps[-1].state is pace.final:
            break
        steps.append(Step(at, state, _said(state, pace.error)))
    return Timeline(tuple(steps))


def _said(state: State, error: str) -> str:
    """ErrorMessage in a state: a cancelled job always has one."""
    if not state.terminal:
        return ""
    return error or (USER_CANCEL if state is State.CANCELLED else "")


def _limit(steps: list[Step], until: float, pace: Pace) -> tuple[float, str] | None:
    last = steps[-1]
    rests = last.state is pace.final
    if last.state is State.RUNNING:
        if pace.max_run is not None and (rests or until > last.at + pace.max_run):
            reason = f"Job is cancelled because it ran longer than its max_running_time of {pace.max_run:g}s."
            return last.at + pace.max_run, reason
        return None
    created = steps[0].at
    if pace.max_wait is not None and (rests or until > created + pace.max_wait):
        reason = f"Job is cancelled because it did not start within its max_wait_time of {pace.max_wait:g}s."
        return created + pace.max_wait, reason
    return None


def _cancelling(at: float, pace: Pace, reason: str) -> tuple[Step, Step]:
    return (
        Step(at, State.CANCELLING),
        Step(at + pace.seconds[State.CANCELLING], State.CANCELLED, reason),
    )

"""The life of a job of Vertex AI as a function of emulated time.

    PENDING → QUEUED → PENDING → RUNNING → SUCCEEDED | FAILED      (the batch prediction job skips QUEUED)
        └────────┴─────────┴────────┴──→ CANCELLING → CANCELLED

As recorded: a new job is PENDING for a moment before it is QUEUED and PENDING again; a cancelled one goes on
for a moment before it is CANCELLING; and some steps change nothing but the time of the last update.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from mljobs_dev.emulator.aiplatform.states import JobState
from mljobs_dev.emulator.history import History, Step

CANCELED = "CANCELED"
"""The error's message of every cancelled job (recorded)."""

NO_RESOURCES = (
    "Resources are insufficient in region: {}. Try a different region or use a different accelerator."
)

JobStep = Step[JobState]
JobHistory = History[JobState]


@dataclass(frozen=True)
class Pace:
    """How long a job stays in each state, and where it ends.

    Attributes:
        seconds: emulated seconds in QUEUED, PENDING, RUNNING and CANCELLING.
        final: the state it comes to rest in; one that is not terminal is never left.
        error: the error's message of a job that ends by itself as anything but SUCCEEDED.
        settle: seconds that a new job is PENDING before anything happens.
        echo: seconds from the first step to an update that changes nothing else; 0 for none.
        heed: seconds from a cancel to CANCELLING.
        linger: seconds from a failure to an update that changes nothing else; 0 for none.
        runs: whether it is ever RUNNING.
        max_wait: seconds from creation in which it must run, or None.
        max_run: seconds in RUNNING after which it is cancelled, or None.
        too_late: the error's message of a job that did not run within `max_wait`.
    """

    seconds: Mapping[JobState, float]
    final: JobState = JobState.SUCCEEDED
    error: str = ""
    settle: float = 0.0
    echo: float = 0.0
    heed: float = 0.0
    linger: float = 0.0
    runs: bool = True
    max_wait: float | None = None
    max_run: float | None = None
    too_late: str = ""


def default_pace(collection: str, name: str) -> Pace:
    """Durations like those of recorded traffic, the same for the same name every time.

    Args:
        collection: `customJobs` and its neighbours.
        name: what tells jobs apart.
    """
    chance = random.Random(f"{collection}/{name}")  # noqa: S311 - repeatable, not secret
    batch, tuning = collection == "batchPredictionJobs", collection == "hyperparameterTuningJobs"
    waiting = 0.0 if batch else chance.uniform(0.5, 1.5) if tuning else chance.uniform(40, 180)
    seconds = {
        JobState.QUEUED: 0.0 if batch else chance.uniform(1.25, 1.3),
        JobState.PENDING: waiting,
        JobState.RUNNING: chance.uniform(300, 720) if batch else chance.uniform(120, 600),
        JobState.CANCELLING: chance.uniform(30, 33) if batch else chance.uniform(0.5, 4.5),
    }
    return Pace(
        seconds,
        settle=chance.uniform(0.04, 0.15) if batch else chance.uniform(0.12, 0.16),
        echo=chance.uniform(0.8, 1.7) if batch else chance.uniform(0.15, 0.2),
        heed=chance.uniform(1.5, 1.9) if batch else chance.uniform(1.0, 1.5),
        linger=chance.uniform(1.3, 235) if batch else 0.0,
    )


def plan(created: float, pace: Pace) -> JobHistory:
    """The history of a job that has just been created."""
    return _continue((Step(created, JobState.PENDING),), created, pace)


def replan(history: JobHistory, now: float, pace: Pace) -> JobHistory:
    """Give a job another pace; what it has been through stays, and what is over by the new pace ends at once.

    One that is being cancelled is still cancelled, in the new pace's time.
    """
    past = history.past(now)
    if past[-1].state.terminal:
        return history
    planned = next((step.at for step in history.steps if step.state is JobState.CANCELLING), None)
    again = _continue(past, now, pace)
    if planned is None or past[-1].state is JobState.CANCELLING:
        return again
    return _cancelled(again, planned, pace)


def cancel(history: JobHistory, now: float, pace: Pace) -> JobHistory:
    """Ask for a job's end. No effect on one that has ended or is to be cancelled; it may end before that."""
    planned = history.entered(JobState.CANCELLING)  # which a limit of its run time may have, long after this
    if history.at(now).state.terminal or (planned is not None and planned <= now + pace.heed):
        return history
    return _cancelled(history, now + pace.heed, pace)


def force(history: JobHistory, now: float, state: JobState, pace: Pace, error: str = "") -> JobHistory:
    """Put a job into a state now; from one that is not terminal it goes on by its pace.

    Raises:
        ValueError: the job is in that state or past it.
    """
    past = history.past(now)
    current = past[-1].state
    if current.terminal or current is state or current.rank > state.rank:
        raise ValueError(f"a job in state {current} cannot become {state}: jobs never go back")
    said = error or (CANCELED if state is JobState.CANCELLED else "")
    forced = (*past, Step(now, state, said if state.terminal else ""))
    return History(forced) if state.terminal else _continue(forced, now, pace)


def _cancelled(history: JobHistory, at: float, pace: Pace) -> JobHistory:
    kept = history.past(at)
    if kept[-1].state.terminal:
        return history
    ended = at + pace.seconds[JobState.CANCELLING]
    return History((*kept, Step(at, JobState.CANCELLING), Step(max(at, ended), JobState.CANCELLED, CANCELED)))


def _continue(past: tuple[JobStep, ...], now: float, pace: Pace) -> JobHistory:
    steps = list(past)
    since = _since(past)
    if past[-1].state is JobState.CANCELLING:
        end = max(now, since + pace.seconds[JobState.CANCELLING])
        return History((*past, Step(end, JobState.CANCELLED, CANCELED)))
    for state, wait in _ahead(past, pace):
        at = max(now, since + wait)
        over = _limit(steps, at, since, pace)
        if over is not None:
            at, ends = max(now, over[0]), over[1]
            steps = [step for step in steps if step.at <= at]
            steps += [Step(max(at, step.at), step.state, step.error) for step in ends]
            break
        if steps[-1].state is pace.final and (len(steps) > 1 or state is not JobState.QUEUED):
            break
        steps.append(Step(at, state, pace.error if state.terminal else ""))
        steps += _echo(steps, pace)
        since = at
    return History(tuple(steps))


def _ahead(past: tuple[JobStep, ...], pace: Pace) -> list[tuple[JobState, float]]:
    """The states to come, each with the seconds that the state before it lasts."""
    queued = pace.seconds[JobState.QUEUED] > 0 or pace.final is JobState.QUEUED
    stations = [(JobState.PENDING, pace.settle)]
    if queued:
        stations += [
            (JobState.QUEUED, pace.seconds[JobState.QUEUED]),
            (JobState.PENDING, pace.seconds[JobState.PENDING]),
        ]
    else:
        stations[0] = (JobState.PENDING, pace.settle + pace.seconds[JobState.PENDING])
    if pace.runs:
        stations.append((JobState.RUNNING, pace.seconds[JobState.RUNNING]))
    passed = min(_passed(past, queued=queued), len(stations) - 1)
    states = [state for state, _ in stations[passed + 1 :]]
    last = pace.final if pace.final.rank in (1, 3) and pace.final is not JobState.RUNNING else None
    states.append(last or JobState.SUCCEEDED)
    return list(zip(states, (seconds for _, seconds in stations[passed:]), strict=True))


def _passed(past: tuple[JobStep, ...], *, queued: bool) -> int:
    """The index of the station that a job is at."""
    seen = {step.state for step in past}
    if JobState.RUNNING in seen:
        return 3 if queued else 1
    if not queued or seen == {JobState.PENDING}:
        return 0
    return 1 if past[-1].state is JobState.QUEUED else 2


def _since(past: tuple[JobStep, ...]) -> float:
    """When the present state was entered; updates that change nothing else do not count."""
    at = past[-1].at
    for step in reversed(past):
        if step.state is not past[-1].state:
            break
        at = step.at
    return at


def _echo(steps: list[JobStep], pace: Pace) -> list[JobStep]:
    last = steps[-1]
    first = len({step.state for step in steps[:-1]}) == 1 and not last.state.terminal
    if first and pace.echo and pace.seconds.get(last.state, 0.0) > pace.echo:
        return [Step(last.at + pace.echo, last.state)]
    if last.state is JobState.FAILED and pace.linger:
        return [Step(last.at + pace.linger, last.state, last.error)]
    return []


def _limit(
    steps: list[JobStep], until: float, since: float, pace: Pace
) -> tuple[float, list[JobStep]] | None:
    """When and how a job ends that runs, or waits, longer than it may."""
    state = steps[-1].state
    rests = state is pace.final
    if state is JobState.RUNNING:
        if pace.max_run is None or not (rests or until > since + pace.max_run):
            return None
        at = since + pace.max_run
        ended = at + pace.seconds[JobState.CANCELLING]
        return at, [Step(at, JobState.CANCELLING), Step(ended, JobState.CANCELLED, CANCELED)]
    created = steps[0].at
    if pace.max_wait is None or not (rests or until > created + pace.max_wait):
        return None
    at = created + pace.max_wait
    return at, [Step(at, JobState.FAILED, pace.too_late)]

"""The states of a job, and the words that scripts may use for them."""

from enum import StrEnum

from mljobs_dev.emulator.lifecycle import State

PREFIX = "JOB_STATE_"


class JobState(StrEnum):
    """The states of a job (discovery document, `CustomJob.state`)."""

    QUEUED = "JOB_STATE_QUEUED"
    PENDING = "JOB_STATE_PENDING"
    RUNNING = "JOB_STATE_RUNNING"
    SUCCEEDED = "JOB_STATE_SUCCEEDED"
    FAILED = "JOB_STATE_FAILED"
    CANCELLING = "JOB_STATE_CANCELLING"
    CANCELLED = "JOB_STATE_CANCELLED"
    PAUSED = "JOB_STATE_PAUSED"
    EXPIRED = "JOB_STATE_EXPIRED"
    UPDATING = "JOB_STATE_UPDATING"
    PARTIALLY_SUCCEEDED = "JOB_STATE_PARTIALLY_SUCCEEDED"

    @property
    def rank(self) -> int:
        """How far along a job is; among queued and pending it steps back, to a lower rank never."""
        return _RANK.get(self, 3)

    @property
    def terminal(self) -> bool:
        """Whether a job stays in this state for ever."""
        return self not in _RANK


_RANK = {
    JobState.QUEUED: 0,
    JobState.PENDING: 0,
    JobState.RUNNING: 1,
    JobState.PAUSED: 1,
    JobState.UPDATING: 1,
    JobState.CANCELLING: 2,
}
_ML_V1 = {
    JobState.QUEUED: State.QUEUED,
    JobState.PENDING: State.PREPARING,
    JobState.RUNNING: State.RUNNING,
    JobState.SUCCEEDED: State.SUCCEEDED,
    JobState.FAILED: State.FAILED,
    JobState.CANCELLING: State.CANCELLING,
    JobState.CANCELLED: State.CANCELLED,
    JobState.PAUSED: State.QUEUED,
    JobState.EXPIRED: State.FAILED,
    JobState.UPDATING: State.RUNNING,
    JobState.PARTIALLY_SUCCEEDED: State.SUCCEEDED,
}


def read_word(word: str) -> JobState:
    """The state that a word means: ml v1's (`PREPARING`), or Vertex's with or without its prefix.

    Raises:
        ValueError: it is no state of either service.
    """
    name = word.removeprefix(PREFIX)
    if name == State.PREPARING:
        return JobState.PENDING
    try:
        return JobState[name]
    except KeyError:
        raise ValueError(
            f"{word!r} is none of {', '.join((*State, *(s for s in JobState)))}, with or without {PREFIX}"
        ) from None


def ml_v1_state(state: JobState) -> State:
    """What ml v1 calls a state, or the nearest that it has."""
    return _ML_V1[state]

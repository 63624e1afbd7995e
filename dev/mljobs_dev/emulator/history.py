"""What happens to a job, as a list of steps in time; the services' states differ, this does not."""

import bisect
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

S = TypeVar("S", bound=StrEnum)


@dataclass(frozen=True)
class Step(Generic[S]):
    """A state that a job enters.

    Attributes:
        at: the emulated instant.
        state: the state.
        error: the error's text from here on; empty for none.
    """

    at: float
    state: S
    error: str = ""


@dataclass(frozen=True)
class History(Generic[S]):
    """What has happened to a job and what is to come, in order.

    Attributes:
        steps: at least one, with never falling instants.
    """

    steps: tuple[Step[S], ...]
    _instants: tuple[float, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_instants", tuple(step.at for step in self.steps))

    def index(self, now: float) -> int:
        """The index of the step that holds at an instant."""
        return max(0, bisect.bisect_right(self._instants, now) - 1)

    def at(self, now: float) -> Step[S]:
        """The step that holds at an instant."""
        return self.steps[self.index(now)]

    def entered(self, *states: S) -> float | None:
        """When a job first enters one of these states, or None if it never does."""
        return next((step.at for step in self.steps if step.state in states), None)

    def past(self, now: float) -> tuple[Step[S], ...]:
        """What has happened up to an instant."""
        return self.steps[: self.index(now) + 1]

"""The deadlines of a job: until when it has to run, and until when to have ended."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from mljobs.api.outputs import State
from mljobs.domain.job.observation import Observation
from mljobs.domain.job.resource import Resource
from mljobs.domain.job.times import accepted_at, active_since
from mljobs.domain.policies.placements import placed
from mljobs.domain.reasons import Reason

ACTIVE, START = "activeDeadlineSeconds", "startDeadlineSeconds"
"""The fields of the spec that set them."""

REASONS = {ACTIVE: Reason.DEADLINE_EXCEEDED, START: Reason.START_DEADLINE_EXCEEDED}


@dataclass(frozen=True)
class Deadline:
    """A deadline of an attempt.

    Attributes:
        field: of the spec, `ACTIVE` or `START`.
        seconds: its value.
        due: when it is exceeded.
    """

    field: str
    seconds: int
    due: datetime


@dataclass(frozen=True)
class Exceeded:
    """A deadline that ends an attempt, or has ended it.

    Attributes:
        field: of the spec, `ACTIVE` or `START`.
        seconds: its value at that time.
    """

    field: str
    seconds: int

    @property
    def reason(self) -> Reason:
        """The reason of the conditions."""
        return REASONS[self.field]

    @property
    def message(self) -> str:
        """What has happened, for people."""
        if self.field == START:
            what = f"it was not RUNNING {self.seconds} s after the service had accepted it ({self.field})"
        else:
            what = f"{self.seconds} s have passed since the service had accepted the first attempt"
            what += f" (spec.{self.field})"
        return f"The job is cancelled: {what}."

    @property
    def waited(self) -> str:
        """The same where no job ran: a failed attempt waited for the next one."""
        return (
            f"{self.seconds} s have passed since the service had accepted the first attempt "
            f"(spec.{self.field}): no other one follows the last."
        )


def next_deadline(resource: Resource, observation: Observation) -> Deadline | None:
    """The deadline of the newest attempt that is due first; None if it has none."""
    job = observation.job
    found = []
    active, start = (_seconds(resource.spec.get(field)) for field in (ACTIVE, START))
    there = placed(resource, resource.target.attempt) if resource.target else None
    start = (there and there.start_deadline) or start
    if active:
        due = active_since(resource, observation) + timedelta(seconds=active)
        found.append(Deadline(ACTIVE, active, due))
    started = (job and job.state == State.RUNNING) or (resource.submitted and resource.state == State.RUNNING)
    if start and not started:
        due = accepted_at(resource, observation) + timedelta(seconds=start)
        found.append(Deadline(START, start, due))
    return min(found, key=lambda deadline: deadline.due, default=None)


def exceeded(resource: Resource) -> Exceeded | None:
    """The deadline that ends the newest attempt, or has ended it, as recorded."""
    recorded = resource.record.get("exceeded") if resource.submitted else None
    return Exceeded(recorded["field"], recorded["seconds"]) if recorded else None


def _seconds(value: Any) -> int | None:
    """The seconds that a spec says, if they are a number; the rules report what else there is."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31 else None

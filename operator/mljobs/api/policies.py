"""What a spec says about a job that has ended: whether another follows, and how long its resource is kept."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from mljobs.api.base import Duration, Int32, Model, Word
from mljobs.api.outputs import Cause
from mljobs.api.vertex.job import MachineAcceleratorType

PLACEMENTS_LIMIT = 8
"""The most placements that a spec has."""


class FailureAction(StrEnum):
    """What follows an attempt that has failed."""

    RETRY = "Retry"
    RETRY_IGNORING_LIMIT = "RetryIgnoringLimit"
    NEXT_PLACEMENT = "NextPlacement"
    FAIL = "Fail"


MessagePattern = Annotated[str, Field(min_length=1, max_length=128)]
"""A regular expression in RE2's syntax, which never takes more than linear time."""


class FailureRule(Model):
    """What follows the failed attempts that it is about: those that all of its lists name."""

    on_causes: Annotated[tuple[Cause, ...], Field(min_length=1, max_length=len(Cause))] | None = None
    """The causes that it is about; any if unset."""

    on_exit_codes: Annotated[tuple[Int32, ...], Field(min_length=1, max_length=64)] | None = None
    """The exit codes of the program that it is about; any, or none, if unset."""

    on_message_patterns: Annotated[tuple[MessagePattern, ...], Field(min_length=1, max_length=8)] | None = (
        None
    )
    """Regular expressions in RE2's syntax; it is about messages of the service in which at least one of them
    is found. Any if unset."""

    action: FailureAction
    """Retry submits another attempt, as long as backoffLimit allows; RetryIgnoringLimit does so in any case,
    and the attempt does not count; both keep to the placement. NextPlacement submits one in the next of
    placements, and does not count either. Fail ends the resource as failed."""


class FailurePolicy(Model):
    """What follows a failed attempt, by its cause."""

    rules: Annotated[tuple[FailureRule, ...], Field(min_length=1, max_length=20)]
    """The rules; the first one that is about the attempt counts. Where none is, placementPolicy.onEvents
    decide, and else it is Retry."""


class CapacityKind(StrEnum):
    """The kinds of capacity, in the words of Vertex AI's `Scheduling.strategy`."""

    STANDARD = "STANDARD"
    SPOT = "SPOT"
    FLEX_START = "FLEX_START"


class Placement(Model):
    """Where an attempt runs, and on what. What it does not name is as the spec says."""

    region: Annotated[Word, Field(min_length=1)] | None = None
    """The region, such as `us-central1`, in place of that of the input and of vertex.region."""

    strategy: CapacityKind | None = None
    """STANDARD, SPOT for capacity that may be taken away, or FLEX_START to wait for it, in place of
    vertex.jobSpec.scheduling.strategy. Only Vertex AI's training has others than STANDARD."""

    max_wait_duration: Duration | None = None
    """How long the service lets a FLEX_START job wait, `0s` for without limit, in place of
    vertex.jobSpec.scheduling.maxWaitDuration."""

    start_deadline_seconds: Int32 | None = None
    """Seconds for an attempt here to be RUNNING, in place of the spec's startDeadlineSeconds."""

    machine_type: Annotated[Word, Field(min_length=1)] | None = None
    """The Compute Engine type, such as `n1-standard-8`, of the master and the workers, or of a prediction of
    Vertex AI. It takes the place of the spec's with its accelerators: without acceleratorType there are
    none. A trainingInput has to be of scaleTier CUSTOM."""

    accelerator_type: MachineAcceleratorType | None = None
    """The accelerators of each of these machines, in place of the spec's; ml v1 has not all of the words."""

    accelerator_count: Int32 | None = None
    """How many of them each machine has."""


class PlacementEvent(StrEnum):
    """What moves a resource on to its next placement. Each is a cause of a failed attempt."""

    NO_CAPACITY = "NoCapacity"
    QUOTA_EXCEEDED = "QuotaExceeded"
    PREEMPTED = "Preempted"
    START_DEADLINE = "StartDeadline"


class PlacementPolicy(Model):
    """When the next of placements is tried, and how often all of them are."""

    on_events: (
        Annotated[tuple[PlacementEvent, ...], Field(min_length=1, max_length=len(PlacementEvent))] | None
    ) = None
    """The causes that move it on, where no rule of failurePolicy is about them: all of the four if unset.
    With NoCapacity and QuotaExceeded a refused create call does so, too."""

    rounds: Int32 | None = None
    """How many more times the placements are tried from the first one on, once the last one has been; none if
    unset. Each of these rounds waits as a retry does."""


Placements = Annotated[tuple[Placement, ...], Field(min_length=1, max_length=PLACEMENTS_LIMIT)]
"""Placements in the order in which they are tried."""


class TtlByOutcome(Model):
    """How long a finished resource is kept, by how it has ended."""

    succeeded: Int32 | None = None
    """Seconds for one whose job has succeeded."""

    failed: Int32 | None = None
    """Seconds for one whose job has failed, or has exceeded a deadline."""

    cancelled: Int32 | None = None
    """Seconds for one whose job was cancelled by somebody else."""

"""An attempt: one job that was submitted for a resource, as its status lists it."""

from typing import Annotated

from pydantic import Field

from mljobs.api.base import Counter, Int32, Name, Observed, Text, Timestamp, Word
from mljobs.api.outputs import Cause, State
from mljobs.api.policies import CapacityKind
from mljobs.api.vertex.job import MachineAcceleratorType


class AttemptPlacement(Observed):
    """Which of spec.placements an attempt is in, and what that said when it was submitted."""

    number: Annotated[Counter, Field(ge=1)]
    """Its place in the list, counted from 1."""

    round: Annotated[Counter, Field(ge=1)]
    """The round, counted from 1."""

    region: Word | None = None
    """The region."""

    strategy: CapacityKind | None = None
    """The kind of capacity; absent where the placement names none."""

    machine_type: Word | None = None
    """The machine type; absent where the placement names none."""

    accelerator_type: MachineAcceleratorType | None = None
    """The accelerators of a machine; absent where the placement names none."""

    accelerator_count: Int32 | None = None
    """How many of them a machine has."""


class Attempt(Observed):
    """One job that was submitted for this resource."""

    attempt: Annotated[Counter, Field(ge=1)]
    """The attempt's number, counted from 1."""

    job_id: Word
    """The id of the attempt's job."""

    job_name: Name | None = None
    """The full name of the attempt's job, `projects/PROJECT/jobs/ID`."""

    state: State | None = None
    """The last known state."""

    create_time: Timestamp | None = None
    """When the service accepted the job."""

    start_time: Timestamp | None = None
    """When the job started to run."""

    end_time: Timestamp | None = None
    """When the job ended."""

    error_message: Text | None = None
    """Why the job failed or was cancelled, in the service's words."""

    error_code: Int32 | None = None
    """The number of the google.rpc.Code beside that message, where the service gives one. 8 is a lack of
    machines, quota or memory: `cause` says which."""

    cause: Cause | None = None
    """Why the job has failed, as far as the operator understands what the service says; Unknown where it does
    not."""

    exit_code: Int32 | None = None
    """The exit code of the program, where the service says it."""

    placement: AttemptPlacement | None = None
    """Which of spec.placements the attempt was in; absent where there were none."""

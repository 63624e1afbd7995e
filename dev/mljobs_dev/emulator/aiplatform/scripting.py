"""What tests tell the emulator of Vertex AI's service as a whole: training quotas, and how lists behave."""

import re
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from mljobs_dev.emulator.scripting import ControlBody, Pattern


class Face(StrEnum):
    """What becomes of a job beyond a training quota."""

    REFUSE = "refuse"
    QUEUE = "queue"
    FAIL = "fail"


class TrainingQuota(ControlBody):
    """A quota of machines or accelerators that a project's training jobs have in a region together.

    Attributes:
        metric: `custom_model_training_nvidia_l4_gpus`, `custom_model_training_cpus`, with or without the
            service's name before it.
        limit: how many at a time.
        face: what becomes of a job beyond it: `refuse` answers its create with 429, `queue` lets it wait in
            QUEUED until there is room, `fail` lets it fail with `error.code` 8.
        project: which projects; every one if left out.
        location: which regions; every one if left out.
    """

    metric: Annotated[str, Field(min_length=1)]
    limit: Annotated[int, Field(ge=0)]
    face: Face = Face.REFUSE
    project: Pattern | None = None
    location: Pattern | None = None

    @property
    def name(self) -> str:
        """The metric without the service's name."""
        return self.metric.rpartition("/")[2]

    def covers(self, project: str, location: str) -> bool:
        """Whether it holds in a place."""
        return all(
            pattern is None or re.search(pattern, text)
            for pattern, text in ((self.project, project), (self.location, location))
        )


class Options(ControlBody):
    """How the service behaves where it is known to vary.

    Attributes:
        list_lag: emulated seconds for which a new job is in no list.
        shuffle_lists: whether lists are without order, instead of the last updated job first.
        project_numbers: whether the `name` of a new job has the project's number, or the id as it was given.
        trial_labels: whether the custom jobs of trials have the labels of their tuning job.
    """

    list_lag: Annotated[float, Field(ge=0, le=3600)] = 0.0
    shuffle_lists: bool = False
    project_numbers: bool = True
    trial_labels: bool = False

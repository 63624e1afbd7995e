"""All kinds that have a CustomResourceDefinition."""

from mljobs.api.jobclass import JOB_CLASS
from mljobs.api.jobschedule import JOB_SCHEDULE
from mljobs.api.resources import KINDS, ResourceKind

ALL_KINDS: dict[str, ResourceKind] = {**KINDS, JOB_SCHEDULE.name: JOB_SCHEDULE, JOB_CLASS.name: JOB_CLASS}
"""Those of users first, by name."""

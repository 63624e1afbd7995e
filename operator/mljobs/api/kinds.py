"""All kinds that have a CustomResourceDefinition."""

from mljobs.api.jobclass import JOB_CLASS
from mljobs.api.resources import KINDS, ResourceKind

ALL_KINDS: dict[str, ResourceKind] = {**KINDS, JOB_CLASS.name: JOB_CLASS}
"""Those of users first, by name."""

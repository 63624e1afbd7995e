"""Rules for `spec.vertex`.

They read the spec alone: whether the chosen service is Vertex AI, and what translation and block are
together, is judged by the services' `review`. Laid over an input, a part of a message may be missing; what is
missing is a problem only where the block is the whole job.
"""

from mljobs.domain.spec.rules.rule import Rule
from mljobs.domain.spec.rules.vertex import batch, environment, jobs, machines, sizes, study, whole

RULES: tuple[Rule, ...] = (
    *whole.RULES,
    *jobs.RULES,
    *machines.RULES,
    *environment.RULES,
    *study.RULES,
    *batch.RULES,
    *sizes.RULES,
)
"""All rules for the block."""

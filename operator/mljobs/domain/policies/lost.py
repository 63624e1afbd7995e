"""When a missing job counts as lost, and when the service is assumed to be wrong instead.

A `get` that finds no job proves little: a wrong endpoint, a wrong project behind a proxy, a lagging replica
or a service that is being restored answer the same for jobs that run and cost money. So it takes several such
answers over a while; if many jobs of a project are missing at once, no number of answers is enough; and a
lost job is still read periodically, and resumed when it reappears.
"""

from datetime import timedelta

from mljobs.domain.job.observation import Observation

ANSWERS = 3
"""Consecutive answers that there is no such job, at least, before it counts as lost."""

FEW = 3
"""From this number of missing jobs on, the service is not believed if they are half of a project or more."""


def is_lost(observation: Observation, after: timedelta) -> bool:
    """Whether the job has been missing for long enough, and in enough answers.

    Args:
        observation: of a job that the service had accepted.
        after: from the first such answer to the last one, at least.
    """
    first, last = observation.absent_since, observation.absent_at
    if first is None or last is None or observation.absences < ANSWERS:
        return False
    return last - first >= after


def service_is_wrong(*, asked: int, missing: int) -> bool:
    """Whether so many jobs of a project are missing at once that the service must be wrong.

    Args:
        asked: active jobs of the project that were read.
        missing: those of them that the service did not find.
    """
    return missing >= FEW and 2 * missing >= asked

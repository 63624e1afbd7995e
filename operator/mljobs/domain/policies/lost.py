"""When a job that the service does not know any longer counts as lost, and when it is the service that errs.

A `get` that finds no job proves little: a wrong endpoint, a wrong project behind a proxy, a replica that lags
or a service that is being restored say the same of jobs that run and cost money. So it takes several such
answers over a while; where many jobs of a project are gone at once, no number of answers is enough; and a
job that counts as lost is still looked at now and then, and taken back when it is there.
"""

from datetime import timedelta

from mljobs.domain.job.observation import Observation

ANSWERS = 3
"""Answers in a row that there is no such job, at the least, before it counts as lost."""

FEW = 3
"""Jobs of a project that are too many to be lost each by itself, if they are half of it or more."""


def is_lost(observation: Observation, after: timedelta) -> bool:
    """Whether the service has denied the job for long enough, and often enough.

    Args:
        observation: of a job that the service had accepted.
        after: from the first such answer to the last one, at the least.
    """
    first, last = observation.absent_since, observation.absent_at
    if first is None or last is None or observation.absences < ANSWERS:
        return False
    return last - first >= after


def service_errs(*, asked: int, missing: int) -> bool:
    """Whether so many jobs of a project are missing at once that it is the service that is wrong.

    Args:
        asked: active jobs of the project that were looked for.
        missing: those of them that the service says it does not have.
    """
    return missing >= FEW and 2 * missing >= asked

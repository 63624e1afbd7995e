"""Google's request quotas, if the emulator is configured to enforce them."""

from collections import defaultdict, deque

from mljobs_dev.emulator.errors import rate_limited

WINDOW = 60.0
"""Seconds over which requests are counted."""

CREATE = ("ml.googleapis.com/job_submission_requests", 60)
READ = ("ml.googleapis.com/job_requests", 300)
"""Metric and requests a window and project: 60 `create`; 300 `get`, `list` and `cancel` together
(documentation of quotas; the metrics' names are ours)."""

_LIMITS = {
    "ml.projects.jobs.create": CREATE,
    "ml.projects.jobs.get": READ,
    "ml.projects.jobs.list": READ,
    "ml.projects.jobs.cancel": READ,
}


class Quota:
    """Counts the requests of each project over the last window."""

    def __init__(self) -> None:
        self._taken: defaultdict[tuple[str, str], deque[float]] = defaultdict(deque)

    def take(self, method: str, project: str, now: float) -> None:
        """Count a request; a refused one does not count.

        Args:
            method: as the discovery document names it.
            project: whose quota.
            now: a steady clock in real seconds.

        Raises:
            ApiError: 429, over the quota.
        """
        limit = _LIMITS.get(method)
        if limit is None:
            return
        metric, number = limit
        taken = self._taken[project, metric]
        while taken and taken[0] <= now - WINDOW:
            taken.popleft()
        if len(taken) >= number:
            raise rate_limited(project, metric, number)
        taken.append(now)

    def clear(self) -> None:
        """Forget all requests."""
        self._taken.clear()

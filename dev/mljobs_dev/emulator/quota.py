"""Google's request quotas, where the emulator is told to enforce them."""

from collections import defaultdict, deque

from mljobs_dev.emulator.aiplatform.document import METHOD_NAMES
from mljobs_dev.emulator.errors import rate_limited

WINDOW = 60.0
"""Seconds over which requests are counted."""

CREATE = ("ml.googleapis.com/job_submission_requests", 60)
READ = ("ml.googleapis.com/job_requests", 300)
"""Metric and requests a window and project: 60 `create`; 300 `get`, `list` and `cancel` together
(documentation of quotas; the metrics' names are ours)."""

SUBMIT = ("job_submission_requests", 60)
MANAGE = ("resource_management_requests", 600)
"""The same of Vertex AI, a project and region: 60 `create` and `delete` of all kinds of jobs together; 600
`get`, `list` and `cancel` (documentation of quotas; the metrics' names are ours)."""

_LIMITS = {
    **{name: SUBMIT if name.endswith((".create", ".delete")) else MANAGE for name in METHOD_NAMES},
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
        over = self.full(method, project, now)
        if over is not None:
            raise rate_limited(project, *over)

    def full(self, method: str, whose: str, now: float) -> tuple[str, int] | None:
        """Count a request, or tell the metric and the number of requests that it would go beyond.

        Args:
            method: as the discovery document names it.
            whose: quota it is: a project, or a project and a region.
            now: a steady clock in real seconds.
        """
        limit = _LIMITS.get(method)
        if limit is None:
            return None
        metric, number = limit
        taken = self._taken[whose, metric]
        while taken and taken[0] <= now - WINDOW:
            taken.popleft()
        if len(taken) >= number:
            return metric, number
        taken.append(now)
        return None

    def clear(self) -> None:
        """Forget all requests."""
        self._taken.clear()

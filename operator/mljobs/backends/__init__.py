"""Implementations of the domain's JobService port. The only place that knows Google's client libraries."""

from mljobs.backends.factory import open_job_logs, open_job_service
from mljobs.backends.google.limits import Limits

__all__ = ["Limits", "open_job_logs", "open_job_service"]

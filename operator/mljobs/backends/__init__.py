"""The job services behind the port of `mljobs.domain.port`: the only place that knows Google."""

from mljobs.backends.factory import open_job_logs, open_job_service, open_object_storage
from mljobs.backends.google.limits import Limits

__all__ = ["Limits", "open_job_logs", "open_job_service", "open_object_storage"]

"""Pages of the Google Cloud console about a job, as `gcloud ai-platform jobs describe` prints them."""

from urllib.parse import quote

CONSOLE = "https://console.cloud.google.com"


def console_url(project: str, job_id: str) -> str:
    """The page of a job."""
    return f"{CONSOLE}/mlengine/jobs/{_quoted(job_id)}?project={_quoted(project)}"


def logs_url(project: str, job_id: str) -> str:
    """The log lines of a job."""
    return f"{CONSOLE}/logs?resource=ml_job%2Fjob_id%2F{_quoted(job_id)}&project={_quoted(project)}"


def _quoted(part: str) -> str:
    return quote(part, safe=":")

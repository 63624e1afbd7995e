"""Pages of the Google Cloud console about a job of Vertex AI."""

from urllib.parse import quote, urlencode

CONSOLE = "https://console.cloud.google.com"

AGENT_PLATFORM = "agent-platform"
"""Where the console has jobs since 2026 (google-cloud-aiplatform 2.7); before, it was `vertex-ai`."""


def console_url(prefix: str, project: str, location: str, section: str, job: str) -> str:
    """The page of a job.

    Args:
        prefix: `agent-platform` or `vertex-ai`.
        project: id or number of its project.
        location: its region.
        section: `training` for custom and tuning jobs, `batch-predictions` for the others.
        job: its number.
    """
    path = "/".join(quote(part, safe="") for part in (prefix, "locations", location, section, job))
    return f"{CONSOLE}/{path}?{_query(project=project)}"


def logs_url(project: str, job: str) -> str:
    """The log lines of a custom or tuning job, by the filter that the service's own error messages link to.

    Args:
        project: id or number of its project.
        job: its number.
    """
    log_filter = f'resource.type="ml_job"\nresource.labels.job_id="{job}"'
    query = _query(project=project, resource=f"ml_job/job_id/{job}", advancedFilter=log_filter)
    return f"{CONSOLE}/logs/viewer?{query}"


def _query(**parameters: str) -> str:
    return urlencode(parameters, safe=":", quote_via=quote)

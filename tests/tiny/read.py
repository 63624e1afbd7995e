"""From a run to a job in the vocabulary of the resources."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from mljobs.domain.port import Job
from tests.tiny.facts import reference_of


def job_of(project: str, run: Mapping[str, Any]) -> Job:
    """Read a run."""
    born = datetime.fromtimestamp(run["born"], UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    document = {
        "jobId": run["title"],
        "state": run["state"],
        "labels": run["marks"],
        "createTime": born,
        **({"jobPosition": "1"} if run["state"] == "QUEUED" else {}),
        **({"errorMessage": run["error"]} if "error" in run else {}),
    }
    return Job.parse(document, reference_of(project, run["number"]))

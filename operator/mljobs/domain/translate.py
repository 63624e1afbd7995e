"""Translates a validated spec into the job that the service is asked to create."""

from collections.abc import Mapping
from typing import Any

from mljobs.api.resources import KINDS
from mljobs.domain.port import JobDocument
from mljobs.domain.spec.validate import JobSpec

_EMPTY_MEANS_UNSET = ("serviceAccount",)
"""Fields whose empty text the service would take to the letter (reported by users of its clients)."""


def to_job(kind: str, spec: JobSpec, *, job_id: str, labels: Mapping[str, str]) -> JobDocument:
    """Make the body of `projects.jobs.create`.

    Args:
        kind: `TrainingJob` or `PredictionJob`.
        spec: the validated spec.
        job_id: the id that the job is to have.
        labels: the labels that mark whose job it is; they win over the spec's.

    Returns:
        Exactly what the discovery document allows: unset fields are absent, int64 values are decimal texts,
        explicit zeros stay.
    """
    field = KINDS[kind].input_field
    document: dict[str, Any] = spec.document()
    job: dict[str, Any] = {"jobId": job_id}
    merged = {**document.get("labels", {}), **labels}
    if merged:
        job["labels"] = merged
    job[field] = {
        name: value
        for name, value in document[field].items()
        if not (name in _EMPTY_MEANS_UNSET and value == "")
    }
    return job

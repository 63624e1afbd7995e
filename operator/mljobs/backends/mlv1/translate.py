"""Translates a validated spec into the job that the service is asked to create."""

from collections.abc import Mapping
from typing import Any

from mljobs.api.resources import KINDS
from mljobs.backends.mlv1.refuse import review
from mljobs.domain import errors
from mljobs.domain.port import JobDocument, Order
from mljobs.domain.spec.problems import summary

_EMPTY_MEANS_UNSET = ("serviceAccount",)
"""Fields whose empty text the service would take to the letter (reported by users of its clients)."""


def request(order: Order) -> tuple[str, JobDocument]:
    """The call of `projects.jobs.create` that submits an order: the request's line, and its body."""
    job = to_job(order.kind, order.spec, job_id=order.job_id, labels=order.labels)
    return f"POST v1/{order.scope}/jobs", job


def to_job(kind: str, spec: Mapping[str, Any], *, job_id: str, labels: Mapping[str, str]) -> JobDocument:
    """Make the body of `projects.jobs.create`.

    Args:
        kind: `TrainingJob` or `PredictionJob`.
        spec: the validated spec in canonical JSON.
        job_id: the id that the job is to have.
        labels: the labels that mark whose job it is; they win over the spec's.

    Returns:
        Exactly what the discovery document allows: unset fields are absent, int64 values are decimal texts,
        explicit zeros stay.

    Raises:
        Rejected: the spec has what `review` refuses; nothing is sent.
    """
    refused = review(kind, spec)
    if refused:
        raise errors.Rejected(summary(refused), status=0)
    field = KINDS[kind].input_field
    job: dict[str, Any] = {"jobId": job_id}
    merged = {**spec.get("labels", {}), **labels}
    if merged:
        job["labels"] = merged
    job[field] = {
        name: value for name, value in spec[field].items() if not (name in _EMPTY_MEANS_UNSET and value == "")
    }
    return job

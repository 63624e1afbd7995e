"""Translates a validated spec into the body of the create request."""

from collections.abc import Mapping
from typing import Any

from mljobs.api.resources import KINDS
from mljobs.backends.mlv1.facts import COLLECTION
from mljobs.backends.mlv1.refuse import review
from mljobs.domain import errors
from mljobs.domain.port import JobDocument, Order
from mljobs.domain.spec.problems import summary

_EMPTY_MEANS_UNSET = ("serviceAccount",)
"""Fields whose empty text the service would take literally (reported by users of its clients)."""


def request(order: Order) -> tuple[str, JobDocument]:
    """What creates a job, `projects.jobs.create`: its collection, and the body; see `to_job`."""
    return COLLECTION, to_job(order.kind, order.spec, job_id=order.job_id, labels=order.labels)


def to_job(kind: str, spec: Mapping[str, Any], *, job_id: str, labels: Mapping[str, str]) -> JobDocument:
    """Make the body of `projects.jobs.create`.

    Args:
        kind: `TrainingJob` or `PredictionJob`.
        spec: the validated spec in canonical JSON.
        job_id: the job's id.
        labels: the ownership labels; they override the spec's.

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

"""From an answer of `ml` v1 to a job: its words are those of the resources already."""

from collections.abc import Mapping
from typing import Any

from mljobs.api.resources import KINDS
from mljobs.backends.google.causes import with_failure
from mljobs.backends.mlv1.causes import ROWS
from mljobs.domain.port import Job, JobDocument, Reference, Scope

_INPUTS = frozenset(kind.input_field for kind in KINDS.values())


def read(answer: JobDocument, scope: Scope) -> Job:
    """Read a job, without its input, which may be large and is the resource's own: only its region is kept.

    Args:
        answer: a job as the client has checked it.
        scope: where it was asked for. The service may name the project otherwise; the reference has it as it
            was asked for.
    """
    return with_failure(Job.parse(_without_input(answer), Reference(f"{scope}/jobs/{answer['jobId']}")), ROWS)


def _without_input(answer: JobDocument) -> JobDocument:
    cut = {field: _region(answer[field]) for field in _INPUTS if field in answer}
    return {**answer, **cut} if cut else answer


def _region(job_input: Any) -> JobDocument:
    region = job_input.get("region") if isinstance(job_input, Mapping) else None
    return {} if region is None else {"region": region}

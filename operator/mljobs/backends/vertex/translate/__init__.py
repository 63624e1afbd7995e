"""Translates a validated spec into the job that Vertex AI is asked to create."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from mljobs.api.resources import KINDS, TRAINING_JOB
from mljobs.backends.vertex.tables import Tables
from mljobs.backends.vertex.translate.notes import Notes
from mljobs.backends.vertex.translate.prediction import prediction_job
from mljobs.backends.vertex.translate.training import training_job
from mljobs.domain import errors
from mljobs.domain.port import JobDocument, Order
from mljobs.domain.spec.problems import Problem, Severity, Source, summary


@dataclass(frozen=True)
class Translation:
    """What a spec becomes.

    Attributes:
        collection: `customJobs`, `hyperparameterTuningJobs` or `batchPredictionJobs`.
        body: of the request that creates it, without labels; the displayName only if the spec has one in
            `vertex`. It is of no use where there are errors.
        problems: errors, which refuse the spec, and warnings of what is lost or became something else.
    """

    collection: str
    body: JobDocument
    problems: tuple[Problem, ...]


def translate(
    kind: str, spec: Mapping[str, Any], tables: Tables, *, today: date | None = None
) -> Translation:
    """Translate a spec.

    Args:
        kind: `TrainingJob` or `PredictionJob`.
        spec: the validated spec in canonical JSON.
        tables: the administrator's.
        today: on which day to judge how long images are supported; None warns of all whose end is known.
    """
    notes = Notes()
    if kind == TRAINING_JOB.name:
        collection, body = training_job(spec, tables, notes, today)
    else:
        collection, body = prediction_job(spec, tables, notes, today)
    _note_region(kind, spec, notes)
    name = (spec.get("vertex") or {}).get("displayName")
    return Translation(collection, {**({"displayName": name} if name else {}), **body}, tuple(notes.problems))


def _note_region(kind: str, spec: Mapping[str, Any], notes: Notes) -> None:
    field = KINDS[kind].input_field
    legacy, chosen = (spec.get(field) or {}).get("region"), (spec.get("vertex") or {}).get("region")
    if legacy and chosen and legacy != chosen:
        rule = f"the job runs in {chosen}, as spec.vertex.region says"
        notes.changed("vertex-region", f"{field}.region", legacy, rule, Source.OPERATOR)


def request(order: Order, tables: Tables) -> tuple[str, JobDocument]:
    """What creates a job, `create` of its collection: the collection, and the body.

    Raises:
        Rejected: the spec has errors, which `refuse.review` tells before; nothing is sent.
    """
    made = translate(order.kind, order.spec, tables)
    refused = [problem for problem in made.problems if problem.severity is Severity.ERROR]
    if refused:
        raise errors.Rejected(summary(refused), status=0)
    labels = {**order.spec.get("labels", {}), **order.labels}
    body = {"displayName": order.job_id, **made.body, **({"labels": labels} if labels else {})}
    return made.collection, body

"""From an answer of Vertex AI to a job in the words of the resources, which are those of `ml` v1."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mljobs.backends.google.causes import with_failure
from mljobs.backends.vertex.causes import ROWS
from mljobs.backends.vertex.names import PREDICTION_JOBS, TUNING_JOBS, Name
from mljobs.domain import errors
from mljobs.domain.port import Job, JobDocument, Reference, Scope

Json = Mapping[str, Any]

STATES = {
    "JOB_STATE_QUEUED": "QUEUED",
    "JOB_STATE_PENDING": "PREPARING",
    "JOB_STATE_RUNNING": "RUNNING",
    "JOB_STATE_SUCCEEDED": "SUCCEEDED",
    "JOB_STATE_FAILED": "FAILED",
    "JOB_STATE_CANCELLING": "CANCELLING",
    "JOB_STATE_CANCELLED": "CANCELLED",
    "JOB_STATE_PAUSED": "QUEUED",
    "JOB_STATE_EXPIRED": "FAILED",
    "JOB_STATE_UPDATING": "RUNNING",
    "JOB_STATE_PARTIALLY_SUCCEEDED": "SUCCEEDED",
}
"""Ours by Vertex AI's; but see `_state`."""

TRIAL_STATES = {
    "REQUESTED": "QUEUED",
    "ACTIVE": "RUNNING",
    "STOPPING": "CANCELLING",
    "SUCCEEDED": "SUCCEEDED",
    "INFEASIBLE": "FAILED",
}

HAS_RUN = frozenset({"RUNNING", "SUCCEEDED"})
"""States of a job that certainly runs or has run. In all others `startTime` says nothing: the service sets it
0.1 s after creation, while the job is still QUEUED (recorded traffic)."""

EXPIRED = "The job has expired."

ROLES = ("master-replica", "worker-replica", "ps-replica", "evaluator-replica")
"""What `ml` v1 calls the replicas of the worker pools, by position."""

_REPLICA = re.compile(r"workerpool([0-3])-([0-9]+)(.*)", re.DOTALL)


def read(answer: Json, scope: Scope) -> Job:
    """Read a job.

    Args:
        answer: a CustomJob, HyperparameterTuningJob or BatchPredictionJob as JSON. What a `readMask` or a
            `list` leaves out is left out of the job too: the trials of a tuning job, say.
        scope: where it was asked for. The service may name the project by its number instead of its id; the
            reference has it as it was asked for.

    Returns:
        The job. Its document has the fields of an `ml` v1 Job, and besides them `errorCode`, the number of
        the google.rpc.Code of a job that has not succeeded, and `partial`, true where it has succeeded in
        part only.

    Raises:
        Unavailable: the answer does not name a job.
    """
    try:
        name = Name.parse(str(answer.get("name", "")))
    except errors.Rejected as error:
        raise errors.Unavailable(f"the answer names no job: {error.message}") from error
    reference = Reference(f"{scope}/{name.collection}/{name.id}")
    return with_failure(Job.parse(_document(answer, name.collection), reference), ROWS)


def _document(answer: Json, collection: str) -> JobDocument:
    word = str(answer.get("state", ""))
    state = _state(answer, word, collection)
    document: dict[str, Any] = {"jobId": str(answer.get("displayName", "")), "state": state}
    kept = ("labels", "createTime", "endTime", *(["startTime"] if state in HAS_RUN else []))
    document |= {key: answer[key] for key in kept if answer.get(key)}
    document |= _error(answer, word)
    if collection == PREDICTION_JOBS:
        field, output = "predictionOutput", _prediction_output(answer)
    else:
        tuned = _tuning_output(answer) if collection == TUNING_JOBS else {}
        field, output = "trainingOutput", {**tuned, **_web_access(answer)}
    return {**document, field: output} if output else document  # an empty one would say that all is zero


def _state(answer: Json, word: str, collection: str) -> str:
    """A new job is PENDING without a `startTime`, then QUEUED, then PENDING with one (recorded traffic).

    A batch prediction is never QUEUED, and has no `startTime` before it runs.
    """
    if word == "JOB_STATE_PENDING" and collection != PREDICTION_JOBS and not answer.get("startTime"):
        return "QUEUED"
    return STATES.get(word, "STATE_UNSPECIFIED")


def _error(answer: Json, word: str) -> JobDocument:
    error = _object(answer.get("error"))
    told: dict[str, Any] = {}
    message = str(error.get("message") or (EXPIRED if word == "JOB_STATE_EXPIRED" else ""))
    if word == "JOB_STATE_PARTIALLY_SUCCEEDED":
        told["partial"] = True
        failures = [str(_object(one).get("message", "")) for one in answer.get("partialFailures") or ()]
        message = "\n".join(filter(None, [message, *failures]))
    if message:
        told["errorMessage"] = message
    if "code" in error:
        told["errorCode"] = error["code"]
    return told


def _web_access(holder: Json) -> JobDocument:
    uris = _object(holder.get("webAccessUris"))
    return {"webAccessUris": {_replica(key): uri for key, uri in uris.items()}} if uris else {}


def _replica(key: str) -> str:
    """`workerpool1-0` → `worker-replica-0`; what follows, the name of a dashboard say, stays."""
    match = _REPLICA.fullmatch(key)
    return f"{ROLES[int(match[1])]}-{match[2]}{match[3]}" if match else key


# --- tuning jobs


def _tuning_output(answer: Json) -> JobDocument:
    study = _object(answer.get("studySpec"))
    metric = next(iter(_objects(study.get("metrics"))), {})
    output: dict[str, Any] = {"isHyperparameterTuningJob": True}
    if metric.get("metricId"):
        output["hyperparameterMetricTag"] = metric["metricId"]
    if "trials" not in answer:  # before the first one, and always in a list
        return output
    whole = {
        str(row.get("parameterId")) for row in _objects(study.get("parameters")) if "integerValueSpec" in row
    }
    trials = [_trial(row, output.get("hyperparameterMetricTag"), whole) for row in _objects(answer["trials"])]
    trials.sort(key=lambda trial: _rank(trial, minimize=metric.get("goal") == "MINIMIZE"))
    ended = [trial for trial in trials if trial.get("state") in ("SUCCEEDED", "FAILED")]
    output |= {"completedTrialCount": str(len(ended)), "trials": trials}
    if trials and _objective(trials[0]) is not None:
        output["bestTrial"] = trials[0]
    return output


def _trial(row: Json, metric: str | None, whole: set[str]) -> JobDocument:
    state = str(row.get("state", ""))
    trial: dict[str, Any] = {"trialId": str(row.get("id", ""))}
    if state in TRIAL_STATES:
        trial["state"] = TRIAL_STATES[state]
    if state == "STOPPING":
        trial["isTrialStoppedEarly"] = True
    parameters = {
        str(one.get("parameterId")): _text(one.get("value"), whole=str(one.get("parameterId")) in whole)
        for one in _objects(row.get("parameters"))
    }
    if parameters:
        trial["hyperparameters"] = parameters
    trial |= _final_metric(_object(row.get("finalMeasurement")), metric)
    trial |= {key: row[key] for key in ("startTime", "endTime") if row.get(key)}
    return {**trial, **_web_access(row)}


def _final_metric(measurement: Json, metric: str | None) -> JobDocument:
    values = [row for row in _objects(measurement.get("metrics")) if metric in (None, row.get("metricId"))]
    if not values:
        return {}
    final: dict[str, Any] = {"objectiveValue": values[0].get("value", 0)}  # JSON of the service has no zeros
    if "stepCount" in measurement:
        final["trainingStep"] = str(measurement["stepCount"])
    return {"finalMetric": final}


def _text(value: Any, *, whole: bool) -> str:
    """A parameter's value as `ml` v1 shows it: text, an INTEGER without a fraction."""
    if isinstance(value, bool):
        return str(value).lower()
    if whole and isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _rank(trial: Json, *, minimize: bool) -> tuple[bool, float]:
    """Best first, those without a metric last; the sort keeps the service's order among equals."""
    value = _objective(trial)
    if value is None:
        return (True, 0.0)
    return (False, value if minimize else -value)


def _objective(trial: Json) -> float | None:
    value = _object(trial.get("finalMetric")).get("objectiveValue")
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


# --- batch predictions


def _prediction_output(answer: Json) -> JobDocument:
    told = _object(answer.get("outputInfo"))
    wanted = _object(_object(answer.get("outputConfig")).get("gcsDestination"))
    statistics = _object(answer.get("completionStats"))
    table = [told[key] for key in ("bigqueryOutputDataset", "bigqueryOutputTable") if told.get(key)]
    found = {
        "outputPath": told.get("gcsOutputDirectory") or ".".join(table) or wanted.get("outputUriPrefix"),
        "predictionCount": statistics.get("successfulCount"),
        "errorCount": statistics.get("failedCount"),
        "nodeHours": _object(answer.get("resourcesConsumed")).get("replicaHours"),
    }
    return {key: value for key, value in found.items() if value not in (None, "")}


def _object(value: Any) -> Json:
    return value if isinstance(value, Mapping) else {}


def _objects(value: Any) -> Sequence[Json]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, Iterable) else []

"""A training job as a CustomJob, or as a HyperparameterTuningJob where it searches for hyperparameters."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from mljobs.api.resources import TRAINING_JOB
from mljobs.backends.vertex.names import CUSTOM_JOBS, TUNING_JOBS
from mljobs.backends.vertex.tables import Tables
from mljobs.backends.vertex.translate import tuning
from mljobs.backends.vertex.translate.checks import check
from mljobs.backends.vertex.translate.notes import Notes
from mljobs.backends.vertex.translate.overlay import laid
from mljobs.backends.vertex.translate.pools import Pools
from mljobs.backends.vertex.translate.programs import Programs

Json = dict[str, Any]

TRIALS = ("maxTrialCount", "parallelTrialCount", "maxFailedTrialCount")
"""How many trials a search has: fields of a tuning job, and of `spec.vertex`."""


def training_job(
    spec: Mapping[str, Any], tables: Tables, notes: Notes, today: date | None
) -> tuple[str, Json]:
    """Make the job of a TrainingJob.

    Args:
        spec: the validated spec in canonical JSON.
        tables: the administrator's.
        notes: takes what is changed, lost or refused.
        today: see `Lifetimes`.

    Returns:
        The collection that it is created in, and its body without name and labels.
    """
    training, vertex = spec.get("trainingInput"), spec.get("vertex") or {}
    over = vertex.get("jobSpec") or {}
    job_spec = laid(_job_spec(training, over, tables, notes) if training is not None else {}, over)
    job_spec["workerPoolSpecs"] = _pools(job_spec, over, Programs(training, tables, notes, today))
    job: Json = {}
    key = ((training or {}).get("encryptionConfig") or {}).get("kmsKeyName")
    if key:
        job["encryptionSpec"] = {"kmsKeyName": key}
    job = laid(job, {name: vertex[name] for name in ("encryptionSpec",) if name in vertex})
    search, study = (training or {}).get("hyperparameters"), vertex.get("studySpec")
    if search is None and study is None:
        check(TRAINING_JOB.name, spec, {"jobSpec": job_spec}, notes)
        return CUSTOM_JOBS, {**job, "jobSpec": job_spec}
    trials = _trials(search, vertex, notes)
    check(TRAINING_JOB.name, spec, {"jobSpec": job_spec, **trials}, notes)
    return TUNING_JOBS, {**job, **trials, "trialJobSpec": job_spec}


def _job_spec(training: Mapping[str, Any], over: Mapping[str, Any], tables: Tables, notes: Notes) -> Json:
    spec: Json = {"workerPoolSpecs": Pools(training, over.get("workerPoolSpecs") or (), tables, notes).made()}
    scheduling = _scheduling(training, over, notes)
    if scheduling:
        spec["scheduling"] = scheduling
    for field in ("serviceAccount", "network"):
        if training.get(field):
            spec[field] = training[field]
    if "enableWebAccess" in training:
        spec["enableWebAccess"] = training["enableWebAccess"]
    if training.get("jobDir"):
        spec["baseOutputDirectory"] = {"outputUriPrefix": training["jobDir"]}
        if training.get("hyperparameters") is not None:
            notes.changed(
                "vertex-job-dir-trials",
                "trainingInput.jobDir",
                training["jobDir"],
                "all trials get the same --job-dir, and no TF_CONFIG that tells their number: a program that "
                "writes there has to take AIP_MODEL_DIR instead, or its trials overwrite each other",
            )
    if training.get("useChiefInTfConfig"):
        notes.field("trainingInput.useChiefInTfConfig", True)
    return spec


def _scheduling(training: Mapping[str, Any], over: Mapping[str, Any], notes: Notes) -> Json:
    asked = training.get("scheduling") or {}
    made: Json = {}
    if asked.get("maxRunningTime"):
        made["timeout"] = asked["maxRunningTime"]
    if asked.get("maxWaitTime"):
        if (over.get("scheduling") or {}).get("strategy") == "FLEX_START":
            made["maxWaitDuration"] = asked["maxWaitTime"]
        else:
            notes.field("trainingInput.scheduling.maxWaitTime", asked["maxWaitTime"])
    if asked.get("priority"):
        notes.field("trainingInput.scheduling.priority", asked["priority"])
    return made


def _pools(job_spec: Json, over: Mapping[str, Any], programs: Programs) -> list[Json]:
    pools = programs.complete(job_spec.get("workerPoolSpecs") or (), over.get("workerPoolSpecs") or ())
    while pools and not pools[-1]:  # the service wants an empty one only before one that is used
        pools.pop()
    return pools


def _trials(search: Mapping[str, Any] | None, vertex: Mapping[str, Any], notes: Notes) -> Json:
    under: Json = tuning.counts(search or {})
    if search is not None:
        under["studySpec"] = tuning.study(search, notes)
    return laid(under, {field: vertex[field] for field in ("studySpec", *TRIALS) if field in vertex})

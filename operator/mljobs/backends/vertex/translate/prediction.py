"""A batch prediction job as a BatchPredictionJob."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from mljobs.api.base import INT32_MAX
from mljobs.api.resources import PREDICTION_JOB
from mljobs.backends.vertex.names import PREDICTION_JOBS, location_of
from mljobs.backends.vertex.tables import DEFAULT_VERSION, Tables
from mljobs.backends.vertex.translate.checks import check
from mljobs.backends.vertex.translate.lifetimes import Lifetimes
from mljobs.backends.vertex.translate.notes import Notes
from mljobs.backends.vertex.translate.overlay import laid
from mljobs.domain.spec.problems import MISSING, Source
from mljobs.domain.spec.rules.terms import integer

Json = dict[str, Any]

INSTANCES = {"JSON": "jsonl", "TEXT": "jsonl", "TF_RECORD": "tf-record", "TF_RECORD_GZIP": "tf-record-gzip"}
PREDICTIONS = {"JSON": "jsonl", "TEXT": "jsonl", "CSV": "csv"}
"""Vertex AI's words for formats, by those of `ml` v1; JSON is the default of the output alone."""

SERVING_DEFAULT = "serving_default"
RUNTIME = "predictionInput.runtimeVersion"

_LEGACY_MODEL = re.compile(r"(projects/[^/]+/models/([^/]+))(?:/versions/([^/]+))?")
_MODEL = re.compile(r"projects/[^/]+/locations/([^/]+)/models/[^/]+")


def prediction_job(
    spec: Mapping[str, Any], tables: Tables, notes: Notes, today: date | None
) -> tuple[str, Json]:
    """Make the job of a PredictionJob.

    Args:
        spec: the validated spec in canonical JSON.
        tables: the administrator's.
        notes: takes what is changed, lost or refused.
        today: see `Lifetimes`.

    Returns:
        The collection that it is created in, and its body without name and labels.
    """
    prediction, vertex = spec.get("predictionInput"), spec.get("vertex") or {}
    over = vertex.get("batchPredictionJob") or {}
    job: Json = {}
    if prediction is not None:
        models = (vertex.get("models") or {}, tables.models)
        job = _Prediction(prediction, over, models, tables, notes, today).job()
    made = laid(job, over)
    match = _MODEL.fullmatch(str(made.get("model") or ""))
    location = location_of(spec)
    if match and location and match[1] != location:
        field = "versionName" if (prediction or {}).get("versionName") else "modelName"
        path = "vertex.batchPredictionJob.model" if over.get("model") else f"predictionInput.{field}"
        rule = f"a model and its batch prediction are in the same region; the job is in {location}"
        notes.refused("vertex-model-region", path, made["model"], rule, Source.DISCOVERY)
    check(PREDICTION_JOB.name, spec, {"batchPredictionJob": made}, notes)
    return PREDICTION_JOBS, made


class _Prediction:
    """Makes the body of a PredictionInput; what the overlay replaces is not judged."""

    def __init__(
        self,
        prediction: Mapping[str, Any],
        over: Mapping[str, Any],
        models: Sequence[Mapping[str, Mapping[str, str]]],
        tables: Tables,
        notes: Notes,
        today: date | None,
    ) -> None:
        self._input = prediction
        self._over = over
        self._models = models
        self._tables = tables
        self._notes = notes
        self._lifetimes = Lifetimes(tables, notes, today)

    def job(self) -> Json:
        made: Json = {**self._model(), **self._files(), "dedicatedResources": self._resources()}
        size = self._number("batchSize")
        if size:
            made["manualBatchTuningParameters"] = {"batchSize": size}
        self._note_signature()
        return made

    # --- the model

    def _model(self) -> Json:
        if self._over.get("model"):
            return {}
        if self._input.get("uri"):
            return self._unmanaged()
        self._note_runtime()
        field = "versionName" if self._input.get("versionName") else "modelName"
        name = str(self._input.get(field) or "")
        found = self._mapped(name)
        if found is None:
            if not self._over.get("unmanagedContainerModel"):
                self._refuse_model(field, name)
            return {}
        return {"model": found}

    def _mapped(self, name: str) -> str | None:
        match = _LEGACY_MODEL.fullmatch(name)
        if match is None:
            return None
        version = match[3] or DEFAULT_VERSION
        places = [models.get(name, {}) for models in self._models for name in match.group(1, 2)]
        return next((place[version] for place in places if version in place), None)

    def _refuse_model(self, field: str, name: str) -> None:
        match = _LEGACY_MODEL.fullmatch(name)
        model, version = (match[2], match[3] or DEFAULT_VERSION) if match else ("MODEL", "VERSION")
        self._notes.refused(
            "vertex-model",
            f"predictionInput.{field}",
            name or MISSING,
            "models of ml v1 are not on Vertex AI by themselves; upload it there, and name it in "
            f"spec.vertex.models as {{{model}: {{{version}: projects/P/locations/REGION/models/ID}}}}",
        )

    def _unmanaged(self) -> Json:
        runtime = str(self._input.get("runtimeVersion") or "")
        made: Json = {"artifactUri": self._input["uri"]}
        container = (self._over.get("unmanagedContainerModel") or {}).get("containerSpec") or {}
        if container.get("imageUri"):
            return {"unmanagedContainerModel": made}
        image = self._tables.serving_image(runtime)
        if image is None:
            self._notes.refused(
                "vertex-serving-image",
                RUNTIME,
                runtime or MISSING,
                "no image is known that serves a model of this runtime; name one in "
                "spec.vertex.batchPredictionJob.unmanagedContainerModel.containerSpec.imageUri, or have the "
                "administrator add it to servingImages",
                Source.OPERATOR,
            )
            return {"unmanagedContainerModel": made}
        rule = f"the runtime becomes the image {image}, which serves models of {self._tables.framework} alone"
        self._notes.changed("vertex-serving-image-chosen", RUNTIME, runtime, rule)
        self._lifetimes.note(image, RUNTIME, runtime)
        return {"unmanagedContainerModel": {**made, "containerSpec": {"imageUri": image}}}

    def _note_runtime(self) -> None:
        runtime = self._input.get("runtimeVersion")
        if runtime:
            rule = "the image with which the model was uploaded decides"
            self._notes.changed("vertex-model-runtime", RUNTIME, runtime, rule)

    def _note_signature(self) -> None:
        signature = self._input.get("signatureName")
        if signature == SERVING_DEFAULT:
            rule = "Vertex AI has no field for it, and calls this signature"
            self._notes.changed("vertex-signature", "predictionInput.signatureName", signature, rule)
        elif signature:
            self._notes.field("predictionInput.signatureName", signature)

    # --- files and machines

    def _files(self) -> Json:
        paths, folder = self._input.get("inputPaths") or (), self._input.get("outputPath", "")
        if not (self._over.get("outputConfig") or {}).keys() & {"gcsDestination", "bigqueryDestination"}:
            rule = "Vertex AI makes a folder of its own below it, prediction-MODEL-TIME, and writes there"
            self._notes.changed(
                "vertex-output-folder", "predictionInput.outputPath", folder, rule, Source.RECORDED
            )
        return {
            "inputConfig": {
                "instancesFormat": INSTANCES.get(self._input.get("dataFormat", ""), ""),
                "gcsSource": {"uris": list(paths)},
            },
            "outputConfig": {
                "predictionsFormat": PREDICTIONS.get(self._input.get("outputDataFormat", ""), "jsonl"),
                "gcsDestination": {"outputUriPrefix": folder},
            },
        }

    def _resources(self) -> Json:
        machine = self._tables.prediction_machine
        spec = machine.document()
        spec.pop("assumed", None)
        count = self._number("maxWorkerCount") or 1
        over = self._over.get("dedicatedResources") or {}
        if not over.get("startingReplicaCount") or not over.get("machineSpec"):
            self._notes.changed(
                "vertex-workers",
                "predictionInput.maxWorkerCount",
                self._input.get("maxWorkerCount", MISSING),
                f"a batch prediction of Vertex AI does not scale: {count} {machine.machine_type} run all "
                "the time; spec.vertex.batchPredictionJob.dedicatedResources can say otherwise",
            )
        most = max(count, integer(over.get("startingReplicaCount")) or 0)  # which is laid over this alone
        return {"machineSpec": spec, "startingReplicaCount": count, "maxReplicaCount": most}

    def _number(self, field: str) -> int:
        number = integer(self._input.get(field)) or 0
        if number > INT32_MAX:
            rule = "it is a number of 32 bits on Vertex AI"
            self._notes.refused("vertex-int32", f"predictionInput.{field}", number, rule, Source.DISCOVERY)
        return number

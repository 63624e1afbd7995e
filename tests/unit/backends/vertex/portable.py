"""Random specs that mostly can run on Vertex AI, made from those that keep every rule of `ml` v1."""

from typing import Any

from hypothesis import strategies as st

from mljobs.api.resources import TRAINING_JOB
from mljobs.backends.vertex.tables import Tables
from tests.strategies import prediction_specs, training_specs

Spec = dict[str, Any]

MODEL = "projects/my-project/locations/{}/models/7@2"

TABLES = Tables.parse({"servingImages": {"tensorflow": {"2.11": "us-docker.pkg.dev/my/serving:1"}}})
"""With an image for the models that have a `uri`."""


def portable(kind: str) -> st.SearchStrategy[Spec]:
    """Specs without most of what Vertex AI cannot do."""
    return training_specs().map(_trainable) if kind == TRAINING_JOB.name else prediction_specs().map(_mapped)


def _trainable(spec: Spec) -> Spec:
    training = {key: _on_gpu(value) for key, value in spec["trainingInput"].items()}
    for key, value in training.items():
        if value == "cloud_tpu":
            training[key] = (
                training["masterType"] if training.get("masterType") != "cloud_tpu" else "n1-standard-4"
            )
    for role in ("master", "worker", "parameterServer", "evaluator"):
        if not str(training.get(f"{role}Type", "")).startswith("n1-"):
            training.get(f"{role}Config", {}).pop("acceleratorConfig", None)
    if training.get("scaleTier") == "BASIC_TPU":
        training["scaleTier"] = "BASIC"
    if "runtimeVersion" in training:
        training |= {"runtimeVersion": "2.11", "pythonVersion": "3.7"}
    search = training.get("hyperparameters")
    if search is not None:
        kept = {key: value for key, value in search.items() if key != "resumePreviousJobId"}
        if "hyperparameterMetricTag" in kept:
            kept["hyperparameterMetricTag"] = "".join(kept["hyperparameterMetricTag"].split()) or "m"
        kept.setdefault("params", [{"parameterName": "x", "type": "DISCRETE", "discreteValues": [0.5, 1.5]}])
        kept["params"] = [_apart(param) for param in kept["params"]]
        training["hyperparameters"] = kept
    return {**spec, "trainingInput": training}


def _apart(param: Spec) -> Spec:
    """A parameter whose discrete values are not too close."""
    values = param.get("discreteValues")
    return {**param, "discreteValues": sorted({round(value, 3) for value in values})} if values else param


def _on_gpu(config: Any) -> Any:
    """A ReplicaConfig without TPUs, and with a number of GPUs that there is."""
    if not isinstance(config, dict):
        return config
    kept = {key: value for key, value in config.items() if key != "tpuTfVersion"}
    accelerators = kept.get("acceleratorConfig", {})
    if accelerators.get("type", "").startswith("TPU_"):
        del kept["acceleratorConfig"]
    elif int(accelerators.get("count", 0)) > 2:
        kept["acceleratorConfig"] = {**accelerators, "count": "4"}
    return kept


def _mapped(spec: Spec) -> Spec:
    """With a map of the model, and the one signature that there is."""
    prediction = dict(spec["predictionInput"])
    if "signatureName" in prediction:
        prediction["signatureName"] = "serving_default"
    name = prediction.get("versionName") or prediction.get("modelName")
    if not name:
        return {**spec, "predictionInput": prediction}
    _, project, _, model, *rest = name.split("/")
    place = MODEL.format(prediction["region"])
    models = {f"projects/{project}/models/{model}": {rest[1] if rest else "default": place}}
    return {**spec, "predictionInput": prediction, "vertex": {"models": models}}

"""The flags of `gcloud ai-platform jobs submit prediction`, and one more."""

import re

from mljobs.console.values import items, labels, project
from mljobs.kubectl.failure import TROUBLE, Failure
from mljobs.kubectl.flags import Flag, Given, Spec, overlay, put

PREDICTION: tuple[Flag, ...] = (
    Flag("--project", "Google Cloud project. Left out, the administrator's default.", "projectId", project),
    Flag(
        "--region",
        "Region to run in. Left out, CLOUDSDK_COMPUTE_REGION says, and then the file.",
        "predictionInput.region",
        metavar="REGION",
    ),
    Flag(
        "--labels", "Labels of the job, in place of the file's.", "labels", labels, "KEY=VALUE,…", many=True
    ),
    Flag(
        "--data-format",
        "Format of the input: text (lines of JSON), tf-record or tf-record-gzip.",
        "predictionInput.dataFormat",
        metavar="FORMAT",
    ),
    Flag(
        "--input-paths",
        "Cloud Storage paths of the input; * at a path's end for many files.",
        "predictionInput.inputPaths",
        items,
        "gs://…,…",
    ),
    Flag(
        "--output-path", "Cloud Storage folder of the output.", "predictionInput.outputPath", metavar="gs://…"
    ),
    Flag("--model", "Model to use: its id, or its full name projects/PROJECT/models/MODEL."),
    Flag(
        "--version",
        "Version of --model, its id or its full name; the default version where left out.",
    ),
    Flag(
        "--model-dir",
        "Cloud Storage path of a model that is not deployed.",
        "predictionInput.uri",
        metavar="gs://…",
    ),
    Flag("--runtime-version", "Version of the service's runtime.", "predictionInput.runtimeVersion"),
    Flag("--batch-size", "Records in one call of the model.", "predictionInput.batchSize", metavar="NUMBER"),
    Flag(
        "--max-worker-count",
        "The most workers that the service may start.",
        "predictionInput.maxWorkerCount",
        metavar="NUMBER",
    ),
    Flag("--signature-name", "Signature of the SavedModel to call.", "predictionInput.signatureName"),
    Flag(
        "--output-data-format",
        "Format of the output: json or csv. Not a flag of gcloud's.",
        "predictionInput.outputDataFormat",
        metavar="FORMAT",
    ),
)
"""All flags of `submit prediction` that say something about the job."""


def prediction_spec(spec: Spec, given: Given) -> Spec:
    """Put the flags over a config file's spec; a model of one's own replaces the file's, however it is named.

    Raises:
        Failure: a value cannot be read, or the flags do not go together.
    """
    model, version = given.get("--model"), given.get("--version")
    if version and not model:
        raise Failure(f"--version {version}: needs --model", code=TROUBLE)
    if model and "--model-dir" in given:
        raise Failure("--model and --model-dir: specify one of them", code=TROUBLE)
    if model or "--model-dir" in given:
        job_input = spec.get("predictionInput") or {}
        kept = {
            key: value for key, value in job_input.items() if key not in ("modelName", "versionName", "uri")
        }
        spec = {**spec, "predictionInput": kept}
    spec = overlay(spec, PREDICTION, given)
    if not model:
        return spec
    version = _without_host(version or "")
    if "/" in version:  # a full name says which model, too
        return put(spec, "predictionInput.versionName", version)
    name = _model_name(_without_host(model), str(spec.get("projectId") or ""))
    if version:
        return put(spec, "predictionInput.versionName", f"{name}/versions/{version}")
    return put(spec, "predictionInput.modelName", name)


_HOST = re.compile(r"https://(ml\.googleapis\.com|www\.googleapis\.com/ml)/v1/")
"""What full names begin with where they are copied from a URL of the API."""


def _without_host(name: str) -> str:
    return _HOST.sub("", name, count=1) if _HOST.match(name) else name


def _model_name(model: str, project_id: str) -> str:
    if "/" in model:
        return model
    if not project_id:
        raise Failure(
            f"--model {model}: the project of the model is not known",
            hint=f"give --project too, or the full name projects/PROJECT/models/{model}",
            code=TROUBLE,
        )
    return f"projects/{project_id}/models/{model}"

"""What the service refuses in a well-formed job: `Field: <path> Error: <text>`.

The texts of region, runtime version, image, job id and taken id are the service's own, known from public
threads; the rules behind the others come from the discovery document's field descriptions, and their texts
are ours. Paths are in snake_case and start below `training_input` or `prediction_input`.
"""

import itertools
import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from mljobs_dev.emulator.errors import Violation, refused

Input = Mapping[str, Any]
Rule = Callable[[Input], Iterator[Violation]]

REGIONS = ("asia-east1", "europe-west1", "europe-west4", "us-central1", "us-east1", "us-west1")
"""The regions that the service itself named in an error."""

BAD_ID = "A name should start with a letter and contain only letters, numbers and underscores."
RUNTIME_LIST = "https://cloud.google.com/ml-engine/docs/runtime-version-list"

_JOB_ID = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,127}")
_RUNTIME = re.compile(r"([12])\.(\d{1,2})(\.\d+)?")
_IMAGE = re.compile(r"([\w-]+\.)*(gcr\.io|pkg\.dev)/\S+")
_PATH = re.compile(r"gs://[^/\s]+(/.*)?", re.DOTALL)
_NETWORK = re.compile(r"projects/\d+/global/networks/[^/]+")
_KEY = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+")
_COMPUTE_ENGINE = re.compile(r"[a-z]\d[a-z]?-[a-z]+-\d+[a-z]?")
_LEGACY = re.compile(r"(standard|large_model|complex_model_[sml])(_gpu|_p100|_v100)?")
_TPU = "cloud_tpu"
_REPLICAS = ("master", "worker", "parameterServer", "evaluator")
_SNAKE = {"parameterServer": "parameter_server"}
_BOUNDS = (("min_value", "minValue"), ("max_value", "maxValue"))
_MODEL = re.compile(r"projects/[^/]+/models/[^/]+")
_VERSION = re.compile(r"projects/[^/]+/models/[^/]+/versions/[^/]+")


def check_job(job: Input, regions: Collection[str] = REGIONS) -> None:
    """Check a create request's Job.

    Args:
        job: the Job with canonical names and values; whether its zeros are there makes no difference.
        regions: where jobs can run.

    Raises:
        ApiError: 400 with every violation.
    """
    violations = [*_job_id(job.get("jobId", "")), *check_labels(job.get("labels", {}))]
    if "trainingInput" in job:
        given = job["trainingInput"]
        violations += _region(given, regions)
        for rule in TRAINING_RULES:
            violations += rule(given)
    elif "predictionInput" in job:
        violations += [*_region(job["predictionInput"], regions), *_prediction(job["predictionInput"])]
    else:
        violations.append(
            Violation("input", "One of training_input and prediction_input should be specified.")
        )
    if violations:
        raise refused(violations)


def check_labels(labels: Mapping[str, str]) -> list[Violation]:
    """The labels that the service refuses (documentation of labels; letters of any script are letters)."""
    found = []
    if len(labels) > 64:
        found.append(Violation("labels", f"At most 64 labels are allowed, and there are {len(labels)}."))
    for key, value in labels.items():
        if not key or not _is_letter(key[0]) or not is_label_text(key):
            text = (
                f"The label key '{key}' should start with a lower-case or international letter and contain "
                f"at most 63 {_LABEL_CHARACTERS}."
            )
            found.append(Violation("labels", text))
        if not is_label_text(value):
            text = f"The value '{value}' of the label '{key}' should contain at most 63 {_LABEL_CHARACTERS}."
            found.append(Violation("labels", text))
    return found


_LABEL_CHARACTERS = "lower-case or international letters, numbers, underscores and dashes"


def is_label_text(text: str) -> bool:
    """Whether it is letters, numbers, `_` and `-`, in the sense of Google's APIs (Unicode's Ll, Lo and N)."""
    return len(text) <= 63 and all(
        _is_letter(char) or char in "_-" or unicodedata.category(char).startswith("N") for char in text
    )


def _is_letter(char: str) -> bool:
    return unicodedata.category(char) in ("Ll", "Lo")


def _job_id(job_id: str) -> Iterator[Violation]:
    if not _JOB_ID.fullmatch(job_id):
        yield Violation("job_id", BAD_ID)


def _region(given: Input, regions: Collection[str]) -> Iterator[Violation]:
    region = given.get("region", "")
    if region not in regions:
        text = f"The provided GCE region '{region}' is not available. Options are [{', '.join(regions)}]."
        yield Violation("region", text)


def _image(given: Input) -> str:
    return str(given.get("masterConfig", {}).get("imageUri", ""))


def _program(given: Input) -> Iterator[Violation]:
    packages = given.get("packageUris", [])
    if len(packages) > 100:
        yield Violation("package_uris", f"At most 100 packages are allowed, and there are {len(packages)}.")
    if _image(given):
        return
    if not packages:
        yield Violation("package_uris", "At least one package should be specified.")
    if not given.get("pythonModule"):
        yield Violation("python_module", "The Python module to run should be specified.")


def _runtime(given: Input) -> Iterator[Violation]:
    runtime, python = given.get("runtimeVersion", ""), given.get("pythonVersion", "")
    if _image(given):
        if runtime:
            text = "It should not be specified together with master_config.image_uri."
            yield Violation("runtime_version", text)
        if python:
            yield Violation("python_version", "It should not be specified for a custom container.")
    elif not _supported(runtime, python):
        text = (
            f"The specified runtime version '{runtime}' with the Python version '{python}' is not supported "
            "or is deprecated.  Please specify a different runtime version. See "
            f"{RUNTIME_LIST} for a list of supported versions"
        )
        yield Violation("runtime_version", text)


def _supported(runtime: str, python: str) -> bool:
    """Which pairs exist (discovery document, `TrainingInput.pythonVersion`)."""
    match = _RUNTIME.fullmatch(runtime)
    if not match:
        return False
    version = int(match[1]), int(match[2])
    if version > (1, 15) and version < (2, 1):
        return False
    pairs = {
        "": version <= (1, 15),
        "3.7": version >= (1, 15),
        "3.5": (1, 4) <= version <= (1, 14),
        "2.7": version <= (1, 15),
    }
    return pairs.get(python, False)


def _scale(given: Input) -> Iterator[Violation]:
    custom = given.get("scaleTier", "BASIC") == "CUSTOM"
    if custom and not given.get("masterType"):
        yield Violation("master_type", "It should be specified when scale_tier is CUSTOM.")
    for replica in _REPLICAS:
        kind, path = given.get(f"{replica}Type", ""), _SNAKE.get(replica, replica)
        count = int(given.get(f"{replica}Count", "0"))
        if count < 0:
            yield Violation(f"{path}_count", f"The count {count} should not be negative.")
        if not custom and count > 0:
            yield Violation(f"{path}_count", "It should only be specified when scale_tier is CUSTOM.")
        elif count > 0 and not kind:
            yield Violation(f"{path}_type", f"It should be specified when {path}_count is above 0.")


def _machines(given: Input) -> Iterator[Violation]:
    kinds = {f"{_SNAKE.get(replica, replica)}_type": given.get(f"{replica}Type", "") for replica in _REPLICAS}
    named = {path: kind for path, kind in kinds.items() if kind and kind != _TPU}
    compute_engine = [bool(_COMPUTE_ENGINE.fullmatch(kind)) for kind in named.values()]
    for (path, kind), modern in zip(named.items(), compute_engine, strict=True):
        if not modern and not _LEGACY.fullmatch(kind):
            yield Violation(path, f"The machine type '{kind}' is not supported.")
    if any(compute_engine) and not all(compute_engine):
        text = f"Compute Engine and legacy machine types should not be mixed: {', '.join(named.values())}."
        yield Violation("master_type", text)


def _replica_configs(given: Input) -> Iterator[Violation]:
    for replica in _REPLICAS:
        config = given.get(f"{replica}Config")
        if config is not None:
            path = f"{_SNAKE.get(replica, replica)}_config"
            yield from _replica_config(config, path, given.get(f"{replica}Type", ""), given)


def _replica_config(config: Input, path: str, kind: str, given: Input) -> Iterator[Violation]:
    image = config.get("imageUri", "")
    if image and not _IMAGE.fullmatch(image):
        text = f"Failed to read the container uri [{image}]. Please make sure that the image exists"
        yield Violation(f"{path}.image_uri", text)
    for field, name in (("containerCommand", "container_command"), ("containerArgs", "container_args")):
        if config.get(field) and not (image or _image(given)):
            yield Violation(f"{path}.{name}", "It should only be specified with a custom container.")
        elif config.get(field) and given.get("args"):
            yield Violation(f"{path}.{name}", "It should not be specified together with args.")
    if config.get("tpuTfVersion") and not (kind == _TPU and (image or _image(given))):
        text = "It should only be specified for a TPU worker that uses a custom container."
        yield Violation(f"{path}.tpu_tf_version", text)
    yield from _accelerator(config.get("acceleratorConfig", {}), f"{path}.accelerator_config", kind)
    disk = config.get("diskConfig", {}).get("bootDiskType", "")
    if disk not in ("", "pd-ssd", "pd-standard"):
        text = f"The boot disk type '{disk}' is not supported. Options are [pd-ssd, pd-standard]."
        yield Violation(f"{path}.disk_config.boot_disk_type", text)


def _accelerator(config: Input, path: str, kind: str) -> Iterator[Violation]:
    count = int(config.get("count", "0"))
    if config.get("type", "ACCELERATOR_TYPE_UNSPECIFIED") == "ACCELERATOR_TYPE_UNSPECIFIED":
        if count:
            yield Violation(f"{path}.type", f"It should be specified when count is {count}.")
        return
    if count < 1:
        yield Violation(f"{path}.count", f"The count {count} should be at least 1.")
    if kind != _TPU and not _COMPUTE_ENGINE.fullmatch(kind):
        yield Violation(path, "It should only be specified for a Compute Engine machine type.")


def _places(given: Input) -> Iterator[Violation]:
    checks = (
        ("job_dir", given.get("jobDir", ""), _PATH, "gs://bucket/object"),
        ("network", given.get("network", ""), _NETWORK, "projects/{number}/global/networks/{name}"),
        (
            "encryption_config.kms_key_name",
            given.get("encryptionConfig", {}).get("kmsKeyName", ""),
            _KEY,
            "projects/{project}/locations/{region}/keyRings/{ring}/cryptoKeys/{key}",
        ),
    )
    for path, value, pattern, form in checks:
        if value and not pattern.fullmatch(value):
            yield Violation(path, f"The value '{value}' should have the form {form}.")


def _scheduling(given: Input) -> Iterator[Violation]:
    scheduling = given.get("scheduling", {})
    wait = scheduling.get("maxWaitTime")
    if wait is not None and float(wait[:-1]) < 1800:
        yield Violation("scheduling.max_wait_time", f"The value {wait} should be at least 1800s.")
    run = scheduling.get("maxRunningTime")
    if run is not None and float(run[:-1]) <= 0:
        yield Violation("scheduling.max_running_time", f"The value {run} should be above 0s.")
    priority = scheduling.get("priority", 0)
    if not 0 <= priority <= 1000:
        yield Violation("scheduling.priority", f"The value {priority} should be between 0 and 1000.")


def _tuning(given: Input) -> Iterator[Violation]:
    spec = given.get("hyperparameters")
    if spec is None:
        return
    params = spec.get("params", [])
    if not params and not spec.get("resumePreviousJobId"):
        yield Violation("hyperparameters.params", "At least one parameter should be specified.")
    for field, path in (("maxTrials", "max_trials"), ("maxParallelTrials", "max_parallel_trials")):
        if spec.get(field, 1) < 0:
            yield Violation(f"hyperparameters.{path}", f"The value {spec[field]} should not be negative.")
    seen: set[str] = set()
    for index, param in enumerate(params):
        path = f"hyperparameters.params[{index}]"
        name = param.get("parameterName", "")
        if not name or name in seen:
            text = f"The parameter name '{name}' should be unique and not empty."
            yield Violation(f"{path}.parameter_name", text)
        seen.add(name)
        yield from _parameter(param, path, spec.get("algorithm", ""))


def _parameter(param: Input, path: str, algorithm: str) -> Iterator[Violation]:
    kind = param.get("type", "PARAMETER_TYPE_UNSPECIFIED")
    if kind in ("DOUBLE", "INTEGER"):
        yield from _bounds(param, path, kind)
        if kind == "DOUBLE" and algorithm == "GRID_SEARCH":
            yield Violation(f"{path}.type", "GRID_SEARCH does not support parameters of type DOUBLE.")
    elif kind == "CATEGORICAL":
        yield from _categorical(param, path)
    elif kind == "DISCRETE":
        yield from _discrete(param.get("discreteValues", []), f"{path}.discrete_values")
    else:
        yield Violation(f"{path}.type", "The type of the parameter should be specified.")


def _bounds(param: Input, path: str, kind: str) -> Iterator[Violation]:
    """What is wrong with a range. A bound that is absent is zero: proto3 does not tell the two apart."""
    numbers = [float(param.get(field, 0)) for _, field in _BOUNDS]
    if not numbers[0] <= numbers[1]:
        text = f"The minimum {numbers[0]:g} should not be above the maximum {numbers[1]:g}."
        yield Violation(f"{path}.min_value", text)
    if kind == "INTEGER" and not all(number.is_integer() for number in numbers):
        text = "The bounds of a parameter of type INTEGER should be integers."
        yield Violation(f"{path}.min_value", text)
    scale = param.get("scaleType", "NONE")
    if "LOG" in scale and not numbers[0] > 0:
        yield Violation(f"{path}.min_value", f"It should be above 0 for scale_type {scale}.")


def _categorical(param: Input, path: str) -> Iterator[Violation]:
    if not param.get("categoricalValues"):
        yield Violation(f"{path}.categorical_values", "It should be specified for type CATEGORICAL.")
    for name, field in _BOUNDS:
        if param.get(field):
            yield Violation(f"{path}.{name}", "It should not be specified for type CATEGORICAL.")
    if param.get("scaleType", "NONE") != "NONE":
        yield Violation(f"{path}.scale_type", "It should not be specified for type CATEGORICAL.")


def _discrete(values: list[float], path: str) -> Iterator[Violation]:
    if not 1 <= len(values) <= 1000:
        yield Violation(path, f"Between 1 and 1000 values should be specified, and there are {len(values)}.")
    if any(not float(low) < float(high) for low, high in itertools.pairwise(values)):
        yield Violation(path, "The values should be strictly increasing.")


def _prediction(given: Input) -> Iterator[Violation]:
    form = given.get("dataFormat", "DATA_FORMAT_UNSPECIFIED")
    if form in ("DATA_FORMAT_UNSPECIFIED", "CSV"):
        yield Violation("data_format", f"The data format {form} is not supported as input.")
    if not given.get("inputPaths"):
        yield Violation("input_paths", "At least one input path should be specified.")
    for index, path in enumerate(given.get("inputPaths", [])):
        if not _PATH.fullmatch(path):
            yield Violation(f"input_paths[{index}]", f"The value '{path}' should start with gs://.")
    output = given.get("outputPath", "")
    if not _PATH.fullmatch(output):
        yield Violation("output_path", f"The value '{output}' should start with gs://.")
    yield from _model(given)
    for field, name in (("maxWorkerCount", "max_worker_count"), ("batchSize", "batch_size")):
        if int(given.get(field, "0")) < 0:
            yield Violation(name, f"The value {given[field]} should not be negative.")


def _model(given: Input) -> Iterator[Violation]:
    sources = (
        ("modelName", "model_name", _MODEL, "projects/{project}/models/{model}"),
        ("versionName", "version_name", _VERSION, "projects/{project}/models/{model}/versions/{version}"),
        ("uri", "uri", _PATH, "gs://bucket/folder"),
    )
    for field, path, pattern, form in sources:
        if field in given:
            if not pattern.fullmatch(given[field]):
                yield Violation(path, f"The value '{given[field]}' should have the form {form}.")
            return
    yield Violation("model_version", "One of model_name, version_name and uri should be specified.")


TRAINING_RULES: tuple[Rule, ...] = (
    _program,
    _runtime,
    _scale,
    _machines,
    _replica_configs,
    _places,
    _scheduling,
    _tuning,
)

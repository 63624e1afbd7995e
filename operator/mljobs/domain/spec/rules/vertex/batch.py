"""Rules for a BatchPredictionJob: model, input, output, machines, serving container, explanation."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from mljobs.api.field_error import FieldErrorType
from mljobs.domain.spec.problems import MISSING, Source
from mljobs.domain.spec.rules.machines import IMAGE
from mljobs.domain.spec.rules.rule import Rule
from mljobs.domain.spec.rules.terms import (
    Term,
    all_of,
    any_of,
    at_least,
    between,
    filled,
    get,
    given,
    is_one_of,
    is_true,
    one_of,
    ordered,
    present,
)
from mljobs.domain.spec.rules.training import STORAGE, hyphened
from mljobs.domain.spec.rules.vertex.jobs import DURATION, DURATION_TEXT
from mljobs.domain.spec.rules.vertex.making import (
    ACCOUNT,
    BATCH,
    KEY,
    PREDICTION,
    excluding,
    forbidden,
    required,
    shaped,
    some,
    warning,
)

MODEL = (
    r"projects/[^/]+/locations/[^/]+/(publishers/[^/]+/)?models/[^/]+"
    r"|publishers/[^/]+/models/[^/]+"
)
INSTANCES = ("jsonl", "csv", "tf-record", "tf-record-gzip", "bigquery", "file-list")
PREDICTIONS = ("jsonl", "csv", "bigquery")

OUTPUT_ONLY = (
    "name",
    "state",
    "createTime",
    "startTime",
    "endTime",
    "updateTime",
    "error",
    "partialFailures",
    "outputInfo",
    "completionStats",
    "resourcesConsumed",
    "modelVersionId",
    "satisfiesPzi",
    "satisfiesPzs",
)
"""Fields that the service sets itself (discovery document)."""

INPUT = f"{BATCH}.inputConfig"
OUTPUT = f"{BATCH}.outputConfig"
SERVING = f"{BATCH}.unmanagedContainerModel.containerSpec"
EXPLANATION = f"{BATCH}.explanationSpec"

SOURCES = ("gcsSource", "bigquerySource", "vertexMultimodalDatasetSource")
DESTINATIONS = ("gcsDestination", "bigqueryDestination", "vertexMultimodalDatasetDestination")
PROBES = ("startupProbe", "healthProbe", "livenessProbe")
ACTIONS = ("exec", "httpGet", "grpc", "tcpSocket")
METHODS = (
    "sampledShapleyAttribution",
    "integratedGradientsAttribution",
    "xraiAttribution",
    "examples",
)


def _set_by_the_service(job: Any) -> Iterable[tuple[str, Any]]:
    return [(field, get(job, field)) for field in OUTPUT_ONLY if get(job, field) is not MISSING]


def _whole_job() -> Iterator[Rule]:
    yield forbidden(
        "batch-output-only",
        BATCH,
        Term(lambda job: not _set_by_the_service(job)),
        "the service sets this field itself; leave it out",
        field="name",
        blame=_set_by_the_service,
        kinds=PREDICTION,
        in_schema=True,
    )
    yield forbidden(
        "batch-labels",
        BATCH,
        ~present("labels"),
        "labels have their place in spec.labels",
        source=Source.OPERATOR,
        field="labels",
        kinds=PREDICTION,
        in_schema=True,
    )
    yield excluding(
        "batch-model-single",
        BATCH,
        "exactly one of model and unmanagedContainerModel may be set",
        PREDICTION,
        "model",
        "unmanagedContainerModel",
    )
    yield shaped(
        "batch-model",
        f"{BATCH}.model",
        MODEL,
        "a model is projects/PROJECT/locations/REGION/models/ID, with @VERSION where wanted",
        PREDICTION,
    )
    yield shaped(
        "batch-service-account",
        f"{BATCH}.serviceAccount",
        ACCOUNT,
        "a service account is given by its e-mail address",
        PREDICTION,
    )
    yield required(
        "batch-key-required",
        f"{BATCH}.encryptionSpec",
        "kmsKeyName",
        "an encryptionSpec needs its kmsKeyName",
        PREDICTION,
    )
    yield shaped(
        "batch-key",
        f"{BATCH}.encryptionSpec.kmsKeyName",
        KEY,
        "a key is projects/PROJECT/locations/REGION/keyRings/RING/cryptoKeys/KEY",
        PREDICTION,
    )


def _files(
    name: str,
    scope: str,
    choices: tuple[str, ...],
    fields: tuple[str, str, str],
    stored: Callable[[str], Term],
) -> Iterator[Rule]:
    """An input or an output: one place, and what that needs; `stored` says that the first one has it."""
    storage, table, dataset = fields
    places = ", ".join(choices)
    yield excluding(
        f"batch-{name}-single", scope, f"exactly one of {places} may be set", PREDICTION, *choices
    )
    yield required(
        f"batch-{name}-storage",
        f"{scope}.{choices[0]}",
        storage,
        f"a {choices[0]} needs {storage}",
        PREDICTION,
        stored(storage),
    )
    yield required(
        f"batch-{name}-table", f"{scope}.{choices[1]}", table, f"a {choices[1]} needs {table}", PREDICTION
    )
    yield shaped(
        f"batch-{name}-table-form",
        f"{scope}.{choices[1]}.{table}",
        r"bq://.+",
        "BigQuery is bq://PROJECT.DATASET.TABLE",
        PREDICTION,
    )
    if dataset:
        yield required(
            f"batch-{name}-dataset",
            f"{scope}.{choices[2]}",
            dataset,
            f"a {choices[2]} needs {dataset}",
            PREDICTION,
        )


def _formats(
    name: str, scope: str, field: str, table: str, storage: str, known: tuple[str, ...]
) -> Iterator[Rule]:
    bigquery = is_one_of(field, "bigquery")
    yield warning(
        f"batch-{name}-format",
        f"{scope}.{field}",
        one_of(*known),
        f"known formats are {', '.join(known)}",
        kinds=PREDICTION,
    )
    yield Rule(
        f"batch-{name}-format-place",
        scope,
        all_of(
            (present(table) & given(field)).implies(bigquery),
            (present(storage) & given(field)).implies(~bigquery),
        ),
        "the format bigquery goes with BigQuery, and no other one does",
        Source.DOCUMENTATION,
        field=field,
        kinds=PREDICTION,
    )


def _machines() -> Iterator[Rule]:
    resources = f"{BATCH}.dedicatedResources"
    for field, name in (("startingReplicaCount", "starting"), ("maxReplicaCount", "max")):
        yield Rule(
            f"batch-{name}-replicas",
            f"{resources}.{field}",
            at_least(0),
            "a number of replicas is not negative; 0 stands for the default",
            Source.DISCOVERY,
            kinds=PREDICTION,
        )
    yield Rule(
        "batch-replicas-order",
        resources,
        any_of(
            ~present("startingReplicaCount"),
            ~present("maxReplicaCount"),
            Term(lambda found: get(found, "maxReplicaCount") == 0, "self.maxReplicaCount == 0"),
            ordered("startingReplicaCount", "maxReplicaCount"),
        ),
        "startingReplicaCount is not above maxReplicaCount",
        Source.DISCOVERY,
        field="startingReplicaCount",
        kinds=PREDICTION,
    )
    yield warning(
        "batch-max-replicas-unused",
        resources,
        ~present("maxReplicaCount") | present("startingReplicaCount"),
        "batch predictions do not scale: only startingReplicaCount counts",
        field="maxReplicaCount",
        kinds=PREDICTION,
    )
    yield Rule(
        "vertex-batch-size",
        f"{BATCH}.manualBatchTuningParameters.batchSize",
        at_least(0),
        "a batch size is not negative; 0 stands for the default",
        Source.DISCOVERY,
        kinds=PREDICTION,
    )


def _serving() -> Iterator[Rule]:
    yield shaped(
        "serving-image",
        f"{SERVING}.imageUri",
        IMAGE,
        "an image is HOST/PATH, with :TAG or @DIGEST where wanted",
        PREDICTION,
        Source.RECORDED,
    )
    yield excluding(
        "serving-route",
        SERVING,
        "at most one of predictRoute and invokeRoutePrefix may be set",
        PREDICTION,
        "predictRoute",
        "invokeRoutePrefix",
    )
    yield Rule(
        "serving-timeout",
        f"{SERVING}.deploymentTimeout",
        Term(
            lambda value: not _is_duration(value) or float(value[:-1]) <= 7200,
            "double(self.substring(0, size(self) - 1)) <= 7200.0",
        ),
        "a deploymentTimeout is at most 7200s",
        Source.DISCOVERY,
        kinds=PREDICTION,
    )
    yield Rule(
        "serving-timeout-form",
        f"{SERVING}.deploymentTimeout",
        Term(lambda value: not isinstance(value, str) or value == "" or _is_duration(value)),
        DURATION_TEXT,
        Source.DISCOVERY,
        kinds=PREDICTION,
        in_schema=True,
    )
    for field in ("ports", "grpcPorts"):
        yield Rule(
            f"serving-{hyphened(field)}",
            f"{SERVING}.{field}[].containerPort",
            between(1, 65535),
            "a port is a number from 1 to 65535",
            Source.DISCOVERY,
            kinds=PREDICTION,
        )
    for probe in PROBES:
        yield Rule(
            f"serving-{hyphened(probe)}",
            f"{SERVING}.{probe}",
            all_of(
                some(*ACTIONS),
                *(
                    ~(present(one) & present(other))
                    for index, one in enumerate(ACTIONS)
                    for other in ACTIONS[index + 1 :]
                ),
            ),
            f"a probe has exactly one of {', '.join(ACTIONS)}",
            Source.PROTO,
            field="exec",
            error_type=FieldErrorType.REQUIRED,
            kinds=PREDICTION,
        )


def _is_duration(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(DURATION, value) is not None


def _explained() -> Iterator[Rule]:
    parameters = f"{EXPLANATION}.parameters"
    yield forbidden(
        "explanation-asked-for",
        BATCH,
        present("explanationSpec").implies(is_true("generateExplanation")),
        "an explanationSpec needs generateExplanation: true",
        field="explanationSpec",
        kinds=PREDICTION,
    )
    yield forbidden(
        "explanation-csv",
        BATCH,
        ~(is_true("generateExplanation") & is_one_of("outputConfig.predictionsFormat", "csv")),
        "explanations cannot be written as csv",
        field="generateExplanation",
        kinds=PREDICTION,
    )
    yield excluding(
        "explanation-method",
        parameters,
        "at most one method of explanation may be set",
        PREDICTION,
        *METHODS,
    )
    for field, method, most in (
        ("pathCount", "sampledShapleyAttribution", 50),
        ("stepCount", "integratedGradientsAttribution", 100),
        ("stepCount", "xraiAttribution", 100),
    ):
        yield Rule(
            f"explanation-{hyphened(method)}-required",
            f"{parameters}.{method}",
            present(field),
            f"this method needs {field}",
            Source.DISCOVERY,
            field=field,
            error_type=FieldErrorType.REQUIRED,
            kinds=PREDICTION,
        )
        yield Rule(
            f"explanation-{hyphened(method)}",
            f"{parameters}.{method}.{field}",
            between(1, most),
            f"{field} lies between 1 and {most}",
            Source.DISCOVERY,
            kinds=PREDICTION,
        )


RULES = (
    *_whole_job(),
    *_files("input", INPUT, SOURCES, ("uris", "inputUri", "datasetName"), filled),
    shaped(
        "batch-input-uri",
        f"{INPUT}.gcsSource.uris[]",
        STORAGE,
        "an input is a Cloud Storage path, gs://BUCKET/OBJECT",
        PREDICTION,
    ),
    *_formats("input", INPUT, "instancesFormat", "bigquerySource", "gcsSource", INSTANCES),
    *_files("output", OUTPUT, DESTINATIONS, ("outputUriPrefix", "outputUri", ""), given),
    shaped(
        "batch-output-uri",
        f"{OUTPUT}.gcsDestination.outputUriPrefix",
        STORAGE,
        "an output is a Cloud Storage path, gs://BUCKET/FOLDER",
        PREDICTION,
    ),
    *_formats("output", OUTPUT, "predictionsFormat", "bigqueryDestination", "gcsDestination", PREDICTIONS),
    excluding(
        "instance-fields",
        f"{BATCH}.instanceConfig",
        "at most one of includedFields and excludedFields may be set",
        PREDICTION,
        "includedFields",
        "excludedFields",
    ),
    Rule(
        "instance-type",
        f"{BATCH}.instanceConfig.instanceType",
        one_of("object", "array"),
        "an instance is an object or an array",
        Source.DISCOVERY,
        kinds=PREDICTION,
    ),
    *_machines(),
    *_serving(),
    *_explained(),
)
"""The rules of this module."""

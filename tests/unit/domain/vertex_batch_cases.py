"""Cases of the rules for `vertex.batchPredictionJob`."""

from tests.unit.domain.rule_case import Case, Spec, merged
from tests.unit.domain.vertex_case import batch

KEY = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
SERVER: Spec = {"imageUri": "europe-docker.pkg.dev/p/r/server:1"}


def server(name: str, bad: list[Spec], good: list[Spec], also: tuple[str, ...] = ()) -> list[Case]:
    """Cases about the container of a model in no registry, which the patches are of."""

    def made(patch: Spec) -> Spec:
        return {"model": None, "unmanagedContainerModel": {"containerSpec": merged(SERVER, patch)}}

    return batch(name, [made(patch) for patch in bad], [made(patch) for patch in good], also)


def explained(name: str, bad: list[Spec], good: list[Spec]) -> list[Case]:
    """Cases about the parameters of an explanation, which the patches are of."""

    def made(patch: Spec) -> Spec:
        return {"generateExplanation": True, "explanationSpec": {"parameters": patch}}

    return batch(name, [made(patch) for patch in bad], [made(patch) for patch in good])


def source(instances_format: str | None, **sources: Spec | None) -> Spec:
    return {"inputConfig": {"gcsSource": None, "instancesFormat": instances_format, **sources}}


def destination(predictions_format: str | None, **destinations: Spec | None) -> Spec:
    return {"outputConfig": {"gcsDestination": None, "predictionsFormat": predictions_format, **destinations}}


FILES: Spec = {"uris": ["gs://bucket/in"]}
FOLDER: Spec = {"outputUriPrefix": "gs://bucket/out"}
TABLE: Spec = {"inputUri": "bq://p.d.t"}
WRITTEN: Spec = {"outputUri": "bq://p"}
DATASET: Spec = {"datasetName": "projects/p/locations/us-central1/datasets/1"}

INPUT_CASES = [
    *batch(
        "batch-input-single",
        [source("jsonl", gcsSource=FILES, vertexMultimodalDatasetSource=DATASET)],
        [source("bigquery", bigquerySource=TABLE), source("jsonl", vertexMultimodalDatasetSource=DATASET)],
    ),
    *batch(
        "batch-input-storage", [source("jsonl", gcsSource={"uris": []})], [source("csv", gcsSource=FILES)]
    ),
    *batch(
        "batch-input-table",
        [source("bigquery", bigquerySource={})],
        [source("bigquery", bigquerySource=TABLE)],
    ),
    *batch(
        "batch-input-table-form",
        [source("bigquery", bigquerySource={"inputUri": "p.d.t"})],
        [source("bigquery", bigquerySource=TABLE)],
    ),
    *batch(
        "batch-input-dataset",
        [source("jsonl", vertexMultimodalDatasetSource={})],
        [source("jsonl", vertexMultimodalDatasetSource=DATASET)],
    ),
    *batch(
        "batch-input-uri",
        [source("jsonl", gcsSource={"uris": ["gs://b/i", "/in"]}), source("jsonl", gcsSource={"uris": [""]})],
        [source("jsonl", gcsSource=FILES)],
    ),
    *batch(
        "batch-input-format", [source("parquet", gcsSource=FILES)], [source("file-list", gcsSource=FILES)]
    ),
    *batch(
        "batch-input-format-place",
        [source("jsonl", bigquerySource=TABLE), source("bigquery", gcsSource=FILES)],
        [source("tf-record-gzip", gcsSource=FILES)],
    ),
    *batch(
        "batch-output-single",
        [destination("bigquery", bigqueryDestination=WRITTEN, vertexMultimodalDatasetDestination={})],
        [
            destination("bigquery", bigqueryDestination=WRITTEN),
            destination("jsonl", vertexMultimodalDatasetDestination={}),
        ],
    ),
    *batch(
        "batch-output-storage",
        [destination("jsonl", gcsDestination={"outputUriPrefix": ""})],
        [destination("csv", gcsDestination=FOLDER)],
    ),
    *batch(
        "batch-output-table",
        [destination("bigquery", bigqueryDestination={"outputUri": ""})],
        [destination("bigquery", bigqueryDestination=WRITTEN)],
    ),
    *batch(
        "batch-output-table-form",
        [destination("bigquery", bigqueryDestination={"outputUri": "p"})],
        [destination("bigquery", bigqueryDestination=WRITTEN)],
    ),
    *batch(
        "batch-output-uri",
        [destination("jsonl", gcsDestination={"outputUriPrefix": "out"})],
        [destination("jsonl", gcsDestination=FOLDER)],
    ),
    *batch(
        "batch-output-format",
        [destination("tf-record", gcsDestination=FOLDER)],
        [destination("csv", gcsDestination=FOLDER)],
    ),
    *batch(
        "batch-output-format-place",
        [destination("jsonl", bigqueryDestination=WRITTEN), destination("bigquery", gcsDestination=FOLDER)],
        [destination("bigquery", bigqueryDestination=WRITTEN)],
    ),
    *batch(
        "instance-fields",
        [{"instanceConfig": {"includedFields": ["a"], "excludedFields": ["b"]}}],
        [{"instanceConfig": {"includedFields": ["a"], "keyField": "k"}}],
    ),
    *batch(
        "instance-type",
        [{"instanceConfig": {"instanceType": "list"}}],
        [{"instanceConfig": {"instanceType": "array"}}],
    ),
]

RESOURCES_CASES = [
    *batch(
        "batch-starting-replicas",
        [{"dedicatedResources": {"startingReplicaCount": -1}}],
        [{"dedicatedResources": {"startingReplicaCount": 0}}],
    ),
    *batch(
        "batch-max-replicas",
        [{"dedicatedResources": {"maxReplicaCount": -1}}],
        [{"dedicatedResources": {"maxReplicaCount": 0}}],
        also=("batch-replicas-order",),
    ),
    *batch(
        "batch-replicas-order",
        [{"dedicatedResources": {"startingReplicaCount": 5, "maxReplicaCount": 4}}],
        [{"dedicatedResources": {"startingReplicaCount": 4, "maxReplicaCount": 4}}],
    ),
    *batch(
        "batch-max-replicas-unused",
        [{"dedicatedResources": {"startingReplicaCount": None, "maxReplicaCount": 4}}],
        [{"dedicatedResources": {"maxReplicaCount": 4}}],
    ),
    *batch(
        "vertex-batch-size",
        [{"manualBatchTuningParameters": {"batchSize": -1}}],
        [{"manualBatchTuningParameters": {"batchSize": 64}}],
    ),
]

TWO_ACTIONS: Spec = {"exec": {"command": ["true"]}, "tcpSocket": {"port": 8080}}

SERVING_CASES = [
    *server("serving-image", [{"imageUri": "a b"}], [{"imageUri": "a/b@sha256:0"}]),
    *server(
        "serving-route", [{"predictRoute": "/p", "invokeRoutePrefix": "/*"}], [{"invokeRoutePrefix": "/*"}]
    ),
    *server("serving-timeout", [{"deploymentTimeout": "7200.5s"}], [{"deploymentTimeout": "7200s"}]),
    *server("serving-timeout-form", [{"deploymentTimeout": "1h"}], [{"deploymentTimeout": "60s"}]),
    *server(
        "serving-ports", [{"ports": [{"containerPort": 0}]}], [{"ports": [{"containerPort": 65535}, {}]}]
    ),
    *server(
        "serving-grpc-ports",
        [{"grpcPorts": [{"containerPort": 65536}]}],
        [{"grpcPorts": [{"containerPort": 1}]}],
    ),
    *(
        case
        for name, field in (
            ("startup", "startupProbe"),
            ("health", "healthProbe"),
            ("liveness", "livenessProbe"),
        )
        for case in server(
            f"serving-{name}-probe",
            [{field: {"periodSeconds": 5}}, {field: TWO_ACTIONS}],
            [{field: {"httpGet": {"path": "/health", "port": 8080}}}, {field: {"grpc": {"port": 9000}}}],
        )
    ),
]

SHAPLEY: Spec = {"sampledShapleyAttribution": {"pathCount": 10}}

EXPLANATION_CASES = [
    *batch(
        "explanation-asked-for",
        [{"explanationSpec": {}}, {"generateExplanation": False, "explanationSpec": {"parameters": SHAPLEY}}],
        [
            {"generateExplanation": True, "explanationSpec": {"parameters": SHAPLEY}},
            {"generateExplanation": True},
        ],
    ),
    *batch(
        "explanation-csv",
        [{"generateExplanation": True, "outputConfig": {"predictionsFormat": "csv"}}],
        [{"generateExplanation": False, "outputConfig": {"predictionsFormat": "csv"}}],
    ),
    *explained(
        "explanation-method",
        [{**SHAPLEY, "examples": {"neighborCount": 3}}, {**SHAPLEY, "xraiAttribution": {"stepCount": 50}}],
        [{"examples": {"neighborCount": 3}}, {"topK": -1}],
    ),
    *(
        case
        for name, method, field, most in (
            ("sampled-shapley", "sampledShapleyAttribution", "pathCount", 50),
            ("integrated-gradients", "integratedGradientsAttribution", "stepCount", 100),
            ("xrai", "xraiAttribution", "stepCount", 100),
        )
        for case in (
            *explained(f"explanation-{name}-attribution-required", [{method: {}}], [{method: {field: 1}}]),
            *explained(
                f"explanation-{name}-attribution",
                [{method: {field: 0}}, {method: {field: most + 1}}],
                [{method: {field: most}}],
            ),
        )
    ),
]

JOB_CASES = [
    *batch(
        "batch-output-only",
        [{"state": "JOB_STATE_RUNNING"}, {"name": "projects/p/locations/l/batchPredictionJobs/1"}],
        [{}],
    ),
    *batch("batch-labels", [{"labels": {"team": "a"}}], [{}]),
    *batch(
        "batch-model-single",
        [{"unmanagedContainerModel": {"containerSpec": SERVER}}],
        [{"model": None, "unmanagedContainerModel": {"containerSpec": SERVER}}],
    ),
    *batch(
        "batch-model",
        [{"model": "projects/p/models/m"}, {"model": "123"}],
        [
            {"model": "projects/p/locations/us-central1/models/1@golden"},
            {"model": "publishers/google/models/m"},
            {"model": "projects/p/locations/us-central1/publishers/google/models/m"},
        ],
    ),
    *batch("batch-service-account", [{"serviceAccount": "a"}], [{"serviceAccount": "a@b.c"}]),
    *batch("batch-key-required", [{"encryptionSpec": {}}], [{"encryptionSpec": {"kmsKeyName": KEY}}]),
    *batch("batch-key", [{"encryptionSpec": {"kmsKeyName": "k"}}], [{"encryptionSpec": {"kmsKeyName": KEY}}]),
]

VERTEX_BATCH_CASES = [*JOB_CASES, *INPUT_CASES, *RESOURCES_CASES, *SERVING_CASES, *EXPLANATION_CASES]
"""All cases of this module."""

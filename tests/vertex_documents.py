"""Specs in Vertex AI's words that keep all rules, and between them have every field of `spec.vertex`."""

from typing import Any

Spec = dict[str, Any]

REGION = "us-central1"
PLACE = f"projects/my-project/locations/{REGION}"
KEY: Spec = {"kmsKeyName": f"{PLACE}/keyRings/ring/cryptoKeys/key"}
CONTEXT = f"{PLACE}/metadataStores/default/contexts"
IMAGE = "us-central1-docker.pkg.dev/my-project/team/trainer:1"
ENV = [{"name": "NCCL_DEBUG", "value": "INFO"}, {"name": "EMPTY", "value": ""}]
RESERVATION: Spec = {
    "reservationAffinityType": "SPECIFIC_RESERVATION",
    "key": "compute.googleapis.com/reservation-name",
    "values": ["projects/my-project/zones/us-central1-a/reservations/r"],
}

CUSTOM: Spec = {
    "region": REGION,
    "displayName": "nightly census",
    "encryptionSpec": KEY,
    "jobSpec": {
        "workerPoolSpecs": [
            {
                "machineSpec": {
                    "machineType": "a2-highgpu-1g",
                    "acceleratorType": "NVIDIA_TESLA_A100",
                    "acceleratorCount": 1,
                    "gpuPartitionSize": "1g.10gb",
                    "reservationAffinity": RESERVATION,
                },
                "replicaCount": "1",
                "containerSpec": {
                    "imageUri": IMAGE,
                    "command": ["python", "-m", "trainer.task"],
                    "args": ["--epochs=3"],
                    "env": ENV,
                },
                "diskSpec": {"bootDiskType": "pd-ssd", "bootDiskSizeGb": 200},
                "nfsMounts": [{"server": "10.0.0.2", "path": "/vol1", "mountPoint": "/mnt/nfs/models"}],
                "lustreMounts": [
                    {
                        "instanceIp": "10.0.0.3",
                        "volumeHandle": "volume",
                        "filesystem": "fs",
                        "mountPoint": "/mnt/lustre/data",
                    }
                ],
            },
            {},
            {
                "machineSpec": {"machineType": "n1-standard-8"},
                "replicaCount": 2,
                "pythonPackageSpec": {
                    "executorImageUri": "us-docker.pkg.dev/vertex-ai/training/tf-cpu.2-17.py310:latest",
                    "packageUris": ["gs://bucket/trainer-1.tar.gz"],
                    "pythonModule": "trainer.ps",
                    "args": ["--role=ps"],
                    "env": ENV,
                },
            },
        ],
        "scheduling": {
            "timeout": "7200s",
            "strategy": "SPOT",
            "restartJobOnWorkerRestart": False,
            "disableRetries": True,
        },
        "serviceAccount": "trainer@my-project.iam.gserviceaccount.com",
        "network": "projects/12345/global/networks/net",
        "reservedIpRanges": ["range"],
        "baseOutputDirectory": {"outputUriPrefix": "gs://bucket/out"},
        "protectedArtifactLocationId": "europe-west4",
        "tensorboard": f"{PLACE}/tensorboards/1",
        "enableWebAccess": True,
        "enableDashboardAccess": True,
        "experiment": f"{CONTEXT}/census",
        "experimentRun": f"{CONTEXT}/census-1",
        "models": [f"{PLACE}/models/1@golden"],
    },
}

FLEX: Spec = {
    "region": REGION,
    "jobSpec": {
        "workerPoolSpecs": [
            {
                "machineSpec": {
                    "machineType": "g2-standard-8",
                    "acceleratorType": "NVIDIA_L4",
                    "acceleratorCount": 1,
                },
                "containerSpec": {"imageUri": IMAGE},
            }
        ],
        "scheduling": {"strategy": "FLEX_START", "maxWaitDuration": "0s"},
        "pscInterfaceConfig": {
            "networkAttachment": "projects/my-project/regions/us-central1/networkAttachments/a",
            "dnsPeeringConfigs": [
                {"domain": "corp.example.com.", "targetProject": "hub", "targetNetwork": "net"}
            ],
        },
    },
}

TPU: Spec = {
    "region": REGION,
    "jobSpec": {
        "persistentResourceId": "pool-1",
        "workerPoolSpecs": [
            {
                "machineSpec": {"machineType": "ct5lp-hightpu-4t", "tpuTopology": "2x2"},
                "containerSpec": {"imageUri": IMAGE},
            }
        ],
    },
}

LEAF: list[Spec] = [
    {
        "parameterId": "rate",
        "scaleType": "UNIT_LOG_SCALE",
        "doubleValueSpec": {"minValue": 0.001, "maxValue": 0.1, "defaultValue": 0.01},
    },
    {"parameterId": "layers", "integerValueSpec": {"minValue": "1", "maxValue": 9, "defaultValue": "3"}},
    {"parameterId": "cell", "categoricalValueSpec": {"values": ["lstm", "gru"], "defaultValue": "gru"}},
    {"parameterId": "batch", "discreteValueSpec": {"values": [16, 32.5], "defaultValue": 16}},
]


def _below(parents: list[Spec], children: list[Spec]) -> list[Spec]:
    """All children below the first parent that may have any, and one below each other one."""
    conditions: list[Spec] = [
        {"parentIntValues": {"values": ["1", 2]}},
        {"parentCategoricalValues": {"values": ["gru"]}},
        {"parentDiscreteValues": {"values": [32.5]}},
    ]
    first, *others = parents
    made = [first]
    for number, (parent, condition) in enumerate(zip(others, conditions, strict=True)):
        mine = children[:1] if number else children
        below = [{"parameterSpec": child, **condition} for child in mine]
        made.append({**parent, "conditionalParameterSpecs": below})
    return made


def _search(**fields: Any) -> Spec:
    return {
        **FLEX,
        "maxTrialCount": 20,
        "parallelTrialCount": 2,
        "maxFailedTrialCount": 3,
        "studySpec": {
            "metrics": [
                {"metricId": "accuracy", "goal": "MAXIMIZE"},
                {
                    "metricId": "latency",
                    "goal": "MINIMIZE",
                    "safetyConfig": {"safetyThreshold": 0.5, "desiredMinSafeTrialsFraction": 0.9},
                },
            ],
            "parameters": LEAF,
            **fields,
        },
    }


SEARCHES: list[Spec] = [
    _search(
        parameters=_below(LEAF, _below(LEAF, LEAF)),
        algorithm="RANDOM_SEARCH",
        measurementSelectionType="BEST_MEASUREMENT",
        observationNoise="LOW",
        convexAutomatedStoppingSpec={
            "maxStepCount": "100",
            "minStepCount": 10,
            "minMeasurementCount": "5",
            "learningRateParameterName": "rate",
            "useElapsedDuration": True,
            "updateAllStoppedTrials": False,
        },
        studyStoppingConfig={
            "shouldStopAsap": True,
            "minimumRuntimeConstraint": {"maxDuration": "60s"},
            "maximumRuntimeConstraint": {"endTime": "2030-01-01T00:00:00Z"},
            "minNumTrials": 2,
            "maxNumTrials": 20,
            "maxNumTrialsNoProgress": 5,
            "maxDurationNoProgress": "3600s",
        },
    ),
    _search(
        medianAutomatedStoppingSpec={"useElapsedDuration": True},
        studyStoppingConfig={
            "minimumRuntimeConstraint": {"endTime": "2030-01-01T00:00:00Z"},
            "maximumRuntimeConstraint": {"maxDuration": "60s"},
        },
    ),
    _search(decayCurveStoppingSpec={"useElapsedDuration": False}),
]

FILES: Spec = {"uris": ["gs://bucket/in/*"]}
WRITTEN: Spec = {"outputUri": "bq://my-project"}

BATCH: Spec = {
    "region": REGION,
    "batchPredictionJob": {
        "displayName": "census of tonight",
        "model": f"{PLACE}/models/1@2",
        "inputConfig": {"instancesFormat": "jsonl", "gcsSource": FILES},
        "instanceConfig": {"instanceType": "array", "keyField": "id", "includedFields": ["age"]},
        "modelParameters": {"threshold": 0.5, "labels": ["a", None, {"deep": True}]},
        "outputConfig": {
            "predictionsFormat": "csv",
            "gcsDestination": {"outputUriPrefix": "gs://bucket/out"},
        },
        "dedicatedResources": {
            "machineSpec": {
                "machineType": "n1-standard-4",
                "acceleratorType": "NVIDIA_TESLA_T4",
                "acceleratorCount": 1,
                "reservationAffinity": RESERVATION,
            },
            "startingReplicaCount": 2,
            "maxReplicaCount": 4,
        },
        "serviceAccount": "server@my-project.iam.gserviceaccount.com",
        "manualBatchTuningParameters": {"batchSize": 32},
        "disableContainerLogging": True,
        "encryptionSpec": KEY,
    },
}


def _probe(**action: Spec) -> Spec:
    return {
        **action,
        "initialDelaySeconds": 1,
        "periodSeconds": 10,
        "timeoutSeconds": 5,
        "failureThreshold": 3,
        "successThreshold": 1,
    }


def _served(**container: Any) -> Spec:
    return {
        "region": REGION,
        "batchPredictionJob": {
            "unmanagedContainerModel": {
                "artifactUri": "gs://bucket/model",
                "predictSchemata": {
                    f"{part}SchemaUri": f"gs://bucket/{part}.yaml"
                    for part in ("instance", "parameters", "prediction")
                },
                "containerSpec": {"imageUri": IMAGE, **container},
            },
            "inputConfig": {"instancesFormat": "bigquery", "bigquerySource": {"inputUri": "bq://p.d.t"}},
            "instanceConfig": {"excludedFields": ["name"]},
            "outputConfig": {"predictionsFormat": "bigquery", "bigqueryDestination": WRITTEN},
            "dedicatedResources": {
                "machineSpec": {
                    "machineType": "ct5lp-hightpu-1t",
                    "tpuTopology": "1x1",
                    "gpuPartitionSize": "1g.10gb",
                },
                "startingReplicaCount": 1,
            },
        },
    }


_ACTIONS: list[Spec] = [
    {"exec": {"command": ["true"]}},
    {
        "httpGet": {
            "host": "localhost",
            "path": "/health",
            "port": 8080,
            "scheme": "HTTPS",
            "httpHeaders": [{"name": "Host", "value": "x"}],
        }
    },
    {"grpc": {"port": 9000, "service": "health"}},
    {"tcpSocket": {"host": "localhost", "port": 8080}},
]

SERVED: list[Spec] = [
    _served(
        startupProbe=_probe(**action),
        healthProbe=_probe(**action),
        livenessProbe=_probe(**action),
        command=["serve"],
        args=["--port=8080"],
        env=ENV,
        ports=[{"containerPort": 8080}],
        grpcPorts=[{"containerPort": 9000}],
        healthRoute="/health",
        deploymentTimeout="600s",
        sharedMemorySizeMb=1024,
        **({"invokeRoutePrefix": "/*"} if "grpc" in action else {"predictRoute": "/predict"}),
    )
    for action in _ACTIONS
]

_SMOOTH: list[Spec] = [
    {"noiseSigma": 0.5, "noisySampleCount": 3},
    {"featureNoiseSigma": {"noiseSigma": [{"name": "age", "sigma": 0.25}]}},
]

METHODS: list[Spec] = [
    {"sampledShapleyAttribution": {"pathCount": 10}, "topK": -1, "outputIndices": [0, [1, 2]]},
    *(
        {method: {"stepCount": 50, "smoothGradConfig": smooth, "blurBaselineConfig": {"maxBlurSigma": 0.5}}}
        for method in ("integratedGradientsAttribution", "xraiAttribution")
        for smooth in _SMOOTH
    ),
    {
        "examples": {
            "exampleGcsSource": {"dataFormat": "JSONL", "gcsSource": FILES},
            "neighborCount": 3,
            "presets": {"modality": "TABULAR", "query": "FAST"},
        }
    },
    {"examples": {"nearestNeighborSearchConfig": {"contentsDeltaUri": "", "config": {"dimensions": 50}}}},
]

METADATA: Spec = {
    "inputs": {
        "age": {
            "inputBaselines": [0, "x", {"any": [1]}],
            "inputTensorName": "age:0",
            "encoding": "IDENTITY",
            "modality": "numeric",
            "featureValueDomain": {
                "minValue": 0,
                "maxValue": 120.5,
                "originalMean": 40.5,
                "originalStddev": 10,
            },
            "indicesTensorName": "i:0",
            "denseShapeTensorName": "s:0",
            "indexFeatureMapping": ["a", "b"],
            "encodedTensorName": "e:0",
            "encodedBaselines": [[0.5]],
            "visualization": {
                "type": "OUTLINES",
                "polarity": "BOTH",
                "colorMap": "VIRIDIS",
                "clipPercentUpperbound": 99.5,
                "clipPercentLowerbound": 62,
                "overlayType": "GRAYSCALE",
            },
            "groupName": "person",
        }
    },
    "outputs": {
        "class": {
            "indexDisplayNameMapping": ["no", "yes"],
            "displayNameMappingKey": "names",
            "outputTensorName": "out:0",
        }
    },
    "featureAttributionsSchemaUri": "gs://bucket/attributions.yaml",
    "latentSpaceSource": "embedding",
}


def _explained(method: Spec) -> Spec:
    return {
        "region": REGION,
        "batchPredictionJob": {
            "model": f"{PLACE}/models/1",
            "inputConfig": {
                "instancesFormat": "jsonl",
                "vertexMultimodalDatasetSource": {"datasetName": f"{PLACE}/datasets/1"},
            },
            "outputConfig": {
                "predictionsFormat": "jsonl",
                "vertexMultimodalDatasetDestination": {
                    "bigqueryDestination": WRITTEN,
                    "displayName": "explained",
                },
            },
            "generateExplanation": True,
            "explanationSpec": {"parameters": method, "metadata": METADATA},
        },
    }


DOCUMENTS: dict[str, list[Spec]] = {
    "TrainingJob": [CUSTOM, FLEX, TPU, *SEARCHES],
    "PredictionJob": [
        BATCH,
        *SERVED,
        *map(_explained, METHODS),
        {
            "region": REGION,
            "displayName": "census",
            "models": {"census": {"v1": f"{PLACE}/models/1", "default": f"{PLACE}/models/2"}},
            "batchPredictionJob": {**BATCH["batchPredictionJob"], "displayName": ""},
        },
    ],
}
"""The blocks, by kind."""


def specs(kind: str) -> list[Spec]:
    """The same as whole specs."""
    return [{"projectId": "my-project", "vertex": block} for block in DOCUMENTS[kind]]

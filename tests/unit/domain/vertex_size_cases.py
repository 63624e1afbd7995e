"""Cases of the rules that keep `spec.vertex` small enough to be stored."""

from tests.unit.domain.rule_case import PREDICTION, Spec, cases, merged
from tests.unit.domain.vertex_case import (
    BATCH,
    CATEGORIES,
    NUMBERS,
    PARAMETER,
    POOL,
    batch,
    conditional,
    study,
)
from tests.unit.domain.vertex_case import job_spec as job

KIB = 1024
LINE = "x" * 997
"""Takes 1000 characters as it is counted."""

UNDER_OTHERS: Spec = conditional(PARAMETER, parentDiscreteValues={"values": [16]})


def program(lines: int) -> Spec:
    """A container and a package that share so many lines."""
    return {
        "workerPoolSpecs": [
            merged(POOL, {"containerSpec": {"command": [LINE], "args": [LINE] * (lines - 3)}}),
            merged(
                POOL,
                {
                    "containerSpec": {"env": [{"name": "A", "value": "x" * 975}]},
                    "machineSpec": {"machineType": "n1-standard-4"},
                },
            ),
            {
                "machineSpec": {"machineType": "n1-standard-4"},
                "pythonPackageSpec": {
                    "executorImageUri": "europe-docker.pkg.dev/vertex-ai/training/tf-cpu.2-17.py310:latest",
                    "packageUris": [f"gs://b/{'p' * 990}"],
                    "pythonModule": "trainer.task",
                },
            },
        ]
    }


def many(number: int, base: Spec) -> list[Spec]:
    return [{**base, "parameterId": f"p{index}"} for index in range(number)]


def examples(uris: list[str]) -> Spec:
    return {
        "generateExplanation": True,
        "explanationSpec": {"parameters": {"examples": {"exampleGcsSource": {"gcsSource": {"uris": uris}}}}},
    }


def explained(**metadata: Spec) -> Spec:
    return {
        "generateExplanation": True,
        "explanationSpec": {
            "parameters": {"sampledShapleyAttribution": {"pathCount": 10}},
            "metadata": metadata,
        },
    }


def container(**fields: object) -> Spec:
    image = "europe-docker.pkg.dev/my-project/team/server:1"
    return {"model": None, "unmanagedContainerModel": {"containerSpec": {"imageUri": image, **fields}}}


def models(found: Spec) -> Spec:
    return {"vertex": {"models": found}}


MODEL = "projects/my-project/locations/us-central1/models/123"

VERTEX_SIZE_CASES = [
    *job("vertex-programs-size", [program(101)], [program(100), {"workerPoolSpecs": [POOL]}]),
    *study(
        "vertex-parameters-count",
        [
            {
                "parameters": [
                    *many(99, PARAMETER),
                    {**NUMBERS, "conditionalParameterSpecs": [UNDER_OTHERS]},
                ]
            },
            {
                "parameters": [
                    *many(98, PARAMETER),
                    {
                        **NUMBERS,
                        "conditionalParameterSpecs": [
                            conditional(
                                {
                                    **NUMBERS,
                                    "parameterId": "inner",
                                    "conditionalParameterSpecs": [UNDER_OTHERS],
                                },
                                parentDiscreteValues={"values": [64]},
                            )
                        ],
                    },
                ]
            },
        ],
        [
            {"parameters": many(100, PARAMETER)},
            {"parameters": [*many(98, PARAMETER), {**NUMBERS, "conditionalParameterSpecs": [UNDER_OTHERS]}]},
        ],
    ),
    *study(
        "vertex-categories-size",
        [
            {
                "parameters": [
                    {
                        **CATEGORIES,
                        "categoricalValueSpec": {"values": [f"{'x' * 123}{n:02}" for n in range(128)]},
                    },
                    {**CATEGORIES, "parameterId": "other"},
                ]
            }
        ],
        [
            {
                "parameters": [
                    {
                        **CATEGORIES,
                        "categoricalValueSpec": {"values": [f"{'x' * 123}{n:02}" for n in range(99)]},
                    }
                ]
            }
        ],
    ),
    *study(
        "vertex-numbers-count",
        [
            {
                "parameters": [
                    {**NUMBERS, "discreteValueSpec": {"values": list(range(998))}},
                    {**NUMBERS, "parameterId": "b"},
                ]
            }
        ],
        [{"parameters": [{**NUMBERS, "discreteValueSpec": {"values": list(range(1000))}}]}],
    ),
    *study(
        "vertex-conditional-values-count",
        [
            {
                "parameters": [
                    {
                        **NUMBERS,
                        "conditionalParameterSpecs": [
                            conditional(
                                {
                                    **NUMBERS,
                                    "parameterId": "b",
                                    "discreteValueSpec": {"values": list(range(100))},
                                },
                                parentDiscreteValues={"values": [16]},
                            )
                        ],
                    }
                ]
            },
            {
                "parameters": [
                    {
                        **NUMBERS,
                        "conditionalParameterSpecs": [
                            conditional(
                                {
                                    **CATEGORIES,
                                    "conditionalParameterSpecs": [
                                        conditional(
                                            {
                                                **CATEGORIES,
                                                "parameterId": "inner",
                                                "categoricalValueSpec": {
                                                    "values": [f"v{n}" for n in range(98)]
                                                },
                                            },
                                            parentCategoricalValues={"values": ["gru"]},
                                        )
                                    ],
                                },
                                parentDiscreteValues={"values": [16]},
                            )
                        ],
                    }
                ]
            },
        ],
        [
            {
                "parameters": [
                    {
                        **NUMBERS,
                        "conditionalParameterSpecs": [
                            conditional(
                                {
                                    **NUMBERS,
                                    "parameterId": "b",
                                    "discreteValueSpec": {"values": list(range(99))},
                                },
                                parentDiscreteValues={"values": [16]},
                            )
                        ],
                    }
                ]
            }
        ],
    ),
    *batch(
        "vertex-uris-size",
        [{"inputConfig": {"gcsSource": {"uris": [f"gs://b/{'o' * 1014}"] * 129}}}],
        [{"inputConfig": {"gcsSource": {"uris": [f"gs://b/{'o' * 1014}"] * 128}}}],
    ),
    *batch(
        "vertex-examples-size",
        [examples([f"gs://b/{'o' * 1014}"] * 33)],
        [examples([f"gs://b/{'o' * 1014}"] * 32)],
    ),
    *batch(
        "vertex-serving-size",
        [
            container(args=["x" * 1021] * 63, env=[{"name": "A", "value": "x" * 1000}]),
            container(
                command=["x" * 32000], args=["x" * 32000], healthProbe={"exec": {"command": ["x" * 2000]}}
            ),
        ],
        [container(args=["x" * 1021] * 63, env=[{"name": "A", "value": "x" * 999}])],
    ),
    *batch(
        "vertex-features-size",
        [
            explained(
                inputs={
                    "a": {"indexFeatureMapping": ["x" * 125] * 500},
                    "b": {"indexFeatureMapping": ["x" * 125] * 13},
                },
                outputs={"o": {}},
            )
        ],
        [
            explained(
                inputs={
                    "a": {"indexFeatureMapping": ["x" * 125] * 500},
                    "b": {"indexFeatureMapping": ["x" * 125] * 12},
                },
                outputs={"o": {}},
            )
        ],
    ),
    *cases(
        "vertex-model-key",
        PREDICTION,
        BATCH,
        [models({"m" * 257: {"v": MODEL}})],
        [models({"m" * 256: {"v": MODEL}})],
    ),
    *cases(
        "vertex-version-key",
        PREDICTION,
        BATCH,
        [models({"m": {"v" * 257: MODEL}})],
        [models({"m": {"v" * 256: MODEL}})],
    ),
    *batch(
        "vertex-input-key",
        [explained(inputs={"f" * 257: {}}, outputs={"o": {}})],
        [explained(inputs={"f" * 256: {}}, outputs={"o": {}})],
    ),
    *batch(
        "vertex-output-key",
        [explained(inputs={"f": {}}, outputs={"o" * 257: {}})],
        [explained(inputs={"f": {}}, outputs={"o" * 256: {}})],
    ),
]

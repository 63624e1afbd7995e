"""Cases of the rules for placements."""

from mljobs.domain.spec.rules.vertex.machines import UNSPECIFIED
from tests.unit.domain.rule_case import IMAGE, PREDICT, PREDICTION, TRAINING, Case, Spec, cases, job

HERE, THERE = {"region": "us-central1"}, {"region": "europe-west4"}
LEADS_ON = {"rules": [{"onCauses": ["Unknown"], "action": "Fail"}]}
MOVES = {"rules": [*LEADS_ON["rules"], {"onCauses": ["UserCode"], "action": "NextPlacement"}]}
STAGED = {"trainingInput": {**IMAGE["trainingInput"], "jobDir": "gs://bucket/out"}}
FLEXIBLE = {
    "trainingInput": None,
    "vertex": {
        "region": "us-central1",
        "jobSpec": {
            "workerPoolSpecs": [
                {
                    "machineSpec": {
                        "machineType": "g2-standard-8",
                        "acceleratorType": "NVIDIA_L4",
                        "acceleratorCount": 1,
                    },
                    "containerSpec": {"imageUri": "gcr.io/my-project/trainer:1"},
                }
            ]
        },
    },
}
"""A job on machines that FLEX_START has."""

MACHINES: Spec = {"trainingInput": {"scaleTier": "CUSTOM", "masterType": "n1-standard-4"}}
T4 = {"acceleratorType": "NVIDIA_TESLA_T4", "acceleratorCount": 1}
L4 = {"machineType": "g2-standard-8", "acceleratorType": "NVIDIA_L4", "acceleratorCount": 1}


def on_machines(rule: str, bad: list[Spec], good: list[Spec]) -> list[Case]:
    """Cases about the machine of a placement; the good ones of a prediction are Vertex AI's alone."""
    rows = [[{"placements": [{}, _without_nulls(one)]} for one in placements] for placements in (bad, good)]
    custom = [[{**MACHINES, **one} for one in patches] for patches in rows]
    return [
        *cases(rule, TRAINING, IMAGE, custom[0], custom[1]),
        *cases(rule, PREDICTION, PREDICT, rows[0], []),
    ]


def _without_nulls(placement: Spec) -> Spec:
    return {key: value for key, value in placement.items() if value is not None}


PLACEMENT_CASES = [
    *job(
        "next-placement-needs-placements",
        [{"failurePolicy": MOVES}],
        [{"failurePolicy": MOVES, "placements": [HERE]}, {"failurePolicy": LEADS_ON}],
    ),
    *job(
        "placement-policy-needs-placements",
        [{"placementPolicy": {}}, {"placementPolicy": {"rounds": 1}}],
        [{"placementPolicy": {"rounds": 1}, "placements": [HERE]}, {"placements": [{}]}],
    ),
    *job(
        "placement-rounds",
        [{"placements": [HERE], "placementPolicy": {"rounds": rounds}} for rounds in (-1, 101)],
        [{"placements": [HERE], "placementPolicy": {"rounds": rounds}} for rounds in (0, 100)],
    ),
    *job(
        "placement-region-form",
        [{"placements": [HERE, {"region": "us_central1"}]}, {"placements": [{"region": "us-central1-a"}]}],
        [{"placements": [HERE, {}]}],
    ),
    *cases(
        "placement-strategy",
        PREDICTION,
        PREDICT,
        [{"placements": [HERE, {**HERE, "strategy": word}]} for word in ("SPOT", "FLEX_START")],
        [{"placements": [HERE, {**HERE, "strategy": "STANDARD"}]}],
    ),
    *cases(
        "placement-wait",
        TRAINING,
        IMAGE,
        [
            {"placements": [{"maxWaitDuration": "60s"}]},
            {"placements": [{"strategy": "FLEX_START"}, {"strategy": "SPOT", "maxWaitDuration": "60s"}]},
        ],
        [{**FLEXIBLE, "placements": [{"strategy": "FLEX_START", "maxWaitDuration": "60s"}]}],
    ),
    *on_machines(
        "placement-machine-type",
        [{"machineType": name} for name in ("standard_gpu", "cloud_tpu", "N1-standard-8")],
        [{"machineType": name} for name in ("n1-standard-8", "n1-highmem-2")],
    ),
    *cases(
        "placement-machine-tier",
        TRAINING,
        IMAGE,
        [
            {"placements": [HERE, {"machineType": "n1-standard-8"}]},
            {"placements": [T4]},
            {"trainingInput": {"scaleTier": "BASIC_GPU"}, "placements": [T4]},
        ],
        [
            {**MACHINES, "placements": [HERE, T4]},
            {**FLEXIBLE, "placements": [L4]},
            {"placements": [HERE, {}]},
        ],
    ),
    *on_machines(
        "placement-accelerator-type",
        [{"acceleratorCount": 1, **kind} for kind in ({}, {"acceleratorType": UNSPECIFIED})],
        [T4],
    ),
    *on_machines(
        "placement-accelerator-count",
        [{**T4, "acceleratorCount": count} for count in (0, -1, None)],
        [{**T4, "machineType": "n1-standard-8"}],
    ),
    *job(
        "placement-start-deadline",
        [{"placements": [{"startDeadlineSeconds": 0}]}],
        [{"placements": [{"startDeadlineSeconds": 1}]}],
    ),
    *cases(
        "placement-buckets",
        TRAINING,
        IMAGE,
        [{**STAGED, "placements": [HERE, THERE]}, {**STAGED, "placements": [THERE, {}]}],
        [
            {**STAGED, "placements": [HERE, {"startDeadlineSeconds": 60}]},
            {"placements": [HERE, THERE]},
            STAGED,
        ],
    ),
]

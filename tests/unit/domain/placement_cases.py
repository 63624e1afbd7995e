"""Cases of the rules for placements."""

from tests.unit.domain.rule_case import IMAGE, PREDICT, PREDICTION, TRAINING, cases, job

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

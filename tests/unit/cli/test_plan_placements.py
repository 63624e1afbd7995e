"""`mljobs plan` of a ladder of placements: each request, and what is wrong in one of them."""

import pytest

from tests.unit.cli.test_plan import IMAGE_URI, manifest, planned

LADDER = manifest(
    {
        "projectId": "p",
        "trainingInput": {
            "region": "us-central1",
            "jobDir": "gs://bucket/census",
            "masterConfig": {"imageUri": IMAGE_URI},
        },
        "backoffLimit": 1,
        "placements": [{"strategy": "SPOT"}, {"region": "europe-west4", "strategy": "SPOT"}, {}],
        "placementPolicy": {"rounds": 1},
    }
)


def test_a_ladder_is_printed_with_the_request_of_each_placement() -> None:
    done = planned(LADDER, "--service=VertexAI")
    assert done.code == 0
    scheduling = [body["jobSpec"].get("scheduling") for body in done.request]
    assert scheduling == [{"strategy": "SPOT"}, {"strategy": "SPOT"}, None]
    words = ["1 of 3 (SPOT)", "2 of 3 (europe-west4, SPOT)", "3 of 3"]
    for word, region in zip(words, ["us-central1", "europe-west4", "us-central1"], strict=True):
        call = f"POST v1/projects/p/locations/{region}/customJobs"
        assert f"note: placement {word}, round 1 of 2: {call}" in done.err
    assert any("at most 7 attempts, by spec.backoffLimit and spec.placements" in line for line in done.err)
    assert any(line.startswith("warning: spec.placements: ") and "bucket" in line for line in done.err)


LADDER_OF_MACHINES = manifest(
    {
        "projectId": "p",
        "trainingInput": {
            "region": "us-central1",
            "scaleTier": "CUSTOM",
            "masterType": "n1-standard-4",
            "workerType": "n1-standard-4",
            "workerCount": 2,
            "masterConfig": {"imageUri": IMAGE_URI},
        },
        "placements": [
            {"machineType": "n1-standard-8", "acceleratorType": "NVIDIA_TESLA_V100", "acceleratorCount": 1},
            {"machineType": "n1-standard-16"},
            {},
        ],
    }
)


def test_a_ladder_of_machines_on_both_services() -> None:
    done = planned(LADDER_OF_MACHINES, "--service=VertexAI")
    assert done.code == 0
    pools = [body["jobSpec"]["workerPoolSpecs"] for body in done.request]
    assert [[pool["machineSpec"] for pool in one] for one in pools] == [
        [{"machineType": "n1-standard-8", "acceleratorType": "NVIDIA_TESLA_V100", "acceleratorCount": 1}] * 2,
        [{"machineType": "n1-standard-16"}] * 2,
        [{"machineType": "n1-standard-4"}] * 2,
    ]
    assert "note: placement 1 of 3 (n1-standard-8, 1 NVIDIA_TESLA_V100): POST" in " ".join(done.err)
    done = planned(LADDER_OF_MACHINES)
    assert done.code == 0
    inputs = [body["trainingInput"] for body in done.request]
    assert [one["workerType"] for one in inputs] == ["n1-standard-8", "n1-standard-16", "n1-standard-4"]
    accelerators = {"acceleratorConfig": {"type": "NVIDIA_TESLA_V100", "count": "1"}}
    assert [one.get("workerConfig") for one in inputs] == [accelerators, None, None]


@pytest.mark.parametrize(
    ("service", "placement", "said"),
    [
        ("VertexAI", "machineType: n2-standard-8, acceleratorType: NVIDIA_TESLA_T4", "N2"),
        ("VertexAI", "machineType: a2-highgpu-1g, acceleratorType: NVIDIA_TESLA_T4", "of another type"),
        ("MLv1", "machineType: g2-standard-8, acceleratorType: NVIDIA_L4", "NVIDIA_L4"),
    ],
)
def test_machines_that_a_service_has_not_are_told_of_their_placement(
    service: str, placement: str, said: str
) -> None:
    ladder = f"--set=placements=[{{}}, {{{placement}, acceleratorCount: 1}}]"
    done = planned(LADDER_OF_MACHINES, f"--service={service}", ladder)
    assert done.code == 1
    assert all(line.endswith("(as it is in spec.placements[1])") for line in done.out)
    assert said in " ".join(done.out)


def test_a_placement_is_judged_by_itself() -> None:
    options = ("--service=VertexAI", "--location=us-central1")
    done = planned(LADDER, *options)
    assert done.code == 1
    (line,) = done.out
    assert line.startswith('spec.trainingInput.region: Invalid value: "europe-west4"')
    assert line.endswith("(as it is in spec.placements[1])")
    assert planned(LADDER, *options, "--set=placements=[{region: us-central1}]").code == 0


def test_ml_v1_has_no_kinds_of_capacity() -> None:
    done = planned(LADDER)
    assert done.code == 1
    assert [line.partition(": ")[0] for line in done.out] == [
        "spec.placements[0].strategy",
        "spec.placements[1].strategy",
    ]
    assert planned(LADDER, "--set=placements=[{strategy: STANDARD}, {region: europe-west4}]").code == 0

"""The shipped tables, and an administrator's document that is laid over them."""

import re
from datetime import date
from typing import Any

import pytest

from mljobs.api.inputs import AcceleratorType, ScaleTier
from mljobs.backends.vertex.tables import Tables, TablesError, shipped
from mljobs.domain.spec.rules.machines import CLOUD_TPU, LEGACY
from tests.unit.backends.vertex.schema import PREFIX, schemas

ACCELERATORS = set(schemas()[f"{PREFIX}MachineSpec"]["properties"]["acceleratorType"]["enum"])


def test_every_legacy_machine_and_tier_has_its_own() -> None:
    tables = shipped()
    assert set(tables.machine_types) == set(LEGACY)
    assert set(tables.tiers) == set(ScaleTier) - {ScaleTier.CUSTOM}
    for tier in tables.tiers.values():
        for role in ("master", "worker", "parameterServer", "evaluator"):
            replicas = tier.of(role)
            assert replicas is None or "-" in replicas.type or replicas.type in {*LEGACY, CLOUD_TPU}


def test_accelerators_are_those_of_the_discovery_document() -> None:
    tables = shipped()
    machines = {machine.accelerator_type for machine in tables.machine_types.values()} - {None}
    assert machines <= set(AcceleratorType)
    for kind, substitute in tables.accelerator_substitutes.items():
        assert {kind, substitute.type} <= ACCELERATORS
        assert set(substitute.counts.values()) <= {1, 2, 4}  # what T4 allows
    for machine in tables.machine_types.values():
        found = tables.accelerator_substitutes.get(machine.accelerator_type or "")
        assert found is None or machine.accelerator_count in found.counts


def test_every_image_is_googles_and_has_its_day() -> None:
    for runtimes in shipped().training_images.values():
        for versions in runtimes.values():
            for images in versions.values():
                for image in filter(None, (images.cpu, images.gpu, images.tpu)):
                    assert re.fullmatch(r"us-docker[.]pkg[.]dev/vertex-ai/training/[a-z0-9.-]+:latest", image)
                    assert shipped().lifetime(image)


def test_images_are_not_there_for_ever() -> None:
    """Each ends at most a year after its support; when this no longer holds, the table is wrong somewhere."""
    for name, lifetime in shipped().lifetimes.items():
        assert date(2024, 9, 1) <= lifetime.end_of_availability < date(2027, 2, 1), name
        if lifetime.end_of_support:
            assert (lifetime.end_of_availability - lifetime.end_of_support).days <= 366, name


def test_an_entry_replaces_the_shipped_one_as_a_whole() -> None:
    tables = Tables.parse({"machineTypes": {"standard_gpu": {"machineType": "e2-standard-8"}}})
    assert tables.machine_types["standard_gpu"].document() == {
        "machineType": "e2-standard-8",
        "assumed": False,
    }
    assert tables.machine_types["standard"] == shipped().machine_types["standard"]


def test_null_takes_an_entry_away() -> None:
    assert (
        "NVIDIA_TESLA_P100"
        not in Tables.parse({"acceleratorSubstitutes": {"NVIDIA_TESLA_P100": None}}).accelerator_substitutes
    )
    assert Tables.parse({"models": {"m": None}}) == shipped()


def test_an_image_is_found_by_framework_runtime_python_and_hardware() -> None:
    images = {
        "xgboost": {"1.15": {"3.7": {"cpu": "gcr.io/p/xgb:1"}}},
        "tensorflow": {"2.3": {"3.7": {"gpu": "gcr.io/p/tf:1"}}},
    }
    tables = Tables.parse({"framework": "xgboost", "trainingImages": images})
    assert tables.training_image("1.15", "3.7", "cpu") == "gcr.io/p/xgb:1"
    assert tables.training_image("1.15", "3.7", "gpu") is None
    kept = tables.training_images["tensorflow"]["2.3"]["3.7"]
    assert (kept.cpu, kept.gpu) == ("us-docker.pkg.dev/vertex-ai/training/tf-cpu.2-3:latest", "gcr.io/p/tf:1")


def test_a_lifetime_goes_by_the_name_whatever_the_host() -> None:
    day = date(2026, 7, 11)
    for image in (
        "us-docker.pkg.dev/vertex-ai/training/tf-cpu.2-17.py310:latest",
        "gcr.io/x/tf-cpu.2-17.py310",
    ):
        found = shipped().lifetime(image)
        assert found is not None
        assert found.end_of_availability == day
    assert shipped().lifetime("gcr.io/my-project/trainer:1") is None


@pytest.mark.parametrize(
    ("document", "line"),
    [
        ({"machinetypes": {}}, "machinetypes: Invalid value: 0 fields: there is no such field"),
        ({"framework": ""}, 'framework: Invalid value: "": String should match'),
        ({"framework": None}, "framework: Required value: this field is required"),
        ({"machineTypes": []}, "machineTypes: Invalid value: 0 items: Input should be a valid dictionary"),
        (
            {"machineTypes": {"standard": {"machineType": "n1-standard-8", "cores": 8}}},
            "machineTypes.standard.cores: Invalid value: 8: there is no such field",
        ),
        (
            {"machineTypes": {"standard": {"machineType": "n1-standard-8", "acceleratorType": "NVIDIA_L4"}}},
            "machineTypes.standard: Invalid value: 2 fields: acceleratorType and acceleratorCount",
        ),
        (
            {"acceleratorSubstitutes": {"NVIDIA_TESLA_P4": {"type": "NVIDIA_L4", "counts": {"1": 0}}}},
            "acceleratorSubstitutes.NVIDIA_TESLA_P4.counts.1: Invalid value: 0: Input should be greater",
        ),
        (
            {"models": {"m": {"v1": "projects/p/models/m"}}},
            'models.m.v1: Invalid value: "projects/p/models/m"',
        ),
        (
            {"lifetimes": {"x": {"endOfAvailability": "soon"}}},
            'lifetimes.x.endOfAvailability: Invalid value: "soon"',
        ),
        (
            {"trainingImages": {"tensorflow": {"2.1": {"3.7": {"npu": "a/b"}}}}},
            'trainingImages.tensorflow.2.1.3.7.npu: Invalid value: "a/b": there is no such field',
        ),
    ],
)
def test_a_wrong_document_is_refused_with_field_value_and_rule(document: dict[str, Any], line: str) -> None:
    with pytest.raises(TablesError) as caught:
        Tables.parse(document)
    assert str(caught.value).startswith(line)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(TablesError) as caught:
        Tables.parse({"framework": 5, "models": {"m": 7}})
    assert [problem.path for problem in caught.value.problems] == ["framework", "models.m"]

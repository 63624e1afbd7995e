"""Which accelerators go with which machines."""

from typing import Any

import pytest

from mljobs.backends.vertex.translate.compute import FIXED, N1_COUNTS, is_tpu, wrong
from tests.unit.backends.vertex.schema import PREFIX, schemas


def machine(name: str, kind: str | None = None, count: int | None = None, **more: Any) -> dict[str, Any]:
    accelerators = {"acceleratorType": kind, "acceleratorCount": count}
    return {"machineType": name, **{key: value for key, value in accelerators.items() if value}, **more}


def test_the_words_are_those_of_the_discovery_document() -> None:
    words = set(schemas()[f"{PREFIX}MachineSpec"]["properties"]["acceleratorType"]["enum"])
    assert {kind for kind, _ in FIXED.values()} | N1_COUNTS.keys() <= words


@pytest.mark.parametrize(
    "spec",
    [
        machine("e2-standard-4"),
        machine("n1-standard-8"),
        machine("n1-standard-8", "NVIDIA_TESLA_T4", 1),
        machine("n1-standard-16", "NVIDIA_TESLA_V100", 2),
        machine("n1-standard-16", "NVIDIA_TESLA_T4", 1),
        machine("n1-highmem-32", "NVIDIA_TESLA_V100", 4),
        machine("n1-highcpu-96", "NVIDIA_TESLA_V100", 8),
        machine("g2-standard-24", "NVIDIA_L4", 2),
        machine("g2-standard-12", "NVIDIA_L4", 1),
        machine("g4-standard-384", "NVIDIA_RTX_PRO_6000", 8),
        machine("a4x-highgpu-4g", "NVIDIA_GB200", 4),
        machine("cloud-tpu", "TPU_V2", 8),
        machine("cloud-tpu", "TPU_V3", 64),
        machine("ct5lp-hightpu-4t", tpuTopology="2x2"),
        machine("b9-new-family-8", "NVIDIA_NEW", 3),
        {},
    ],
)
def test_what_fits_is_not_judged(spec: dict[str, Any]) -> None:
    assert list(wrong(spec)) == []


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        (machine("n1-standard-8", "NVIDIA_TESLA_T4"), "go together"),
        (machine("n1-standard-8", None, 1), "go together"),
        (machine("c2-standard-8", "NVIDIA_TESLA_T4", 1), "no accelerators"),
        (machine("g2-standard-8"), "1 NVIDIA_L4"),
        (machine("g2-standard-24", "NVIDIA_L4", 1), "2 NVIDIA_L4"),
        (machine("a2-highgpu-1g", "NVIDIA_A100_80GB", 1), "1 NVIDIA_TESLA_A100"),
        (machine("n1-standard-8", "NVIDIA_L4", 1), "can have"),
        (machine("n1-standard-8", "NVIDIA_TESLA_T4", 8), "1, 2, 4"),
        (machine("n1-standard-16", "NVIDIA_TESLA_V100", 1), "at least 2"),
        (machine("n1-standard-32", "NVIDIA_TESLA_T4", 1), "at least 2"),
        (machine("n1-standard-64", "NVIDIA_TESLA_V100", 4), "at least 8"),
        (machine("cloud-tpu", "TPU_V2", 16), "8 cores"),
        (machine("cloud-tpu", "TPU_V4_POD", 32), "TPU_V2 or TPU_V3"),
    ],
)
def test_what_does_not_fit_is_said_once(spec: dict[str, Any], why: str) -> None:
    (said,) = wrong(spec)
    assert why in said


@pytest.mark.parametrize(
    ("name", "expected"),
    [("cloud-tpu", True), ("ct6e-standard-8t", True), ("tpu7x-standard-4t", True), ("n1-standard-4", False)],
)
def test_tpu_machines_are_told_by_name(name: str, expected: bool) -> None:
    assert is_tpu({"machineType": name}) is expected

"""Which machine may have which accelerators in training (documentation of compute resources)."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

A100, A100_80GB = "NVIDIA_TESLA_A100", "NVIDIA_A100_80GB"
H100, L4, RTX = "NVIDIA_H100_80GB", "NVIDIA_L4", "NVIDIA_RTX_PRO_6000"
T4, P4, P100, V100 = "NVIDIA_TESLA_T4", "NVIDIA_TESLA_P4", "NVIDIA_TESLA_P100", "NVIDIA_TESLA_V100"

FIXED: Mapping[str, tuple[str, int]] = {
    **{f"a2-highgpu-{count}g": (A100, count) for count in (1, 2, 4, 8)},
    "a2-megagpu-16g": (A100, 16),
    **{f"a2-ultragpu-{count}g": (A100_80GB, count) for count in (1, 2, 4, 8)},
    **{f"a3-highgpu-{count}g": (H100, count) for count in (1, 2, 4, 8)},
    "a3-megagpu-8g": ("NVIDIA_H100_MEGA_80GB", 8),
    "a3-ultragpu-8g": ("NVIDIA_H200_141GB", 8),
    "a4-highgpu-8g": ("NVIDIA_B200", 8),
    "a4x-highgpu-4g": ("NVIDIA_GB200", 4),
    **{f"g2-standard-{size}": (L4, 1) for size in (4, 8, 12, 16, 32)},
    "g2-standard-24": (L4, 2),
    "g2-standard-48": (L4, 4),
    "g2-standard-96": (L4, 8),
    **{f"g4-standard-{48 * count}": (RTX, count) for count in (1, 2, 4, 8)},
}
"""Machines that come with accelerators: their type and number."""

N1_COUNTS: Mapping[str, tuple[int, ...]] = {T4: (1, 2, 4), P4: (1, 2, 4), P100: (1, 2, 4), V100: (1, 2, 4, 8)}
"""How many accelerators an N1 machine may have."""

N1_LEAST: Mapping[int, Mapping[str, int]] = {
    16: {V100: 2},
    32: {V100: 4, T4: 2, P4: 2, P100: 2},
    64: {V100: 8, T4: 4, P4: 4, P100: 4},
    96: {V100: 8, T4: 4, P4: 4, P100: 4},
}
"""The fewest accelerators of an N1 machine with so many CPUs, by type."""

TPU_MACHINES = ("cloud-tpu", "ct5lp-hightpu-", "ct6e-standard-", "tpu7x-standard-")
FLEX_START = frozenset(
    {L4, A100, A100_80GB, H100, "NVIDIA_H100_MEGA_80GB", "NVIDIA_H200_141GB", "NVIDIA_B200"}
)
"""Accelerators that FLEX_START offers."""

_PLAIN = re.compile(r"(e2|n2|n4|c2|m1)-[a-z]+-\d+")
_N1 = re.compile(r"n1-(standard|highmem|highcpu)-(\d+)")
_NO_SUCH_N1 = ("n1-highcpu-2", "n1-highcpu-4", "n1-highcpu-8")

Problem = tuple[str, str]
"""The field of a MachineSpec, in snake_case, and what is wrong with it."""


def is_tpu(machine: Mapping[str, Any]) -> bool:
    """Whether a MachineSpec is a TPU's."""
    return str(machine.get("machineType", "")).startswith(TPU_MACHINES)


def machine_problems(machine: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with a MachineSpec of a training job."""
    name = machine.get("machineType", "")
    kind = machine.get("acceleratorType", "ACCELERATOR_TYPE_UNSPECIFIED")
    count = machine.get("acceleratorCount", 0)
    named = kind != "ACCELERATOR_TYPE_UNSPECIFIED"
    if named != (count > 0):
        text = "Both `accelerator_type` and `accelerator_count` should be specified or none."
        yield "accelerator_type", text
        return
    if is_tpu(machine):
        yield from _tpu(name, kind if named else "", count)
    elif name in FIXED:
        if (kind, count) != FIXED[name]:
            wanted = f"{FIXED[name][1]} of {FIXED[name][0]}"
            yield "accelerator_type", f"The machine type `{name}` should have {wanted}."
    elif _PLAIN.fullmatch(name):
        if named:
            yield "accelerator_type", f"The machine type `{name}` does not support accelerators."
    elif _N1.fullmatch(name) and name not in _NO_SUCH_N1:
        yield from _n1(name, kind if named else "", count)
    else:
        yield "machine_type", f"Machine type `{name}` is not supported."


def _n1(name: str, kind: str, count: int) -> Iterator[Problem]:
    if not kind:
        return
    if kind not in N1_COUNTS:
        yield "accelerator_type", f"The machine type `{name}` does not support `{kind}`."
    elif count not in N1_COUNTS[kind]:
        allowed = ", ".join(map(str, N1_COUNTS[kind]))
        yield "accelerator_count", f"The accelerator count {count} of `{kind}` should be one of {allowed}."
    else:
        match = _N1.fullmatch(name)
        least = N1_LEAST.get(int(match[2]) if match else 0, {}).get(kind, 1)
        if count < least:
            yield "accelerator_count", f"The machine type `{name}` should have at least {least} of `{kind}`."


def _tpu(name: str, kind: str, count: int) -> Iterator[Problem]:
    if not name.startswith("cloud-tpu"):
        if kind:
            yield "accelerator_type", f"The machine type `{name}` should have no accelerator type."
    elif kind not in ("TPU_V2", "TPU_V3"):
        yield "accelerator_type", f"The machine type `{name}` should have TPU_V2 or TPU_V3."
    elif count != 8 and (count < 32 or count % 8):
        yield "accelerator_count", f"The accelerator count {count} should be 8, or 32 and more."

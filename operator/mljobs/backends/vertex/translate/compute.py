"""Which accelerators go with which machines (documentation of compute resources for custom training)."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

PLAIN = ("e2", "n2", "n4", "c2", "m1")
"""Families without accelerators."""

N1_COUNTS = {
    "NVIDIA_TESLA_K80": (1, 2, 4, 8),
    "NVIDIA_TESLA_P4": (1, 2, 4),
    "NVIDIA_TESLA_P100": (1, 2, 4),
    "NVIDIA_TESLA_T4": (1, 2, 4),
    "NVIDIA_TESLA_V100": (1, 2, 4, 8),
}
"""What machines of family n1 may have, and how many."""

N1_LEAST = ((64, 4, 8), (32, 2, 4), (16, 1, 2))
"""From so many CPUs on, the least number of accelerators, and of V100."""

FIXED = {
    **{f"a2-highgpu-{count}g": ("NVIDIA_TESLA_A100", count) for count in (1, 2, 4, 8)},
    "a2-megagpu-16g": ("NVIDIA_TESLA_A100", 16),
    **{f"a2-ultragpu-{count}g": ("NVIDIA_A100_80GB", count) for count in (1, 2, 4, 8)},
    **{f"a3-highgpu-{count}g": ("NVIDIA_H100_80GB", count) for count in (1, 2, 4, 8)},
    "a3-megagpu-8g": ("NVIDIA_H100_MEGA_80GB", 8),
    "a3-ultragpu-8g": ("NVIDIA_H200_141GB", 8),
    "a4-highgpu-8g": ("NVIDIA_B200", 8),
    "a4x-highgpu-4g": ("NVIDIA_GB200", 4),
    **{f"g2-standard-{cpus}": ("NVIDIA_L4", 1) for cpus in (4, 8, 12, 16, 32)},
    "g2-standard-24": ("NVIDIA_L4", 2),
    "g2-standard-48": ("NVIDIA_L4", 4),
    "g2-standard-96": ("NVIDIA_L4", 8),
    **{f"g4-standard-{48 * count}": ("NVIDIA_RTX_PRO_6000", count) for count in (1, 2, 4, 8)},
}
"""Machines that have accelerators built in, all of which are to be named."""

CLOUD_TPU = "cloud-tpu"
TPU_CORES = 8
POD_CORES = 32
TPU_MACHINE = re.compile(r"cloud-tpu|ct5lp-hightpu-.+|ct6e-standard-.+|tpu7x-standard-.+")

_N1 = re.compile(r"n1-[a-z]+-([0-9]+)")


def wrong(machine: Mapping[str, Any]) -> Iterator[str]:
    """Say what is wrong with the accelerators of a `machineSpec`; of unknown machines nothing."""
    name, kind = str(machine.get("machineType") or ""), str(machine.get("acceleratorType") or "")
    count = int(machine.get("acceleratorCount") or 0)
    if bool(kind) != bool(count):
        yield "acceleratorType and acceleratorCount go together"
    elif name.partition("-")[0] in PLAIN:
        if kind:
            yield f"{name} has no accelerators"
    elif name in FIXED:
        if (kind, count) != FIXED[name]:
            yield f"{name} has {FIXED[name][1]} {FIXED[name][0]}, neither more nor fewer nor others"
    elif name == CLOUD_TPU:
        if kind not in ("TPU_V2", "TPU_V3") or not (count == TPU_CORES or count >= POD_CORES):
            yield f"{name} has {TPU_CORES} cores of TPU_V2 or TPU_V3, or {POD_CORES} and more"
    elif kind and (match := _N1.fullmatch(name)):
        yield from _wrong_n1(name, int(match[1]), kind, count)


def is_tpu(machine: Mapping[str, Any]) -> bool:
    """Whether a `machineSpec` is one of a TPU."""
    return TPU_MACHINE.fullmatch(str(machine.get("machineType") or "")) is not None


def _wrong_n1(name: str, cpus: int, kind: str, count: int) -> Iterator[str]:
    counts = N1_COUNTS.get(kind)
    if counts is None:
        yield f"{name} can have {', '.join(N1_COUNTS)} only"
        return
    if count not in counts:
        yield f"{name} can have {', '.join(map(str, counts))} {kind}"
    for from_cpus, least, least_v100 in N1_LEAST:
        needed = least_v100 if kind == "NVIDIA_TESLA_V100" else least
        if cpus >= from_cpus:
            if count < needed:
                yield f"{name} needs at least {needed} {kind}"
            return

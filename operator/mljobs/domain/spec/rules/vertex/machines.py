"""Rules for a MachineSpec: type, accelerators, TPUs, reservations.

Source, where it is not the discovery document: the tables of machine types that custom training has.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mljobs.api.field_error import FieldErrorType
from mljobs.domain.spec.problems import Severity, Source
from mljobs.domain.spec.rules.machines import COMPUTE_ENGINE
from mljobs.domain.spec.rules.rule import Rule
from mljobs.domain.spec.rules.terms import (
    Term,
    all_of,
    any_of,
    at_least,
    filled,
    fits,
    get,
    given,
    integer,
    is_one_of,
    reads,
)
from mljobs.domain.spec.rules.vertex.making import (
    BATCH,
    POOLS,
    PREDICTION,
    TRAINING,
    exceeds,
    forbidden,
    is_number,
)

FIXED: Mapping[str, tuple[str, int]] = {
    **{f"a2-highgpu-{count}g": ("NVIDIA_TESLA_A100", count) for count in (1, 2, 4, 8)},
    "a2-megagpu-16g": ("NVIDIA_TESLA_A100", 16),
    **{f"a2-ultragpu-{count}g": ("NVIDIA_A100_80GB", count) for count in (1, 2, 4, 8)},
    **{f"a3-highgpu-{count}g": ("NVIDIA_H100_80GB", count) for count in (1, 2, 4, 8)},
    "a3-megagpu-8g": ("NVIDIA_H100_MEGA_80GB", 8),
    "a3-ultragpu-8g": ("NVIDIA_H200_141GB", 8),
    "a4-highgpu-8g": ("NVIDIA_B200", 8),
    "a4x-highgpu-4g": ("NVIDIA_GB200", 4),
    **{f"g2-standard-{cpus}": ("NVIDIA_L4", 1) for cpus in (4, 8, 12, 16, 32)},
    **{f"g2-standard-{cpus}": ("NVIDIA_L4", count) for cpus, count in ((24, 2), (48, 4), (96, 8))},
    **{f"g4-standard-{48 * count}": ("NVIDIA_RTX_PRO_6000", count) for count in (1, 2, 4, 8)},
}
"""Machine types that come with accelerators: of which type, and how many."""

UNSPECIFIED = "ACCELERATOR_TYPE_UNSPECIFIED"
CLOUD_TPU = "cloud-tpu"
TPU_MACHINE = r"(ct5lp-hightpu|ct6e-standard|tpu7x-standard)-[0-9]+t"
"""TPUs that are said by the machine type and the topology."""

TPU_COUNT = 8
TPU_POD = 32
"""Cores: so many make a TPU a pod."""

V100 = "NVIDIA_TESLA_V100"
SMALL = ("NVIDIA_TESLA_P4", "NVIDIA_TESLA_P100", "NVIDIA_TESLA_T4")
"""What an N1 machine may have, 1, 2 or 4 of them."""

OLD = ("NVIDIA_TESLA_K80", "NVIDIA_TESLA_P100")

RESERVATION_KEY = "compute.googleapis.com/reservation-name"

NAMED = given("machineType")
TYPED = given("acceleratorType") & ~is_one_of("acceleratorType", UNSPECIFIED)
COUNTED = exceeds("acceleratorCount", 1)
N1 = reads("machineType", r"n1-.+")


@dataclass(frozen=True)
class _Place:
    """Where machines are described.

    Attributes:
        id: the first part of its rules' names.
        scope: of the MachineSpec.
        kinds: that have it.
    """

    id: str
    scope: str
    kinds: frozenset[str]


_POOL = _Place("pool", f"{POOLS}[].machineSpec", TRAINING)
_BATCH = _Place("batch", f"{BATCH}.dedicatedResources.machineSpec", PREDICTION)


def _fixed_type() -> Term:
    def test(node: object) -> bool:
        fixed = FIXED.get(str(get(node, "machineType")))
        return fixed is None or not TYPED.test(node) or get(node, "acceleratorType") == fixed[0]

    types = {machine: kind for machine, (kind, _) in FIXED.items()}
    said = (
        f"[{types}].all(fixed, !(self.machineType in fixed) || "
        "fixed[self.machineType] == self.acceleratorType)"
    )
    there = NAMED & TYPED
    return Term(test, f"!({there.cel}) || {said}", there.uses)


def _fixed_count() -> Term:
    def test(node: object) -> bool:
        fixed = FIXED.get(str(get(node, "machineType")))
        count = integer(get(node, "acceleratorCount"))
        return fixed is None or not count or count < 0 or count == fixed[1]

    counts = {machine: count for machine, (_, count) in FIXED.items()}
    said = (
        f"[{counts}].all(fixed, !(self.machineType in fixed) || "
        "fixed[self.machineType] == int(self.acceleratorCount))"
    )
    there = NAMED & COUNTED
    return Term(test, f"!({there.cel}) || {said}", there.uses)


def _least(pattern: str, kinds: tuple[str, ...], least: int) -> Term:
    few = reads("machineType", pattern) & is_one_of("acceleratorType", *kinds) & COUNTED
    return few.implies(at_least(least, "acceleratorCount"))


_N1_LEAST = all_of(
    _least(r"n1-[a-z]+-16", (V100,), 2),
    _least(r"n1-[a-z]+-32", (V100,), 4),
    _least(r"n1-[a-z]+-32", SMALL, 2),
    _least(r"n1-[a-z]+-(64|96)", (V100,), 8),
    _least(r"n1-[a-z]+-(64|96)", SMALL, 4),
)


def _accelerated(place: _Place) -> Iterator[Rule]:
    yield Rule(
        f"{place.id}-machine-type",
        f"{place.scope}.machineType",
        fits(rf"{COMPUTE_ENGINE}"),
        "a machine type is one of Compute Engine, such as n1-standard-8, or cloud-tpu",
        Source.DISCOVERY,
        kinds=place.kinds,
    )
    yield Rule(
        f"{place.id}-accelerator-type-missing",
        place.scope,
        (NAMED & COUNTED).implies(TYPED),
        "acceleratorType and acceleratorCount go together",
        Source.RECORDED,
        field="acceleratorType",
        error_type=FieldErrorType.REQUIRED,
        kinds=place.kinds,
    )
    yield Rule(
        f"{place.id}-accelerator-count-missing",
        place.scope,
        (NAMED & TYPED).implies(COUNTED),
        "acceleratorType and acceleratorCount go together",
        Source.RECORDED,
        field="acceleratorCount",
        error_type=FieldErrorType.REQUIRED,
        kinds=place.kinds,
    )
    yield Rule(
        f"{place.id}-accelerator-count-negative",
        f"{place.scope}.acceleratorCount",
        at_least(0),
        "a number of accelerators is not negative",
        Source.DISCOVERY,
        kinds=place.kinds,
    )
    yield Rule(
        f"{place.id}-accelerator-fixed",
        place.scope,
        _fixed_type(),
        "this machine type comes with accelerators of another type",
        Source.DOCUMENTATION,
        field="acceleratorType",
        kinds=place.kinds,
    )
    yield forbidden(
        f"{place.id}-accelerator-none",
        place.scope,
        reads("machineType", r"(e2|n2|n4|c2|m1)-.+").implies(~TYPED),
        "machines of the families E2, N2, N4, C2 and M1 have no accelerators",
        source=Source.DOCUMENTATION,
        field="acceleratorType",
        kinds=place.kinds,
    )
    yield Rule(
        f"{place.id}-accelerator-n1",
        place.scope,
        (N1 & TYPED).implies(is_one_of("acceleratorType", *SMALL, V100, OLD[0])),
        "an N1 machine has P4, P100, T4 or V100 GPUs",
        Source.DOCUMENTATION,
        field="acceleratorType",
        kinds=place.kinds,
    )
    yield Rule(
        f"{place.id}-accelerator-n1-count",
        place.scope,
        all_of(
            (N1 & COUNTED & is_one_of("acceleratorType", *SMALL)).implies(
                is_number("acceleratorCount", 1, 2, 4)
            ),
            (N1 & COUNTED & is_one_of("acceleratorType", V100)).implies(
                is_number("acceleratorCount", 1, 2, 4, 8)
            ),
        ),
        "an N1 machine has 1, 2 or 4 GPUs, or 8 of type V100",
        Source.DOCUMENTATION,
        field="acceleratorCount",
        kinds=place.kinds,
    )
    yield Rule(
        f"{place.id}-accelerator-n1-least",
        place.scope,
        _N1_LEAST,
        "a large N1 machine has more GPUs: with 16 CPUs 2 V100, with 32 CPUs 2 or 4 V100, above 4 or 8 V100",
        Source.DOCUMENTATION,
        field="acceleratorCount",
        kinds=place.kinds,
    )
    yield Rule(
        f"{place.id}-accelerator-old",
        place.scope,
        ~is_one_of("acceleratorType", *OLD),
        "K80 GPUs are gone, and support for P100 has ended on 2026-09-15",
        Source.DOCUMENTATION,
        field="acceleratorType",
        severity=Severity.WARNING,
        kinds=place.kinds,
    )


def _tpus(place: _Place) -> Iterator[Rule]:
    tpu = reads("machineType", TPU_MACHINE)
    cloud = is_one_of("machineType", CLOUD_TPU)
    yield forbidden(
        f"{place.id}-tpu-accelerator",
        place.scope,
        tpu.implies(~TYPED),
        "the machine type says which TPU it is: acceleratorType is left out",
        source=Source.DOCUMENTATION,
        field="acceleratorType",
        kinds=place.kinds,
    )
    yield Rule(
        f"{place.id}-tpu-topology-required",
        place.scope,
        tpu.implies(given("tpuTopology")),
        "this TPU needs its topology",
        Source.DOCUMENTATION,
        field="tpuTopology",
        error_type=FieldErrorType.REQUIRED,
        kinds=place.kinds,
    )
    yield Rule(
        f"{place.id}-tpu-topology",
        f"{place.scope}.tpuTopology",
        fits(r"[0-9]+x[0-9]+(x[0-9]+)?"),
        "a topology is two or three numbers, such as 2x2 or 2x2x1",
        Source.DISCOVERY,
        kinds=place.kinds,
    )
    yield Rule(
        f"{place.id}-cloud-tpu-type",
        place.scope,
        cloud.implies(is_one_of("acceleratorType", "TPU_V2", "TPU_V3")),
        "cloud-tpu needs the acceleratorType TPU_V2 or TPU_V3",
        Source.DOCUMENTATION,
        field="acceleratorType",
        kinds=place.kinds,
    )
    yield Rule(
        f"{place.id}-cloud-tpu-count",
        place.scope,
        (cloud & COUNTED).implies(
            any_of(is_number("acceleratorCount", TPU_COUNT), exceeds("acceleratorCount", TPU_POD))
        ),
        f"a cloud-tpu has {TPU_COUNT} cores, or {TPU_POD} and more as a pod",
        Source.DOCUMENTATION,
        field="acceleratorCount",
        kinds=place.kinds,
    )


def _reserved(place: _Place) -> Iterator[Rule]:
    scope = f"{place.scope}.reservationAffinity"
    specific = is_one_of("reservationAffinityType", "SPECIFIC_RESERVATION")
    yield Rule(
        f"{place.id}-reservation-type",
        scope,
        given("reservationAffinityType") & ~is_one_of("reservationAffinityType", "TYPE_UNSPECIFIED"),
        "a reservationAffinity needs its type",
        Source.DISCOVERY,
        field="reservationAffinityType",
        error_type=FieldErrorType.REQUIRED,
        kinds=place.kinds,
    )
    for field, there in (("key", given("key")), ("values", filled("values"))):
        yield Rule(
            f"{place.id}-reservation-{field}-required",
            scope,
            specific.implies(there),
            f"SPECIFIC_RESERVATION needs the key {RESERVATION_KEY}, and the reservations as values",
            Source.DISCOVERY,
            field=field,
            error_type=FieldErrorType.REQUIRED,
            kinds=place.kinds,
        )
        yield forbidden(
            f"{place.id}-reservation-{field}-unused",
            scope,
            there.implies(specific),
            "key and values are for SPECIFIC_RESERVATION",
            field=field,
            kinds=place.kinds,
        )
    yield Rule(
        f"{place.id}-reservation-key",
        scope,
        given("key").implies(is_one_of("key", RESERVATION_KEY)),
        f"reservations are found by the key {RESERVATION_KEY}",
        Source.DISCOVERY,
        field="key",
        severity=Severity.WARNING,
        kinds=place.kinds,
    )
    yield Rule(
        f"{place.id}-reservation-value",
        f"{scope}.values[]",
        fits(r"projects/[^/]+/zones/[^/]+/reservations/.+"),
        "a reservation is projects/PROJECT/zones/ZONE/reservations/NAME",
        Source.DISCOVERY,
        kinds=place.kinds,
    )


def _of(place: _Place) -> Iterator[Rule]:
    yield from _accelerated(place)
    yield from _tpus(place)
    yield from _reserved(place)


RULES = (
    *_of(_POOL),
    Rule(
        "pool-accelerator-fixed-count",
        _POOL.scope,
        _fixed_count(),
        "this machine type comes with another number of accelerators",
        Source.DOCUMENTATION,
        field="acceleratorCount",
        kinds=TRAINING,
    ),
    *_of(_BATCH),
)
"""The rules of this module."""

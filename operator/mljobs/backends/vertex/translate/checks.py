"""Checks what only the whole of translation and overlay can break, before any call."""

from collections.abc import Mapping, Sequence
from typing import Any

from mljobs.backends.vertex.translate import compute
from mljobs.backends.vertex.translate.notes import Notes
from mljobs.backends.vertex.translate.pools import CUSTOM, POOLS
from mljobs.domain.spec.problems import MISSING, Source
from mljobs.domain.spec.rules.machines import ROLES

Json = Mapping[str, Any]

ARGUMENT_CHARACTERS = 100_000
"""Characters that all arguments of a job may have together (documentation of quotas)."""


def check(job_spec: Json, training: Json | None, over: Json, notes: Notes) -> None:
    """Check a CustomJobSpec.

    Args:
        job_spec: as it is to be sent.
        training: the TrainingInput that it was made from, if there is one.
        over: the `jobSpec` that was laid over it.
        notes: takes what is refused.
    """
    pools = job_spec["workerPoolSpecs"]
    for number, pool in enumerate(pools):
        _check_program(pool, f"{POOLS}[{number}]", notes)
        _check_machine(pool, number, training, over, notes)
    _check_tpu(pools, notes)
    length = sum(map(len, _arguments(pools)))
    if length > ARGUMENT_CHARACTERS:
        rule = f"all arguments of a job together have at most {ARGUMENT_CHARACTERS} characters on Vertex AI"
        path = "trainingInput.args" if training is not None else POOLS
        notes.refused("vertex-args-length", path, length, rule)


def _check_program(pool: Json, path: str, notes: Notes) -> None:
    if "containerSpec" in pool and "pythonPackageSpec" in pool:
        notes.refused(
            "vertex-program",
            f"{path}.containerSpec",
            pool["containerSpec"],
            "the pool runs a Python package; a container needs its imageUri here, and env of the package "
            "goes into pythonPackageSpec",
            Source.DISCOVERY,
        )


def _check_machine(pool: Json, number: int, training: Json | None, over: Json, notes: Notes) -> None:
    machine = pool.get("machineSpec") or {}
    given = _at(over.get("workerPoolSpecs") or (), number).get("machineSpec")
    for rule in compute.wrong(machine):
        if training is None or given:
            notes.refused("vertex-accelerators", f"{POOLS}[{number}].machineSpec", machine, rule)
        else:
            notes.refused("vertex-accelerators", *_legacy(training, number), rule)


def _legacy(training: Json, number: int) -> tuple[str, Any]:
    """Where a pool's machine comes from, accelerators, type or scale tier, and what stands there."""
    role = ROLES[number]
    accelerators = (training.get(role.config) or {}).get("acceleratorConfig")
    if accelerators:
        return f"trainingInput.{role.config}.acceleratorConfig", accelerators
    field = role.type if training.get("scaleTier") == CUSTOM else "scaleTier"
    return f"trainingInput.{field}", training.get(field, MISSING)


def _check_tpu(pools: Sequence[Json], notes: Notes) -> None:
    for number, pool in enumerate(pools):
        machine = pool.get("machineSpec") or {}
        if compute.is_tpu(machine) and (len(pools) > 1 or str(pool.get("replicaCount") or "1") != "1"):
            rule = "a TPU is the only machine of its job: one pool, one replica"
            notes.refused("vertex-tpu", f"{POOLS}[{number}].machineSpec", machine, rule)


def _arguments(pools: Sequence[Json]) -> list[str]:
    programs = [pool.get(name) or {} for pool in pools for name in ("containerSpec", "pythonPackageSpec")]
    return [argument for program in programs for argument in program.get("args") or ()]


def _at(items: Sequence[Json], index: int) -> Json:
    return items[index] if index < len(items) else {}

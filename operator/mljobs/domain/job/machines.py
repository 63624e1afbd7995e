"""The machine that a placement names, in the spec of a job: in its input, or in the `vertex` block.

The master and the workers are on it, which are what trains; parameter servers, reducers and evaluators stay
on theirs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mljobs.api.resources import TRAINING_JOB
from mljobs.domain.spec.rules.terms import integer

Spec = Mapping[str, Any]

ROLES = ("master", "worker")
"""What trains, in the order of worker pools."""


@dataclass(frozen=True)
class Machine:
    """A machine with its accelerators; what is empty is as the spec says.

    Attributes:
        type: of Compute Engine. One that is named has no other accelerators than those named here.
        accelerator: the type of its accelerators.
        count: how many it has.
    """

    type: str = ""
    accelerator: str = ""
    count: int = 0

    @property
    def named(self) -> bool:
        """Whether it says anything."""
        return bool(self.type or self.accelerator)

    @property
    def words(self) -> Sequence[str]:
        """The type, and `2 NVIDIA_TESLA_T4`, as far as they are named."""
        return [word for word in (self.type, self.accelerator and f"{self.count} {self.accelerator}") if word]

    def spec_over(self, given: Spec) -> dict[str, Any]:
        """A `MachineSpec` of Vertex AI on this machine, in place of a given one."""
        made: dict[str, Any] = {"machineType": self.type} if self.type else dict(given)
        if self.accelerator:
            made |= {"acceleratorType": self.accelerator, "acceleratorCount": self.count}
        return made


NO_MACHINE = Machine()
"""What a placement names that leaves the machines as they are."""


def on_input(kind: str, spec: Spec, machine: Machine) -> Spec:
    """A spec whose `trainingInput` is on a machine; a batch prediction chooses none there.

    Args:
        kind: `TrainingJob` or `PredictionJob`.
        spec: unchecked; what is of a wrong type stays as it is.
        machine: that is named.
    """
    given = spec.get("trainingInput")
    if kind != TRAINING_JOB.name or not isinstance(given, Mapping):
        return spec
    made = dict(given)
    for role in ROLES[: _roles(given, ())]:
        if machine.type:
            made[f"{role}Type"] = machine.type
        config = _accelerated(made.pop(f"{role}Config", {}), machine)
        made |= {f"{role}Config": config} if config else {}
    return {**spec, "trainingInput": made}


def _accelerated(config: Any, machine: Machine) -> Any:
    """A ReplicaConfig with the accelerators of a machine, and no others."""
    if not isinstance(config, Mapping):
        return config
    made = {key: value for key, value in config.items() if key != "acceleratorConfig"}
    if machine.accelerator:
        made["acceleratorConfig"] = {"type": machine.accelerator, "count": machine.count}
    return made


def on_vertex(kind: str, spec: Spec, machine: Machine) -> Spec:
    """A spec whose `vertex` block, which is laid over the input, is on a machine; see `on_input`."""
    block = spec.get("vertex", {})
    name = "jobSpec" if kind == TRAINING_JOB.name else "batchPredictionJob"
    job = block.get(name, {}) if isinstance(block, Mapping) else None
    if not isinstance(job, Mapping):
        return spec
    if kind == TRAINING_JOB.name:
        pools = job.get("workerPoolSpecs", ())
        if not isinstance(pools, list | tuple):
            return spec
        placed: dict[str, Any] = {"workerPoolSpecs": _pools(spec, pools, machine)}
    else:
        placed = {"dedicatedResources": _with_machine(job.get("dedicatedResources"), machine)}
    return {**spec, "vertex": {**block, name: {**job, **placed}}}


def _pools(spec: Spec, pools: Sequence[Any], machine: Machine) -> list[Any]:
    given = spec.get("trainingInput")
    count = _roles(given if isinstance(given, Mapping) else {}, pools)
    under = [*pools, *({} for _ in range(count - len(pools)))]
    return [_with_machine(pool, machine) if number < count else pool for number, pool in enumerate(under)]


def _with_machine(holder: Any, machine: Machine) -> Any:
    """A worker pool, or the resources of a batch prediction, on a machine."""
    if holder is not None and not isinstance(holder, Mapping):
        return holder
    given = (holder or {}).get("machineSpec", {})
    if not isinstance(given, Mapping):
        return holder
    return {**(holder or {}), "machineSpec": machine.spec_over(given)}


def _roles(given: Spec, pools: Sequence[Any]) -> int:
    """How many of the roles the job has: the master, and workers where the input or the block has some."""
    counted = (integer(given.get("workerCount")) or 0) > 0
    return len(ROLES) if counted or (len(pools) > 1 and pools[1]) else 1

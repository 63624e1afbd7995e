"""The roles of a training job as worker pools: machines, programs, numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mljobs.backends.vertex.tables import Tables
from mljobs.backends.vertex.translate.machines import Machines
from mljobs.backends.vertex.translate.notes import Notes
from mljobs.domain.spec.problems import MISSING, Source
from mljobs.domain.spec.rules.machines import CLOUD_TPU, ROLES, Role
from mljobs.domain.spec.rules.terms import integer

Json = dict[str, Any]
Overlay = Sequence[Mapping[str, Any]]

POOLS = "vertex.jobSpec.workerPoolSpecs"
CUSTOM = "CUSTOM"
BASIC = "BASIC"


@dataclass(frozen=True)
class Place:
    """A role that has replicas.

    Attributes:
        role: what they do.
        number: of the role's pool, counted from 0.
        type: their legacy machine type or that of Compute Engine.
        count: how many there are.
        path: where the type was found, below `spec`.
        shown: what stands there.
    """

    role: Role
    number: int
    type: str
    count: int
    path: str
    shown: Any


class Pools:
    """Makes the worker pools of a TrainingInput.

    Args:
        training: the TrainingInput.
        overlay: `spec.vertex.jobSpec.workerPoolSpecs`, which is laid over the result later: what it replaces
            is not looked at here.
        tables: the administrator's.
        notes: takes what is changed, lost or refused.
    """

    def __init__(self, training: Mapping[str, Any], overlay: Overlay, tables: Tables, notes: Notes) -> None:
        self._training = training
        self._overlay = overlay
        self._tables = tables
        self._notes = notes
        self._master_image = str(self._config(ROLES[0]).get("imageUri") or "")

    def made(self) -> list[Json]:
        """The pools: master, workers, parameter servers, evaluators; a skipped one is empty."""
        for role in ROLES:
            if self._config(role).get("tpuTfVersion"):
                self._notes.field(
                    f"trainingInput.{role.config}.tpuTfVersion", self._config(role)["tpuTfVersion"]
                )
        places = self._places()
        if any(place.type == CLOUD_TPU for place in places):
            return self._on_tpu(places)
        self._note_unused(places)
        pools: list[Json] = [{} for _ in range(max(place.number for place in places) + 1)]
        for place in places:
            pools[place.number] = self._pool(place)
        return pools

    # --- which roles there are

    def _places(self) -> list[Place]:
        tier = self._training.get("scaleTier") or BASIC
        if tier == CUSTOM:
            return [place for number, role in enumerate(ROLES) if (place := self._custom(number, role))]
        roles = self._tables.tiers.get(tier)
        if roles is None:
            self._notes.refused(
                "vertex-scale-tier",
                "trainingInput.scaleTier",
                tier,
                "the administrator's tables have no machines for this tier",
                Source.OPERATOR,
            )
            return [Place(ROLES[0], 0, "", 1, "trainingInput.scaleTier", tier)]
        shown = self._training.get("scaleTier", MISSING)
        return [
            Place(role, number, found.type, found.count, "trainingInput.scaleTier", shown)
            for number, role in enumerate(ROLES)
            if (found := roles.of(role.type.removesuffix("Type")))
        ]

    def _custom(self, number: int, role: Role) -> Place | None:
        count = 1 if role.count is None else integer(self._training.get(role.count)) or 0
        name = str(self._training.get(role.type) or "")
        return Place(role, number, name, count, f"trainingInput.{role.type}", name) if count > 0 else None

    def _note_unused(self, places: Sequence[Place]) -> None:
        used = {place.role for place in places}
        for role in ROLES:
            if role not in used and self._config(role):
                self._unused(role.config, f"there are no replicas of the {role.noun}: it has no effect")
            custom = role in used and self._training.get("scaleTier") == CUSTOM
            if not custom and self._training.get(role.type):
                self._unused(role.type, "it has no effect without scaleTier CUSTOM and a number of replicas")
        if self._master_image:
            for field in ("packageUris", "pythonModule"):
                if self._training.get(field):
                    self._unused(field, "with a custom image it has no effect")

    def _unused(self, field: str, rule: str) -> None:
        path = f"trainingInput.{field}"
        self._notes.changed(
            "vertex-unused", path, self._training[field], f"{rule}, and is left out", Source.DISCOVERY
        )

    # --- one pool

    def _pool(self, place: Place) -> Json:
        config = self._config(place.role)
        machines = self._machines(place)
        pool: Json = {}
        over = self._machine_over(place.number)
        if not over.get("machineType"):
            own = None if over.get("acceleratorType") else config
            pool["machineSpec"] = machines.machine(place.type, place.shown, own)
        pool["replicaCount"] = str(place.count)
        disk = machines.disk(config)
        if disk:
            pool["diskSpec"] = disk
        return pool | self._program(place.role)

    def _program(self, role: Role) -> Json:
        config = self._config(role)
        args = list(config.get("containerArgs") or self._training.get("args") or ())
        if self._training.get("jobDir"):
            args.append(f"--job-dir={self._training['jobDir']}")
        tail = {"args": args} if args else {}
        image = config.get("imageUri") or self._master_image
        if image:
            command = list(config.get("containerCommand") or ())
            return {"containerSpec": {"imageUri": image, **({"command": command} if command else {}), **tail}}
        package: Json = {"packageUris": list(self._training.get("packageUris") or ())}
        package["pythonModule"] = self._training.get("pythonModule", "")
        return {"pythonPackageSpec": {**package, **tail}}

    def _machines(self, place: Place) -> Machines:
        config = f"trainingInput.{place.role.config}"
        return Machines(self._tables, self._notes, place.path, config)

    def _config(self, role: Role) -> Mapping[str, Any]:
        return self._training.get(role.config) or {}

    def _machine_over(self, number: int) -> Mapping[str, Any]:
        """The `machineSpec` that the overlay has for a pool."""
        over = self._overlay[number] if number < len(self._overlay) else {}
        return over.get("machineSpec") or {}

    # --- TPUs

    def _on_tpu(self, places: Sequence[Place]) -> list[Json]:
        """One pool with one TPU machine, which is all that Vertex AI allows; the master beside it is lost."""
        place = next(place for place in places if place.type == CLOUD_TPU)
        named = bool(self._machine_over(0).get("machineType"))
        if not named and CLOUD_TPU not in self._tables.machine_types:
            self._notes.refused(
                "vertex-tpu",
                place.path,
                place.shown,
                "on Vertex AI a TPU is the job's only machine, and no master finds it by name; who has a "
                f"program for that names the machine in spec.{POOLS}[0].machineSpec, or the administrator "
                f"does so for all by adding {CLOUD_TPU} to machineTypes",
            )
            return []
        others = [other for other in places if other is not place]
        for other in others:
            if other.role is not ROLES[0]:
                rule = f"a job of Vertex AI with a TPU has no other machines: no {other.role.noun}s"
                self._notes.refused("vertex-tpu", other.path, other.shown, rule)
            else:
                rule = f"a job of Vertex AI with a TPU has no other machines: the {other.type} is left out"
                self._notes.changed("vertex-tpu-alone", other.path, other.shown, rule)
        if place.count != 1:
            rule = "a job of Vertex AI with a TPU has one machine"
            self._notes.refused("vertex-tpu", f"trainingInput.{place.role.count}", place.count, rule)
        if others and self._config(ROLES[0]):
            path = f"trainingInput.{ROLES[0].config}"
            rule = "it is left out but for its image, since the TPU is the job's only machine"
            self._notes.changed("vertex-tpu-alone", path, self._config(ROLES[0]), rule)
        self._note_unused(places)
        config, machines = self._config(place.role), self._machines(place)
        pool: Json = {} if named else {"machineSpec": machines.tpu(config)}
        disk = machines.disk(config)
        return [
            {**pool, "replicaCount": "1", **({"diskSpec": disk} if disk else {}), **self._program(place.role)}
        ]

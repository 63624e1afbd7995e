"""Legacy machines and accelerators as Vertex AI has them, by the tables; each substitution is noted."""

from collections.abc import Mapping
from typing import Any

from mljobs.backends.vertex.tables import Tables
from mljobs.backends.vertex.translate.notes import Notes
from mljobs.domain.spec.problems import Source
from mljobs.domain.spec.rules.machines import LEGACY
from mljobs.domain.spec.rules.terms import integer
from mljobs.domain.spec.rules.vertex.jobs import SMALLEST_DISK
from mljobs.domain.spec.rules.vertex.machines import FIXED

Json = dict[str, Any]

NO_ACCELERATOR = "ACCELERATOR_TYPE_UNSPECIFIED"
TPU_WORDS = {"TPU_V2": "TPU_V2", "TPU_V3": "TPU_V3", "TPU_V2_POD": "TPU_V2", "TPU_V3_POD": "TPU_V3"}
"""Vertex AI's words for legacy TPUs: it tells a pod by the number of its cores."""


class Machines:
    """Makes the `machineSpec` and the `diskSpec` of one pool.

    Args:
        tables: the administrator's.
        notes: takes what is substituted or refused.
        type_path: where the type was found, below `spec`.
        config_path: where the role's ReplicaConfig is, below `spec`.
    """

    def __init__(self, tables: Tables, notes: Notes, type_path: str, config_path: str) -> None:
        self._tables = tables
        self._notes = notes
        self._type_path = type_path
        self._config_path = config_path

    def machine(self, name: str, shown: Any, config: Mapping[str, Any] | None) -> Json:
        """The machine of a legacy type or one of Compute Engine, with its accelerators.

        Args:
            name: the type.
            shown: what the author wrote where the type was found: the type or a scale tier.
            config: the role's ReplicaConfig; None where the overlay has other accelerators.
        """
        known = self._tables.machine_types.get(name)
        if known is None and name in LEGACY:
            self._notes.refused(
                "vertex-machine",
                self._type_path,
                shown,
                f"no machine is known for {name}; name one in spec.vertex.jobSpec.workerPoolSpecs, or have "
                "the administrator add it to machineTypes",
                Source.OPERATOR,
            )
            return {}
        if known and known.assumed:
            self._notes.changed(
                "vertex-machine-assumed",
                self._type_path,
                shown,
                f"the size of {name} was not documented; {known.machine_type} runs in its place, unless "
                "spec.vertex.jobSpec.workerPoolSpecs names another",
                Source.OPERATOR,
            )
        spec: Json = {"machineType": self._existing(known.machine_type if known else name, shown)}
        if config is None:
            return spec
        if known and known.accelerator_type and known.accelerator_count:
            spec |= self._accelerators(
                known.accelerator_type, known.accelerator_count, self._type_path, shown
            )
        spec |= self._own_accelerators(config)
        if "acceleratorType" not in spec and spec["machineType"] in FIXED:
            spec |= self._built_in(spec["machineType"], shown)
        return spec

    def tpu(self, config: Mapping[str, Any]) -> Json:
        """The TPU machine of the table, with the accelerators that the role asks for."""
        known = self._tables.machine_types["cloud_tpu"]
        spec: Json = {"machineType": known.machine_type}
        if known.accelerator_type:
            spec |= {"acceleratorType": known.accelerator_type, "acceleratorCount": known.accelerator_count}
        kind, count = _asked(config)
        if not kind:
            return spec
        return {**spec, "acceleratorType": TPU_WORDS.get(kind, kind), "acceleratorCount": count}

    def disk(self, config: Mapping[str, Any]) -> Json:
        """The boot disk; empty for the service's default."""
        asked = config.get("diskConfig") or {}
        spec = {key: asked[key] for key in ("bootDiskType", "bootDiskSizeGb") if asked.get(key)}
        size = spec.get("bootDiskSizeGb")
        if size and 0 < size < SMALLEST_DISK:
            path = f"{self._config_path}.diskConfig.bootDiskSizeGb"
            rule = f"the least boot disk has {SMALLEST_DISK} GB; it becomes that"
            self._notes.changed("vertex-disk-size", path, size, rule)
            spec["bootDiskSizeGb"] = SMALLEST_DISK
        return spec

    def _existing(self, name: str, shown: Any) -> str:
        substitute = self._tables.machine_substitutes.get(name)
        if substitute is None:
            return name
        rule = f"Vertex AI has no {name}; {substitute} runs in its place"
        self._notes.changed("vertex-machine-substitute", self._type_path, shown, rule)
        return substitute

    def _own_accelerators(self, config: Mapping[str, Any]) -> Json:
        kind, count = _asked(config)
        path = f"{self._config_path}.acceleratorConfig"
        if not kind:
            return {}
        if kind.startswith("TPU_"):
            rule = (
                "a TPU of Vertex AI is a machine of its own; name it in spec.vertex.jobSpec.workerPoolSpecs"
            )
            self._notes.refused("vertex-tpu", f"{path}.type", kind, rule)
            return {}
        return self._accelerators(kind, count, f"{path}.type", kind)

    def _built_in(self, name: str, shown: Any) -> Json:
        kind, count = FIXED[name]
        rule = f"{name} comes with {count} {kind}, which Vertex AI wants named; they are"
        self._notes.changed("vertex-accelerators-built-in", self._type_path, shown, rule)
        return {"acceleratorType": kind, "acceleratorCount": count}

    def _accelerators(self, kind: str, count: int, path: str, shown: Any) -> Json:
        substitute = self._tables.accelerator_substitutes.get(kind)
        if substitute is None:
            return {"acceleratorType": kind, "acceleratorCount": count}
        number = substitute.counts.get(count)
        if number is None:
            self._notes.refused(
                "vertex-accelerator",
                path,
                shown,
                f"nothing is known that can run in place of {count} {kind}; name a machine in "
                "spec.vertex.jobSpec.workerPoolSpecs",
            )
            return {}
        rule = f"Vertex AI has no {kind} any more; {number} {substitute.type} run in place of {count}"
        self._notes.changed("vertex-accelerator-substitute", path, shown, rule)
        return {"acceleratorType": substitute.type, "acceleratorCount": number}


def _asked(config: Mapping[str, Any]) -> tuple[str, int]:
    """Type and number of a role's accelerators; an empty type for none."""
    asked = config.get("acceleratorConfig") or {}
    kind, count = asked.get("type") or NO_ACCELERATOR, integer(asked.get("count")) or 0
    return ("", 0) if kind == NO_ACCELERATOR or count < 1 else (kind, count)

"""Finds the images of Python packages, once it is certain on which hardware they run."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from mljobs.backends.vertex.tables import Tables
from mljobs.backends.vertex.translate.lifetimes import Lifetimes
from mljobs.backends.vertex.translate.notes import Notes
from mljobs.backends.vertex.translate.pools import POOLS
from mljobs.domain.spec.problems import MISSING, Source

Json = dict[str, Any]

RUNTIME = "trainingInput.runtimeVersion"


class Programs:
    """Completes the programs of worker pools on which the overlay lies already.

    Args:
        training: the TrainingInput; None where the whole job is in Vertex AI's words.
        tables: the administrator's.
        notes: takes what is chosen, lost or refused.
        today: see `Lifetimes`.
    """

    def __init__(
        self, training: Mapping[str, Any] | None, tables: Tables, notes: Notes, today: date | None
    ) -> None:
        self._training = training
        self._tables = tables
        self._notes = notes
        self._lifetimes = Lifetimes(tables, notes, today)

    def complete(
        self, pools: Sequence[Mapping[str, Any]], overlay: Sequence[Mapping[str, Any]]
    ) -> list[Json]:
        """Give each Python package its image.

        What the overlay names for the first pool is inherited by those for which it names none, as the
        master's image was on `ml` v1.
        """
        first = _package(overlay[0]).get("executorImageUri") if overlay else None
        return [self._completed(dict(pool), number, first) for number, pool in enumerate(pools)]

    def _completed(self, pool: Json, number: int, inherited: str | None) -> Json:
        package = pool.get("pythonPackageSpec")
        path = f"{POOLS}[{number}]"
        if package is not None:
            named = package.get("executorImageUri") or inherited
            image = named or self._found(pool, f"{path}.pythonPackageSpec.executorImageUri")
            if image:
                pool["pythonPackageSpec"] = {"executorImageUri": image, **package}
                place = f"{path}.pythonPackageSpec.executorImageUri" if named else RUNTIME
                self._lifetimes.note(image, place, image if named else self._runtime)
        elif "containerSpec" in pool:
            self._note_container(pool["containerSpec"].get("imageUri", ""), number)
        return pool

    def _note_container(self, image: str, number: int) -> None:
        if number == 0:
            config = (self._training or {}).get("masterConfig") or {}
            legacy = config.get("imageUri") == image
            path = "trainingInput.masterConfig.imageUri" if legacy else f"{POOLS}[0].containerSpec.imageUri"
            self._lifetimes.note(image, path, image)

    def _found(self, pool: Json, path: str) -> str | None:
        """The image for the runtime and Python that the TrainingInput names."""
        if self._training is None:
            return None
        python = str(self._training.get("pythonVersion") or "")
        hardware = _hardware(pool)
        image = self._tables.training_image(self._runtime, python, hardware)
        framework = self._tables.framework
        if image is None:
            self._notes.refused(
                "vertex-training-image",
                *self._blamed(python),
                f"no image is known that has {framework} of runtime version {self._runtime or '(none)'} on "
                f"Python {python or '(none)'} for {hardware.upper()}; name one in spec.{path}, or have the "
                "administrator add it to trainingImages",
                Source.OPERATOR,
            )
            return None
        self._notes.changed(
            "vertex-training-image-chosen",
            RUNTIME,
            self._runtime,
            f"the runtime becomes the image {image}: of the frameworks that the runtime had it may hold "
            f"{framework} alone",
        )
        return image

    @property
    def _runtime(self) -> str:
        return str((self._training or {}).get("runtimeVersion") or "")

    def _blamed(self, python: str) -> tuple[str, Any]:
        """The Python, if no image at all has it; otherwise the runtime."""
        runtimes = self._tables.training_images.get(self._tables.framework, {}).values()
        if any(python in versions for versions in runtimes):
            return RUNTIME, self._runtime or MISSING
        return "trainingInput.pythonVersion", python or MISSING


def _package(pool: Mapping[str, Any]) -> Mapping[str, Any]:
    return pool.get("pythonPackageSpec") or {}


def _hardware(pool: Mapping[str, Any]) -> str:
    machine = pool.get("machineSpec") or {}
    kind = str(machine.get("acceleratorType") or "")
    if kind.startswith("TPU_") or machine.get("tpuTopology"):
        return "tpu"
    return "gpu" if kind else "cpu"

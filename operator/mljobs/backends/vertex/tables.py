"""What the legacy names become on Vertex AI: machines, tiers, accelerators, images, models.

The tables that are shipped stand in `tables.yaml`. An administrator's document of the same shape is laid over
them.
"""

from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib import resources
from typing import Annotated, Any, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from mljobs.api.base import Model, Name, Uri, Word
from mljobs.api.field_error import FieldErrorType
from mljobs.domain.spec.problems import MISSING, Problem, Severity, Source, summary

NAMED = r"^.+$"
MODEL_PATTERN = r"^projects/[^/]+/locations/[^/]+/models/[^/@]+(@[^/@]+)?$"

Text = Annotated[Word, Field(pattern=NAMED)]
Image = Annotated[Uri, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@/-]*$")]
ModelName = Annotated[Name, Field(pattern=MODEL_PATTERN)]
Count = Annotated[int, Field(ge=1, le=2**31 - 1)]

DEFAULT_VERSION = "default"
"""The version under which a model's entry has what a `modelName` alone means."""


class TablesError(ValueError):
    """An administrator's document that cannot be used.

    Args:
        problems: each with field, value and rule.
    """

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(summary(problems))
        self.problems = problems


class Machine(Model):
    """A machine of Compute Engine, perhaps with accelerators."""

    machine_type: Text
    """Compute Engine's name, such as `n1-standard-8`."""

    accelerator_type: Text | None = None
    """Vertex AI's word for its accelerators."""

    accelerator_count: Count | None = None
    """How many it has."""

    assumed: bool = False
    """Whether it is a guess at what the legacy machine was."""

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.accelerator_type is None) != (self.accelerator_count is None):
            raise ValueError("acceleratorType and acceleratorCount go together")
        return self


class Replicas(Model):
    """The machines of one role in a scale tier."""

    type: Text
    """A legacy machine type, or one of Compute Engine."""

    count: Count = 1
    """How many there are."""


class AcceleratorSubstitute(Model):
    """What runs in place of an accelerator."""

    type: Text
    """Vertex AI's word for the substitute."""

    counts: dict[Count, Count]
    """How many, by how many there were."""


class TierRoles(Model):
    """The roles of a scale tier."""

    master: Replicas
    worker: Replicas | None = None
    parameter_server: Replicas | None = None
    evaluator: Replicas | None = None

    def of(self, role: str) -> Replicas | None:
        """The machines of a role, named as in `masterType`."""
        found: dict[str, Replicas | None] = {
            "master": self.master,
            "worker": self.worker,
            "parameterServer": self.parameter_server,
            "evaluator": self.evaluator,
        }
        return found[role]


class Images(Model):
    """The images of one framework, runtime and Python, by hardware."""

    cpu: Image | None = None
    gpu: Image | None = None
    tpu: Image | None = None

    def on(self, hardware: str) -> str | None:
        """The image for `cpu`, `gpu` or `tpu`."""
        return {"cpu": self.cpu, "gpu": self.gpu, "tpu": self.tpu}[hardware]


class Lifetime(Model):
    """How long Google keeps one of its images."""

    end_of_support: date | None = None
    """After this day it gets no more patches; None where that is not known."""

    end_of_availability: date
    """After this day it may not be there any more."""


class Tables(Model):
    """All tables. `tables.yaml` explains each."""

    framework: Text
    machine_types: dict[Text, Machine]
    tiers: dict[Text, TierRoles]
    machine_substitutes: dict[Text, Text]
    accelerator_substitutes: dict[Text, AcceleratorSubstitute]
    prediction_machine: Machine
    training_images: dict[Text, dict[Text, dict[Text, Images]]]
    serving_images: dict[Text, dict[Text, Image]]
    lifetimes: dict[Text, Lifetime]
    models: dict[Name, dict[Text, ModelName]]

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> "Tables":
        """Lay an administrator's document over the shipped tables.

        Args:
            document: JSON of the shape of `tables.yaml`, any part of it. An entry replaces the shipped one
                of its name as a whole; null takes that one away.

        Raises:
            TablesError: every problem of it.
        """
        return _read(_laid(_shipped_document(), document)) if document else shipped()

    def training_image(self, runtime: str, python: str, hardware: str) -> str | None:
        """The image that runs a Python package on `cpu`, `gpu` or `tpu`; None where none is known."""
        images = self.training_images.get(self.framework, {}).get(runtime, {}).get(python)
        return images.on(hardware) if images else None

    def serving_image(self, runtime: str) -> str | None:
        """The image that serves a model which is not uploaded; None where none is known."""
        return self.serving_images.get(self.framework, {}).get(runtime)

    def lifetime(self, image: str) -> Lifetime | None:
        """How long an image is kept; None where that is not known. Its host and its tag don't matter."""
        folder, _, name = image.rpartition("/")
        name = name.partition(":")[0]
        return self.lifetimes.get(f"prediction/{name}" if folder.endswith("/prediction") else name)


def shipped() -> Tables:
    """The tables that come with this package."""
    return _shipped()


@cache
def _shipped() -> Tables:
    return _read(_shipped_document())


@cache
def _shipped_document() -> Mapping[str, Any]:
    text = resources.files("mljobs.backends.vertex").joinpath("tables.yaml").read_text("utf-8")
    document: Mapping[str, Any] = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    return document


_LEVELS = {
    "machineTypes": 1,
    "tiers": 1,
    "machineSubstitutes": 1,
    "acceleratorSubstitutes": 1,
    "trainingImages": 4,
    "servingImages": 2,
    "lifetimes": 1,
    "models": 2,
}
"""How many levels of names a table has above its entries."""


def _laid(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for table, value in over.items():
        merged[table] = _merged(under.get(table), value, _LEVELS.get(table, 0))
    return {table: value for table, value in merged.items() if value is not None}


def _merged(under: Any, over: Any, levels: int) -> Any:
    if not levels or not isinstance(over, Mapping):
        return over
    names = dict(under) if isinstance(under, Mapping) else {}
    for name, value in over.items():
        if value is None:
            names.pop(name, None)
        else:
            names[name] = _merged(names.get(name), value, levels - 1)
    return names


def _read(document: Mapping[str, Any]) -> Tables:
    try:
        return Tables.model_validate(document, by_alias=True, by_name=False)
    except ValidationError as error:
        rows = error.errors(include_url=False, include_context=False)
        raise TablesError(
            tuple(_problem(row["loc"], row["input"], row["type"], row["msg"]) for row in rows)
        ) from None


def _problem(location: tuple[int | str, ...], value: Any, kind: str, message: str) -> Problem:
    path = ".".join(str(key) for key in location if key != "[key]")
    if kind == "missing":
        rule = "this field is required"
        return Problem(
            path, MISSING, rule, Severity.ERROR, Source.OPERATOR, FieldErrorType.REQUIRED, "vertex-tables"
        )
    rule = "there is no such field" if kind == "extra_forbidden" else message.removeprefix("Value error, ")
    return Problem(path, value, rule, source=Source.OPERATOR, id="vertex-tables")

"""The samples as users read them: explained, legal, and together showing every field there is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from mljobs.api.resources import API_VERSION, KINDS
from mljobs.domain.spec.validate import validate
from mljobs_dev.stack.files import deploy_folder

SAMPLES = sorted((deploy_folder() / "samples").glob("*.yaml"))
VERTEX = sorted((deploy_folder() / "samples" / "vertex").glob("*.yaml"))
"""What only Vertex AI can do; other specs, in the tests, show all that there is of it."""


def read(path: Path) -> dict[str, Any]:
    (document,) = yaml.safe_load_all(path.read_text("utf-8"))
    assert isinstance(document, dict)
    return document


@pytest.mark.parametrize("path", [*SAMPLES, *VERTEX], ids=lambda path: path.stem)
class TestEachSample:
    def test_says_what_it_shows(self, path: Path) -> None:
        first = path.read_text("utf-8").splitlines()[0]
        assert first.startswith("# "), "a sample begins with a comment on what it shows"
        assert len(first) > 30

    def test_is_named_like_its_file(self, path: Path) -> None:
        document = read(path)
        assert document["metadata"]["name"] == path.stem
        assert "namespace" not in document["metadata"], "a sample goes to the namespace of its user's choice"

    def test_breaks_no_rule_and_earns_no_warning(self, path: Path) -> None:
        document = read(path)
        assert document["apiVersion"] == API_VERSION
        judged = validate(document["kind"], document["spec"])
        assert [*judged.problems, *judged.warnings] == []
        assert judged.spec is not None


def fields(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every field of a model and of those nested in it, by their names in the API."""
    for name, field in model.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        yield path
        for nested in nested_models(field.annotation):
            yield from fields(nested, f"{path}.")


def nested_models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from nested_models(argument)


def used(value: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield f"{prefix}{key}"
            yield from used(inner, f"{prefix}{key}.")
    elif isinstance(value, list):
        for item in value:
            yield from used(item, prefix)


REPLICA_CONFIGS = ("masterConfig", "workerConfig", "parameterServerConfig", "evaluatorConfig")


def alike(path: str) -> str:
    """All four roles have the same kind of config: a field shown for one of them is shown."""
    for config in REPLICA_CONFIGS:
        path = path.replace(f".{config}.", ".*Config.")
    return path


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_the_samples_together_show_every_field_of_a_spec(kind: Any) -> None:
    wanted = {alike(path) for path in fields(kind.spec) if path.split(".")[0] != "vertex"}
    shown = {alike(path) for sample in [*SAMPLES, *VERTEX] for path in used(read(sample)["spec"])}
    assert len(wanted) > len(kind.input.model_fields), "the walk reaches the input"
    assert wanted - shown == set()

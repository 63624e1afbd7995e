"""Every field of `spec.vertex` can be used: valid specs have all between them, and are read and kept."""

from collections.abc import Iterator
from typing import Any

import pytest

from mljobs.api.crd import structural, walk
from mljobs.api.resources import KINDS, JobKind
from mljobs.domain.spec.lenient import canonical
from mljobs.domain.spec.validate import validate
from tests.vertex_documents import specs

SPECS = [(kind.name, number, spec) for kind in KINDS.values() for number, spec in enumerate(specs(kind.name))]


@pytest.mark.parametrize(("kind", "number", "spec"), SPECS, ids=lambda value: str(value)[:20])
def test_they_keep_all_rules(kind: str, number: int, spec: dict[str, Any]) -> None:
    assert [problem.text for problem in validate(kind, spec).problems] == [], number


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_between_them_they_have_every_field(kind: JobKind) -> None:
    used = {path for spec in specs(kind.name) for path in paths(spec, "")}
    wanted = {path for path, _ in walk(structural(kind.spec)) if path.startswith("vertex")}
    assert {path for path in wanted if "{}" not in path} - used == set()


def paths(value: Any, path: str) -> Iterator[str]:
    """Every path in a document, as `walk` spells it."""
    yield path
    if isinstance(value, dict):
        for key, child in value.items():
            yield from paths(child, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for child in value:
            yield from paths(child, f"{path}[]")


@pytest.mark.parametrize(("kind", "number", "spec"), SPECS, ids=lambda value: str(value)[:20])
def test_canonical_json_has_int64_as_text_and_nothing_else_changed(
    kind: str, number: int, spec: dict[str, Any]
) -> None:
    made, problems = canonical(kind, spec)
    assert problems == ()
    model = KINDS[kind].spec.model_validate(spec)
    written = model.document()
    assert written == {"suspend": False, **made}, number
    assert KINDS[kind].spec.model_validate(written) == model


def test_any_value_is_kept_to_the_letter() -> None:
    spec = specs("PredictionJob")[0]
    parameters = {"snake_case": "1", "empty": None, "list": [None, "2"], "number": 1.0}
    spec = {**spec, "vertex": {**spec["vertex"], "batchPredictionJob": {"modelParameters": parameters}}}
    made, problems = canonical("PredictionJob", spec)
    assert problems == ()
    assert made["vertex"]["batchPredictionJob"]["modelParameters"] == parameters
    document = KINDS["PredictionJob"].spec.model_validate(made).document()
    assert document["vertex"]["batchPredictionJob"]["modelParameters"] == parameters

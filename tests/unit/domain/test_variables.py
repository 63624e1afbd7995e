"""Variables are replaced where the page says so, with what is known of the attempt, and nowhere else."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mljobs.api.resources import KINDS
from mljobs.domain.job.variables import NAMES, PATHS, expanded
from mljobs.domain.port import Owner
from mljobs.domain.spec.lenient import spec_schema
from mljobs.domain.spec.validate import validate

OWNER = Owner("team-a", "census", "uid-1")
PAGE = Path(__file__).parents[3] / "docs" / "retries.md"
BASE: dict[str, Any] = {
    "projectId": "p",
    "trainingInput": {"region": "us-central1", "masterConfig": {"imageUri": "gcr.io/p/image:1"}},
}


def at(path: str, value: Any) -> Any:
    """A document that has a value at a path."""
    for field in reversed(path.split(".")):
        name = field.removesuffix("[]")
        value = {name: [value] if name != field else value}
    return value


def read(node: Any, path: str) -> Any:
    for field in path.split("."):
        name = field.removesuffix("[]")
        node = node[name][0] if name != field else node[name]
    return node


@pytest.mark.parametrize("path", PATHS)
def test_each_place_is_one_of_a_spec_and_is_replaced(path: str) -> None:
    node: Any = next(
        schema
        for schema in map(spec_schema, KINDS)
        if path.split(".")[0] in schema["properties"] and _has(schema, path)
    )
    for field in path.split("."):
        node = node["properties"][field.removesuffix("[]")]
        node = node["items"] if field.endswith("[]") else node
    assert node["type"] == "string"
    text = "gs://b/$(MLJOBS_NAMESPACE)/$(MLJOBS_NAME)/$(MLJOBS_UID)/$(MLJOBS_ATTEMPT)"
    assert read(expanded(at(path, text), OWNER, 3), path) == "gs://b/team-a/census/uid-1/3"


def _has(schema: Any, path: str) -> bool:
    for field in path.split("."):
        schema = schema.get("properties", {}).get(field.removesuffix("[]"))
        if schema is None:
            return False
        schema = schema.get("items", {}) if field.endswith("[]") else schema
    return True


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(MLJOBS_ATTEMPT)$(MLJOBS_ATTEMPT)", "22"),
        ("$$(MLJOBS_ATTEMPT)", "$(MLJOBS_ATTEMPT)"),
        ("$$$(MLJOBS_ATTEMPT)", "$$(MLJOBS_ATTEMPT)"),
        ("$(date) $(MLJOBS_ATTEMPTS) ${MLJOBS_ATTEMPT}", "$(date) $(MLJOBS_ATTEMPTS) ${MLJOBS_ATTEMPT}"),
        ("$(mljobs_attempt)", "$(mljobs_attempt)"),
    ],
)
def test_only_these_names_in_this_notation_are_known(text: str, expected: str) -> None:
    assert read(expanded(at("trainingInput.args[]", text), OWNER, 2), "trainingInput.args[]") == expected


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(alphabet="$()MLJOBS_"),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["trainingInput", "args", "env"]), inner)
        ),
    ).filter(lambda value: isinstance(value, dict))
)
def test_whatever_stands_there_nothing_else_changes(document: dict[str, Any]) -> None:
    assert expanded(document, OWNER, 1) == document


def test_a_place_with_a_variable_keeps_the_rules() -> None:
    training = {**BASE["trainingInput"], "jobDir": "gs://b/$(MLJOBS_ATTEMPT)", "args": ["$(MLJOBS_UID)"]}
    assert validate("TrainingJob", {**BASE, "trainingInput": training}).problems == ()
    prediction = {
        "region": "us-central1",
        "dataFormat": "JSON",
        "inputPaths": ["gs://b/in"],
        "outputPath": "gs://b/out/$(MLJOBS_ATTEMPT)",
        "modelName": "projects/p/models/m",
    }
    assert validate("PredictionJob", {"projectId": "p", "predictionInput": prediction}).problems == ()


def test_the_page_names_them_all() -> None:
    assert set(re.findall(r"\$\((MLJOBS_\w+)\)", PAGE.read_text("utf-8"))) == set(NAMES)

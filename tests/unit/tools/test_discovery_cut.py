"""The document that the Vertex AI backend opens, against the whole one of google-api-python-client."""

import json
from collections.abc import Iterator
from importlib import resources
from typing import Any

import pytest
from googleapiclient.discovery_cache import get_static_doc

from tools import discovery

TEXTS = {"description", "enumDescriptions"}


@pytest.fixture(scope="module")
def whole() -> Any:
    return json.loads(get_static_doc("aiplatform", "v1"))


@pytest.fixture(scope="module")
def shipped() -> Any:
    file = resources.files("mljobs.backends.vertex").joinpath("aiplatform.json")
    return json.loads(file.read_text("utf-8"))


def collections(document: Any) -> Any:
    return document["resources"]["projects"]["resources"]["locations"]["resources"]


def leaves(node: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value that is no object, with where it stands."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from leaves(value, *path, key)
    else:
        yield path, node


def test_it_has_all_methods_of_three_collections_and_no_others(whole: Any, shipped: Any) -> None:
    assert {name: set(row["methods"]) for name, row in collections(shipped).items()} == {
        name: set(collections(whole)[name]["methods"])
        for name in ("customJobs", "hyperparameterTuningJobs", "batchPredictionJobs")
    }


@pytest.mark.parametrize("part", ["resources", "schemas", "parameters", "auth"])
def test_nothing_but_texts_is_left_out_of_what_is_kept(whole: Any, shipped: Any, part: str) -> None:
    mine = dict(leaves(shipped[part]))
    theirs = dict(leaves(whole[part]))
    assert {path: theirs[path] for path in mine} == mine
    if part == "resources":
        places = {path[:6] for path in mine}  # as far as the collection's methods
        theirs = {path: value for path, value in theirs.items() if path[:6] in places}
    elif part == "schemas":
        theirs = {path: value for path, value in theirs.items() if path[0] in shipped["schemas"]}
    assert {path[-1] for path in theirs.keys() - mine.keys()} <= TEXTS


def test_its_schemas_are_those_that_the_methods_reach(shipped: Any) -> None:
    roots = discovery.references(shipped["resources"])
    assert discovery.reachable(shipped["schemas"], roots) == set(shipped["schemas"])
    assert "GoogleCloudAiplatformV1CustomJobSpec" in shipped["schemas"]


def test_a_field_that_is_called_description_stays() -> None:
    schema = {"A": {"description": "A text.", "properties": {"description": {"type": "string"}}}}
    methods = {"get": {"description": "A text.", "response": {"$ref": "A"}}}
    document = {
        **dict.fromkeys(
            ("kind", "discoveryVersion", "id", "name", "version", "revision", "protocol", "rootUrl")
        ),
        **dict.fromkeys(("mtlsRootUrl", "servicePath", "baseUrl", "basePath", "batchPath"), ""),
        "parameters": {},
        "auth": {},
        "schemas": {**schema, "B": {}},
        "resources": {
            "projects": {"resources": {"locations": {"resources": {"as": {"methods": methods}, "bs": {}}}}}
        },
    }
    made = discovery.cut(document, ["as"])
    assert made["schemas"] == {"A": {"properties": {"description": {"type": "string"}}}}
    assert collections(made) == {"as": {"methods": {"get": {"response": {"$ref": "A"}}}}}

"""The bill of materials of the locked dependencies."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from mljobs import __version__
from tools import sbom
from tools.locked import LOCK, locked

APP = typer.Typer()
APP.command()(sbom.main)


def write(file: Path) -> str:
    result = CliRunner().invoke(APP, [str(file)])
    assert result.exit_code == 0, result.output
    return file.read_text("utf-8")


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write(tmp_path_factory.mktemp("sbom") / "new" / "sbom.json")


@pytest.fixture(scope="module")
def bill(text: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(text)
    return document


def test_it_has_what_is_locked_and_nothing_else(bill: dict[str, Any]) -> None:
    assert [one["purl"] for one in bill["components"]] == [
        f"pkg:pypi/{one.name}@{one.version}" for one in locked()
    ]
    assert all(one["licenses"] for one in bill["components"])


def test_it_names_us_and_the_lock(bill: dict[str, Any]) -> None:
    root = bill["metadata"]["component"]
    assert (root["name"], root["version"]) == ("mljobs-operator", __version__)
    properties = {one["name"]: one["value"] for one in bill["metadata"]["properties"]}
    assert properties["mljobs:lock:sha256"] == hashlib.sha256(LOCK.read_bytes()).hexdigest()


def test_everything_is_needed_by_something(bill: dict[str, Any]) -> None:
    refs = {one["bom-ref"] for one in bill["components"]} | {"mljobs-operator"}
    graph = {one["ref"]: set(one["dependsOn"]) for one in bill["dependencies"]}
    assert graph.keys() == refs
    reached, left = set[str](), ["mljobs-operator"]
    while left:
        ref = left.pop()
        if ref not in reached:
            reached.add(ref)
            left += graph[ref]
    assert reached == refs


def test_the_same_lock_gives_the_same_bytes(text: str, tmp_path: Path) -> None:
    assert write(tmp_path / "again.json") == text


def test_it_knows_no_index_and_no_path_of_this_machine(text: str, bill: dict[str, Any]) -> None:
    assert "simple" not in text
    assert "://" not in text.replace(bill["$schema"], "")
    assert str(LOCK.parents[1]) not in text
    assert "timestamp" not in bill["metadata"]
    assert "serialNumber" not in bill


def test_a_bill_of_another_lock_is_refused() -> None:
    document = sbom.read_lock()
    with pytest.raises(ValueError, match="aiohttp"):
        sbom.complete(document, locked()[3:], {})

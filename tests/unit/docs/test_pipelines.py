"""The examples of workflow engines wait for the words that there are, and make legal resources."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from mljobs.api.outputs import Outcome
from mljobs.domain.spec.validate import validate

FOLDER = Path(__file__).parents[3] / "deploy" / "pipelines"
ENDS_BADLY = {outcome.value for outcome in Outcome} - {Outcome.SUCCEEDED}


def argo() -> dict[str, Any]:
    document = yaml.safe_load((FOLDER / "argo.yaml").read_text("utf-8"))
    made: dict[str, Any] = document["spec"]["templates"][0]["resource"]
    return made


def tekton() -> str:
    document = yaml.safe_load((FOLDER / "tekton.yaml").read_text("utf-8"))
    return str(document["spec"]["steps"][0]["script"])


def airflow() -> ast.Module:
    return ast.parse((FOLDER / "airflow.py").read_text("utf-8"))


def manifests() -> dict[str, dict[str, Any]]:
    (heredoc,) = re.findall(r"<<EOF\n(.*?)EOF\n", tekton(), re.DOTALL)
    (job,) = [
        node.value
        for node in ast.walk(airflow())
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
        if getattr(node.targets[0], "id", "") == "job"
    ]
    document = ast.unparse(job).replace("f'census-{ds_nodash}'", "'census'")
    return {
        "argo": yaml.safe_load(argo()["manifest"]),
        "tekton": yaml.safe_load(heredoc),
        "airflow": ast.literal_eval(document),
    }


@pytest.mark.parametrize("engine", ["argo", "tekton", "airflow"])
def test_the_resources_keep_all_rules(engine: str) -> None:
    manifest = manifests()[engine]
    assert validate(manifest["kind"], manifest["spec"]).problems == ()


def test_argo_ends_with_every_outcome() -> None:
    step = argo()
    assert step["successCondition"] == f"status.outcome == {Outcome.SUCCEEDED}"
    (words,) = re.findall(r"^status\.outcome in \((.*)\)$", step["failureCondition"])
    assert set(words.split(", ")) == ENDS_BADLY


def test_tekton_waits_for_any_outcome_and_succeeds_with_one() -> None:
    assert "--for=jsonpath='{.status.outcome}' " in tekton()
    assert tekton().rstrip().endswith(f"= {Outcome.SUCCEEDED}")


def test_airflow_compares_with_outcomes_alone() -> None:
    compared = {
        node.value
        for compare in ast.walk(airflow())
        if isinstance(compare, ast.Compare) and getattr(compare.left, "id", "") == "outcome"
        for part in compare.comparators
        for node in ast.walk(part)
        if isinstance(node, ast.Constant) and node.value is not None
    }
    assert compared == {Outcome.SUCCEEDED.value}

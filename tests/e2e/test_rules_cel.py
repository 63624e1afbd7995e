"""The API server's verdict on every case of the table of rules: it must be the core's own.

Each spec is sent as a create with `dryRun=All`, so that nothing is stored.
"""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from kubernetes import client, config
from tests.unit.domain.rule_case import Case
from tests.unit.domain.rule_cases import CASES

from mljobs.api.resources import API_VERSION, GROUP, KINDS, VERSION
from mljobs.devcluster.controlplane import ControlPlane
from mljobs.domain import rules
from mljobs.domain.problems import Severity
from mljobs.domain.validate import validate

pytestmark = pytest.mark.e2e

BY_ID = {rule.id: rule for rule in rules.RULES}


@dataclass(frozen=True)
class Verdict:
    """What the API server said: the fields and messages of its causes, none where it accepted."""

    accepted: bool
    causes: list[tuple[str, str]]


class DryRun:
    """Asks the API server about specs."""

    def __init__(self, kubeconfig: str) -> None:
        connect: Any = config.new_client_from_config
        self._api = client.CustomObjectsApi(connect(kubeconfig))

    def __call__(self, kind: str, spec: dict[str, Any]) -> Verdict:
        body = {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": "case"}, "spec": spec}
        try:
            self._api.create_namespaced_custom_object(
                GROUP,
                VERSION,
                "default",
                KINDS[kind].plural,
                body,
                dry_run="All",
                field_validation="Strict",
            )
        except client.ApiException as error:
            if error.status not in (400, 422):
                raise
            answer = json.loads(error.body or "{}")
            causes = answer.get("details", {}).get("causes", [])
            found = [(cause.get("field", ""), cause["message"]) for cause in causes]
            return Verdict(False, found or [("", answer["message"])])
        return Verdict(True, [])


@pytest.fixture(scope="module")
def dry_run(control_plane: ControlPlane, crds: None) -> DryRun:
    return DryRun(str(control_plane.kubeconfig))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_api_server_agrees_with_the_core(case: Case, dry_run: DryRun) -> None:
    verdict = dry_run(case.kind, case.spec)
    problems = validate(case.kind, case.spec).problems
    stated = [problem for problem in problems if BY_ID[problem.id].cel is not None]
    in_schema = [problem for problem in problems if BY_ID[problem.id].in_schema]
    assert verdict.accepted is not bool(stated or in_schema), verdict
    if not in_schema:
        for problem in stated:
            assert any(message.endswith(problem.rule) for _, message in verdict.causes), verdict


@pytest.mark.parametrize("case", [case for case in CASES if not case.holds], ids=str)
def test_api_server_names_the_same_field(case: Case, dry_run: DryRun) -> None:
    rule = BY_ID[case.rule]
    if rule.severity is Severity.WARNING or rule.cel is None:
        assert dry_run(case.kind, case.spec).accepted is not rule.in_schema
        return
    fields = {field for field, _ in dry_run(case.kind, case.spec).causes}
    paths = {problem.path for problem in validate(case.kind, case.spec).problems if problem.id == rule.id}
    # CEL names the list or map where the core names the member.
    assert fields & (paths | {path.rpartition("[")[0] for path in paths}), (fields, paths)

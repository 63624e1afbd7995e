"""The API server's verdict on every case of the table of rules: it must be the core's own.

Each spec is sent as a create with `dryRun=All`, so that nothing is stored.
"""

import json
import random
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kubernetes import client, config

from mljobs.api.policy import SEPARATOR
from mljobs.api.resources import API_VERSION, GROUP, KINDS, VERSION
from mljobs.domain.spec import lenient, rules
from mljobs.domain.spec.problems import Problem, Severity
from mljobs.domain.spec.validate import validate
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.strategies import kinds_and_specs
from tests.unit.domain.rule_case import PACKAGES, Case, merged
from tests.unit.domain.rule_cases import CASES
from tests.vertex_documents import specs

pytestmark = pytest.mark.e2e

Json = dict[str, Any]

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
            found = [problem for cause in causes for problem in _problems(cause)]
            return Verdict(False, found or [("", answer["message"])])
        return Verdict(True, [])


_DENIED = re.compile(r"^ValidatingAdmissionPolicy '\S+' with binding '\S+' denied request: ")


def _problems(cause: Json) -> list[tuple[str, str]]:
    """The fields and messages of a cause: one, or all that the policy lists in a line."""
    if cause.get("field") or not _DENIED.match(cause["message"]):
        return [(cause.get("field", ""), cause["message"])]
    told = _DENIED.sub("", cause["message"]).split(f"{SEPARATOR}spec")
    return [(line.partition(": ")[0], line) for line in (told[0], *(f"spec{line}" for line in told[1:]))]


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


def test_the_largest_spec_is_within_the_cost_limits(dry_run: DryRun) -> None:
    values = [float(index) for index in range(1000)]
    params = [
        {"parameterName": f"p{'x' * 250}{index}", "type": "DISCRETE", "discreteValues": values[:40]}
        for index in range(100)
    ]
    labels = {f"k{'x' * 60}{index:02}": "v" * 63 for index in range(60)}
    bindings = [
        {"role": f"roles/{'r' * 500}", "members": [f"user:{'m' * 20}{index}" for index in range(100)]}
        for _ in range(2)
    ]
    spec = merged(
        PACKAGES,
        {
            "labels": labels,
            "iamBindings": bindings,
            "trainingInput": {
                "args": ["a" * 256] * 1024,
                "packageUris": [f"gs://bucket/{'o' * 2000}{index}" for index in range(100)],
                "hyperparameters": {"params": params},
            },
        },
    )
    verdict = dry_run("TrainingJob", spec)
    assert verdict.accepted, verdict


@given(made=kinds_and_specs())
@settings(max_examples=100, deadline=None)
def test_api_server_takes_every_valid_spec(made: tuple[str, Json], dry_run: DryRun) -> None:
    kind, spec = made
    verdict = dry_run(kind, spec)
    assert verdict.accepted, verdict


def blocks() -> st.SearchStrategy[tuple[str, Json]]:
    """A kind and a spec of it in Vertex AI's words."""
    found = [(kind, spec) for kind in KINDS for spec in specs(kind)]
    return st.sampled_from(found)


@given(made=kinds_and_specs() | blocks(), chance=st.randoms(use_true_random=False))
@settings(max_examples=400, deadline=None)
def test_api_server_and_core_agree_on_specs_with_a_random_change(
    made: tuple[str, Json], chance: random.Random, dry_run: DryRun
) -> None:
    kind, spec = made
    changed = _changed(spec, chance)
    problems = validate(kind, changed, default_project="p").problems
    verdict = dry_run(kind, changed)
    assert verdict.accepted is not _refused_by_server(problems), (verdict, problems)


def _refused_by_server(problems: Iterable[Problem]) -> bool:
    """Whether one of these is not left to the operator."""
    return any(
        problem.id not in BY_ID or BY_ID[problem.id].cel is not None or BY_ID[problem.id].in_schema
        for problem in problems
    )


@given(made=kinds_and_specs() | blocks(), chance=st.randoms(use_true_random=False))
@settings(max_examples=400, deadline=None)
def test_api_server_agrees_with_what_is_said_of_a_manifests_spelling(
    made: tuple[str, Json], chance: random.Random, dry_run: DryRun
) -> None:
    kind, spec = made
    changed = _misspelt(spec, chance)
    document = {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": "case"}, "spec": changed}
    reading = lenient.read(document, exact=True)
    spelling = [problem for problem in reading.problems if problem.severity is Severity.ERROR]
    problems = [*spelling, *validate(kind, reading.spec, default_project="p").problems]
    verdict = dry_run(kind, changed)
    assert verdict.accepted is not _refused_by_server(problems), (changed, verdict, problems)


def _misspelt(value: Any, chance: random.Random) -> Any:
    """A copy in which one key or one value, somewhere, is spelt as only the service reads it, or is null."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    made = dict(value) if isinstance(value, dict) else list(value)
    if not keys:
        return made
    key = chance.choice(keys)
    found = made[key]
    if isinstance(found, dict | list) and found and chance.random() < 0.9:
        made[key] = _misspelt(found, chance)
    elif isinstance(made, dict) and chance.random() < 0.3:
        del made[key]
        made[re.sub("([A-Z])", lambda match: f"_{match[1].lower()}", str(key))] = found
    else:
        number = float(found) if isinstance(found, int) else found
        made[key] = chance.choice([None, str(found), str(found).lower(), number, [found]])
    return made


_REPLACEMENTS: list[Any] = [
    *("", "x", "gs://b/o", "gs://b", "standard", "n1-standard-4", "cloud_tpu", "projects/p/models/m", "a@b"),
    *("CUSTOM", "BASIC_TPU", "GRID_SEARCH", "DOUBLE", "INTEGER", "CATEGORICAL", "DISCRETE", "UNIT_LOG_SCALE"),
    *("cloud-tpu", "a2-highgpu-1g", "e2-standard-4", "NVIDIA_L4", "TPU_V3", "FLEX_START", "SPOT", "bigquery"),
    *("3.5", "1.14", "2.11", "1799s", "1e3", "TEXT", "CSV", "TF_RECORD", "0", "-1", "7"),
    *(0, -1, 1, 5, 1001, 2**63, 0.5, True, False, [], ["a"], {}, {"a": "b"}),
]


def _changed(value: Any, chance: random.Random) -> Any:
    """A copy with one member, somewhere, taken away or replaced."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    made = dict(value) if isinstance(value, dict) else list(value)
    if not keys:
        return made
    key = chance.choice(keys)
    if isinstance(made[key], dict | list) and made[key] and chance.random() < 0.9:
        made[key] = _changed(made[key], chance)
    elif chance.random() < 0.3:
        del made[key]
    else:
        made[key] = chance.choice(_REPLACEMENTS)
    return made

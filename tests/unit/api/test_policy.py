"""The policies: each rule stands once, in CRD or policy, and its problems name their fields."""

import json
import re
from typing import Any

import pytest

from mljobs.admin import crds
from mljobs.api import crd, policy
from mljobs.api.crd import CelRule
from mljobs.api.resources import KINDS, TRAINING_JOB, JobKind
from mljobs.domain.spec import rules

both = pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)

APPLIED = 240 * 1024
"""Bytes that an object may have so that a client-side apply can keep it in an annotation."""

EXPRESSION = 100_000
"""Characters of an expression that CEL reads."""


def spec_of(kind: JobKind) -> dict[str, Any]:
    spec: dict[str, Any] = crds.policy(kind)[0]["spec"]
    return spec


def variables(kind: JobKind) -> dict[str, str]:
    return {one["name"]: one["expression"] for one in spec_of(kind)["variables"]}


@both
def test_each_rule_stands_in_one_place(kind: JobKind) -> None:
    every = rules.cel_rules()[kind.name]
    count = sum(map(len, every.values()))
    apart = crd.in_crd(kind, every)
    definition = json.dumps(crds.definition(kind))
    assert definition.count('"rule":') == sum(map(len, apart.values())) + len(crd.own_rules(kind)["spec"])
    ends = sum(text.count(f"{policy.SEPARATOR}'") for text in variables(kind).values())
    ends += sum(text.count(f'{policy.SEPARATOR}"') for text in variables(kind).values())
    assert ends == count - sum(map(len, apart.values())) + len(crd.fixed_once_submitted(kind))


@both
def test_each_variable_has_a_name_of_its_own_and_is_used(kind: JobKind) -> None:
    names = [one["name"] for one in spec_of(kind)["variables"]]
    assert len(set(names)) == len(names)
    text = json.dumps(spec_of(kind))
    for name in names:
        assert re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name)
        assert re.search(rf"variables\.{name}\b", text), name


@both
def test_it_is_within_the_limits(kind: JobKind) -> None:
    for document in crds.policy(kind):
        assert len(json.dumps(document)) < APPLIED
    assert max(map(len, variables(kind).values())) < EXPRESSION


@both
def test_status_and_metadata_are_not_judged(kind: JobKind) -> None:
    spec = spec_of(kind)
    (rule,) = spec["matchConstraints"]["resourceRules"]
    assert (rule["resources"], rule["operations"]) == ([kind.plural], ["CREATE", "UPDATE"])
    assert "metadata.generation" in spec["matchConditions"][0]["expression"]


def test_a_line_of_several_problems_can_be_taken_apart() -> None:
    """Each problem starts with `spec`, and no rule's text looks as if another one started in it."""
    texts = [rule.text for rule in rules.RULES] + [
        rule.message for kind in KINDS.values() for rule in crd.fixed_once_submitted(kind)
    ]
    assert [text for text in texts if f"{policy.SEPARATOR}spec" in text] == []


RULE = CelRule("self.minValue <= self.maxValue", "it's at most maxValue", ".minValue")
ITEM = "spec.trainingInput.hyperparameters.params[]"


@pytest.mark.parametrize(
    ("path", "rule", "said"),
    [
        ("spec.projectId", CelRule("self != ''", "no"), "'spec.projectId: Invalid value: no; '"),
        ("spec", CelRule("has(self.jobId)", "no", ".jobId"), "'spec.jobId: Invalid value: no; '"),
        (
            ITEM,
            RULE,
            "'spec.trainingInput.hyperparameters.params[' + "
            "string(object.spec.trainingInput.hyperparameters.params.indexOf(self)) + "
            "'].minValue: Invalid value: ' + \"it's at most maxValue; \"",
        ),
        ("spec.labels{}", CelRule("self != ''", "no"), "'spec.labels[' + key0 + ']: Invalid value: no; '"),
        ("spec.backoffLimit", CelRule("self > 0", "no"), "(type(self) == int && (self > 0)) ? '' : "),
    ],
)
def test_a_problem_names_its_place(path: str, rule: CelRule, said: str) -> None:
    spec = policy.documents(TRAINING_JOB, {path: [rule]})[0]["spec"]
    assert any(said in one["expression"] for one in spec["variables"])


def test_what_can_fail_is_left_to_the_crd() -> None:
    given = {
        "spec.trainingInput.workerCount": [CelRule("int(self) >= 0", "a number's text may be no int64")],
        "spec.jobId": [CelRule("''.matches(self)", "a text may be no pattern", fails=True)],
    }
    assert crd.in_crd(TRAINING_JOB, given) == given
    assert crd.in_crd(TRAINING_JOB, given, stands=False) == {}

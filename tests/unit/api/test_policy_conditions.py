"""The match conditions of the policies: they say each rule, or leave what it is about to the variables."""

import re
from collections.abc import Iterator

import pytest

from mljobs.admin import crds
from mljobs.api import crd, policy_conditions
from mljobs.api.crd import CelRule, Rules
from mljobs.api.policy_conditions import APART, JUDGED
from mljobs.api.resources import KINDS, TRAINING_JOB, JobKind
from mljobs.domain.spec import rules

both = pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)

EXPRESSION = 100_000
"""Characters of an expression that CEL reads."""


def of_policy(kind: JobKind) -> tuple[str, dict[str, str]]:
    """What the policy says when it judges, and by the part that it is about what each condition says."""
    changed, *others = crds.policy(kind)[0]["spec"]["matchConditions"]
    parts = (kind.input_field, "vertex")
    names = [f"new-{part}-may-break-a-rule" for part in parts]
    assert [one["name"] for one in others] == names
    return changed["expression"], dict(zip(parts, (one["expression"] for one in others), strict=True))


def of_a_path(kind: JobKind) -> Iterator[tuple[str, CelRule]]:
    given: Rules = crd.in_crd(kind, rules.cel_rules()[kind.name], stands=False)
    return ((path, rule) for path, entries in given.items() for rule in entries)


@both
def test_each_rule_is_said_or_what_it_is_about_is_asked_for(kind: JobKind) -> None:
    _, conditions = of_policy(kind)
    for part, said in conditions.items():
        left = APART | conditions.keys() - {part}
        for path, rule in of_a_path(kind):
            asked = next((name for name in re.split(r"[.\[\]{}]+", path) if name in left), None)
            wanted = f"({rule.rule})" if asked is None else f"!has(self.{asked})"
            assert wanted in said, (part, path)


def test_each_field_that_is_left_out_is_there() -> None:
    paths = [path for kind in KINDS.values() for path, _ in crd.walk(crd.schema(kind))]
    assert {name for path in paths for name in re.split(r"[.\[\]{}]+", path)} >= APART


@both
def test_an_update_is_judged_by_the_first_condition_alone(kind: JobKind) -> None:
    changed, conditions = of_policy(kind)
    assert changed.endswith(" || object.metadata.generation != oldObject.metadata.generation")
    for said in conditions.values():
        assert said.startswith("!(request.operation == 'CREATE') || ![object.spec].all(self, ")
        assert "oldObject" not in said
        assert len(said) < EXPRESSION


@pytest.mark.parametrize(
    ("path", "rule", "said"),
    [
        (
            "spec.projectId",
            "self != ''",
            "(!has(self.projectId) || [self.projectId].all(",
        ),
        ("spec.labels{}", "self != ''", "self.all(key, [self[key]].all(self, (self != '')))"),
        ("spec.trainingInput.packageUris[]", "self != ''", f"size(self) <= {JUDGED} && self.all(self, ("),
        ("spec.placements[]", "has(self.region)", "!has(self.placements)"),
        # a rule may go through lists that none is about: they are short, too
        ("spec.trainingInput", "size(self.args) > 0", "[self.args].all(self, size(self) <= 128)"),
    ],
)
def test_a_condition_asks_for_what_is_there(path: str, rule: str, said: str) -> None:
    found = policy_conditions.conditions(TRAINING_JOB, {path: [CelRule(rule, "no")]})
    assert said in found[1]["expression"]


def test_parts_come_before_the_whole() -> None:
    given = {"spec": [CelRule("has(self.jobId)", "no")], "spec.jobId": [CelRule("self != ''", "no")]}
    said = policy_conditions.conditions(TRAINING_JOB, given)[1]["expression"]
    assert said.index("self != ''") < said.index("(has(self.jobId))")
    assert said.endswith(" && (has(self.jobId)))")

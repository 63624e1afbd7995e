"""The table of rules against the table of cases, and what must be true of every rule."""

import re

import pytest

from mljobs.api.crd import crds, schema, walk
from mljobs.api.field_error import FieldErrorType
from mljobs.api.resources import KINDS
from mljobs.domain.spec import rules
from mljobs.domain.spec.problems import Severity
from mljobs.domain.spec.rules.rule import Rule
from mljobs.domain.spec.validate import validate
from tests.unit.domain.rule_case import Case
from tests.unit.domain.rule_cases import CASES

BY_ID = {rule.id: rule for rule in rules.RULES}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: Case) -> None:
    checked = validate(case.kind, case.spec)
    broken = {problem.id for problem in checked.problems}
    warned = {problem.id for problem in checked.warnings}
    warning = BY_ID[case.rule].severity is Severity.WARNING
    if warning:
        assert not broken
        assert (case.rule in warned) is not case.holds
    else:
        assert broken == (set() if case.holds else {case.rule, *case.also})
    assert (checked.spec is None) is bool(broken)


def test_every_rule_has_a_case_that_keeps_it_and_one_that_breaks_it() -> None:
    for holds in (True, False):
        assert {case.rule for case in CASES if case.holds is holds} == set(BY_ID)


def test_ids_are_unique() -> None:
    assert len(BY_ID) == len(rules.RULES)


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.id)
def test_rule_is_well_formed(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.id)
    assert rule.text
    assert not rule.text.endswith(".")
    assert "\n" not in rule.text
    assert rule.kinds <= set(KINDS)
    assert not (rule.error_type is FieldErrorType.REQUIRED and rule.severity is Severity.WARNING)
    for kind in rule.kinds:
        places = dict(walk(schema(KINDS[kind])))
        scope = f"spec.{rule.scope}" if rule.scope else "spec"
        assert scope in places
        if rule.field and not rule.in_schema:
            assert f"{scope}.{rule.field}" in places


@pytest.mark.parametrize("case", [case for case in CASES if not case.holds], ids=str)
def test_problem_names_field_value_and_rule(case: Case) -> None:
    checked = validate(case.kind, case.spec)
    (first, *_) = [p for p in (*checked.problems, *checked.warnings) if p.id == case.rule]
    rule = BY_ID[case.rule]
    assert first.rule == rule.text
    assert first.source is rule.source
    assert first.path.startswith("spec")
    assert first.text.startswith(f"{first.path}: ")
    assert first.text.endswith(rule.text)
    assert "\n" not in first.text


def test_cel_says_every_error_but_those_that_only_the_operator_can_judge() -> None:
    silent = {
        rule.id
        for rule in rules.RULES
        if rule.severity is Severity.ERROR and rule.cel is None and not rule.in_schema
    }
    doubles = {"min-value-exact", "max-value-exact", "discrete-values-exact"}  # CEL sees doubles only
    stored = {"spec-stored-size", "iam-bindings-stored-size"}  # CEL counts characters
    apart = {"discrete-values-distinct", "discrete-apart"}
    conditional = {  # parameters below parameters would cost too much
        *(f"conditional-{rule.id}" for rule in rules.RULES if f"conditional-{rule.id}" in BY_ID),
        "conditional-parameter-required",
        "conditional-parent",
        "conditional-values-required",
        "conditional-values",
    }
    warnings = {"conditional-default-value"}
    assert silent == {"project-required", *apart, *doubles, *stored, *conditional - warnings}


def test_crds_take_all_cel_rules() -> None:
    count = sum(str(crd).count("'rule':") for crd in crds(rules.cel_rules()))
    plain = sum(str(crd).count("'rule':") for crd in crds())
    expected = sum(len(rule.kinds) for rule in rules.RULES if rule.cel is not None)
    assert count - plain == expected

"""The CRDs: structural, bounded, described; the rules stand where they were put."""

import json
from typing import Any

import pytest
from pydantic import BaseModel

from mljobs.api import crd
from mljobs.api.crd import CelRule
from mljobs.api.field_error import FieldErrorType
from mljobs.api.jobclass import JOB_CLASS
from mljobs.api.kinds import ALL_KINDS
from mljobs.api.resources import KINDS, TRAINING_JOB, JobKind
from mljobs.api.vertex.block import PredictionVertex, TrainingVertex

PLACES = [(kind.name, path, node) for kind in ALL_KINDS.values() for path, node in crd.walk(crd.schema(kind))]

STRUCTURAL = {
    "description",
    "type",
    "format",
    "enum",
    "default",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "maxProperties",
    "required",
    "properties",
    "items",
    "additionalProperties",
    "x-kubernetes-int-or-string",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-validations",
}


def test_only_structural_words_are_used() -> None:
    for kind, path, node in PLACES:
        assert set(node) <= STRUCTURAL, (kind, path)
        any_form = {"x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields"} & set(node)
        assert "type" in node or any_form, (kind, path)
        assert node.get("type", "object") == "object" or not any_form, (kind, path)
        assert not ("properties" in node and "additionalProperties" in node), (kind, path)


def is_bounded(node: dict[str, Any]) -> bool:
    if "x-kubernetes-int-or-string" in node:
        return "maxLength" in node
    match node["type"]:
        case "string":
            return "maxLength" in node or "enum" in node or node.get("format") == "date-time"
        case "array":
            return "maxItems" in node
        case "object":
            return "maxProperties" in node or "properties" in node
    return True


BATCH = "spec.vertex.batchPredictionJob"
EXPLAINED = f"{BATCH}.explanationSpec"
ANY_FORM = {
    f"{BATCH}.modelParameters",
    f"{EXPLAINED}.parameters.examples.nearestNeighborSearchConfig",
    f"{EXPLAINED}.parameters.outputIndices[]",
    f"{EXPLAINED}.metadata.inputs{{}}.inputBaselines[]",
    f"{EXPLAINED}.metadata.inputs{{}}.encodedBaselines[]",
    f"{EXPLAINED}.metadata.outputs{{}}.indexDisplayNameMapping",
    "spec.defaults.tables",
    "spec.template.spec",
}
"""Values of any form, the service's or an administrator's: no schema can bound them."""


def test_only_values_of_any_form_keep_what_nobody_knows() -> None:
    assert {path for _, path, node in PLACES if "x-kubernetes-preserve-unknown-fields" in node} == ANY_FORM


def test_everything_is_bounded() -> None:
    own = {"apiVersion", "kind", "metadata"} | ANY_FORM
    unbounded = [(kind, path) for kind, path, node in PLACES if path not in own and not is_bounded(node)]
    assert unbounded == []


def test_every_field_is_described_on_one_line() -> None:
    for kind, path, node in PLACES:
        if path != "metadata" and not path.endswith(("[]", "{}")):
            assert node["description"], (kind, path)
            assert "\n" not in node["description"], (kind, path)


def test_no_two_places_share_a_part() -> None:
    parts: list[tuple[str, Any]] = [(path, node) for _, path, node in PLACES]
    parts += [(path, value) for path, node in parts for value in node.values() if isinstance(value, list)]
    seen: dict[int, str] = {}
    for path, part in parts:
        assert seen.setdefault(id(part), path) == path
    assert len(seen) == len(parts)


@pytest.mark.parametrize("document", crd.crds()[:2], ids=lambda document: document["metadata"]["name"])
def test_what_kubectl_shows(document: dict[str, Any]) -> None:
    (version,) = document["spec"]["versions"]
    columns = {column["name"]: column.get("priority", 0) for column in version["additionalPrinterColumns"]}
    wide = ("Project", "Location", "Reason", "Class", "Manager")
    assert columns == {"State": 0, "Job": 0, "Age": 0, **dict.fromkeys(wide, 1)}
    assert document["spec"]["names"]["categories"] == ["mljobs"]
    assert version["subresources"] == {"status": {}}
    assert version["selectableFields"] == [{"jsonPath": ".status.state"}, {"jsonPath": ".status.outcome"}]
    status = version["schema"]["openAPIV3Schema"]["properties"]["status"]
    assert status["default"] == {"observedGeneration": -1}


def test_what_kubectl_shows_of_a_class() -> None:
    (document,) = (one for one in crd.crds() if one["spec"]["names"]["kind"] == "JobClass")
    (version,) = document["spec"]["versions"]
    columns = {column["name"]: column["jsonPath"] for column in version["additionalPrinterColumns"]}
    assert list(columns) == [
        *("Service", "Ready", "Default", "Active", "Waiting", "Project", "Location", "Age")
    ]
    assert columns["Default"] == r".metadata.annotations.mljobs\.dev/is-default-class"
    assert document["spec"]["scope"] == "Cluster"
    assert "categories" not in document["spec"]["names"]


def test_what_kubectl_shows_of_a_schedule() -> None:
    (document,) = (one for one in crd.crds() if one["spec"]["names"]["kind"] == "JobSchedule")
    (version,) = document["spec"]["versions"]
    columns = {column["name"]: column.get("priority", 0) for column in version["additionalPrinterColumns"]}
    shown = ("Schedule", "Suspend", "Last", "Next", "Age")
    assert columns == {**dict.fromkeys(shown, 0), "Time Zone": 1, "Active": 1}
    assert "selectableFields" not in version
    status = version["schema"]["openAPIV3Schema"]["properties"]["status"]
    assert status["default"] == {"observedGeneration": -1}


def test_a_schedule_s_crd_fits_into_the_annotation_of_a_plain_apply() -> None:
    """Which is why a template's spec has no schema: those of both kinds would not."""
    (document,) = (one for one in crd.crds() if one["spec"]["names"]["kind"] == "JobSchedule")
    assert len(json.dumps(document)) < 16_384


def test_short_names() -> None:
    names = {
        document["spec"]["names"]["kind"]: document["spec"]["names"]["shortNames"] for document in crd.crds()
    }
    assert names == {
        "TrainingJob": ["tj"],
        "PredictionJob": ["pj"],
        "JobSchedule": ["jsch"],
        "JobClass": ["jc"],
    }


BLOCKS: dict[str, type[BaseModel]] = {"TrainingJob": TrainingVertex, "PredictionJob": PredictionVertex}


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_immutable_fields(kind: JobKind) -> None:
    rules = {rule.field_path: rule for rule in crd.fixed_once_submitted(kind)}
    parts = {kind.input_field: kind.input, "vertex": BLOCKS[kind.name]}
    assert list(rules) == [f".spec.{field}" for field in ("jobClassName", "projectId", "jobId", *parts)]
    for part, model in parts.items():
        rule = rules[f".spec.{part}"]
        for field in model.model_fields.values():
            for text in (rule.rule, rule.message_expression or ""):
                assert f"has(self.spec.{part}.{field.alias}) ? has(oldSelf.spec.{part}.{field.alias})" in text
            assert f"'{part}.{field.alias} '" in (rule.message_expression or "")
    (managed,) = crd.own_rules(kind)["spec"]
    assert managed.field_path == ".managedBy"
    for rule in (*rules.values(), managed):
        assert rule.reason is FieldErrorType.FORBIDDEN
        for text in (rule.message, rule.message_expression or rule.message):
            assert f"make a new {kind.name} instead" in text


RULE = CelRule("self.minValue <= self.maxValue", "minValue is at most maxValue", ".minValue")


@pytest.mark.parametrize(
    "path",
    [
        "spec",
        "spec.labels",
        "spec.labels{}",
        "spec.trainingInput.args[]",
        "spec.trainingInput.hyperparameters.params[]",
        "status.conditions[]",
    ],
)
def test_a_rule_stands_at_its_path_and_nowhere_else(path: str) -> None:
    training, prediction, *_ = crd.crds({"TrainingJob": {path: [RULE]}})
    root = training["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    without = {
        place: node.get("x-kubernetes-validations", []) for place, node in crd.walk(crd.schema(TRAINING_JOB))
    }
    added = {
        place: node["x-kubernetes-validations"][len(without[place]) :]
        for place, node in crd.walk(root)
        if len(node.get("x-kubernetes-validations", [])) > len(without[place])
    }
    entry = {
        "rule": RULE.rule,
        "message": RULE.message,
        "reason": "FieldValueInvalid",
        "fieldPath": ".minValue",
    }
    assert added == {path: [entry]}
    assert prediction == crd.crds()[1]


def test_rules_from_elsewhere_come_after_the_own_ones() -> None:
    def rules(given: crd.Rules | None) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = crd.schema(JOB_CLASS, given)["properties"]["spec"][
            "x-kubernetes-validations"
        ]
        return found

    assert rules({"spec": [RULE]}) == [*rules(None), RULE.document()]


def test_a_message_may_be_made_where_the_rule_is_broken() -> None:
    assert "messageExpression" not in RULE.document()
    assert CelRule("true", "m", message_expression="'m' + 'n'").document()["messageExpression"] == "'m' + 'n'"


def test_a_rule_without_field_blames_the_place_itself() -> None:
    assert "fieldPath" not in CelRule("true", "m").document()


@pytest.mark.parametrize("path", ["spec.trainingInput.novelty", "spec.trainingInput.args", "trainingInput"])
def test_a_path_that_does_not_exist_is_named(path: str) -> None:
    kind = "PredictionJob"
    with pytest.raises(KeyError, match=path):
        crd.crds({kind: {path: [RULE]}})


def test_a_kind_that_does_not_exist_is_named() -> None:
    with pytest.raises(KeyError, match="OtherJob"):
        crd.crds({"OtherJob": {"spec": [RULE]}})


def test_a_call_leaves_the_next_one_clean() -> None:
    before = crd.crds()
    crd.crds({"TrainingJob": {"spec": [RULE]}})
    assert crd.crds() == before

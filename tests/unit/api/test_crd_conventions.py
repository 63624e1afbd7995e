"""The rules of kube-api-linter that make sense for a schema, applied to what the CRDs hold.

Source: the Kubernetes API conventions, as kube-api-linter words them (sigs.k8s.io/kube-api-linter). Its other
rules are about Go's types and tags. What stands in `ACCEPTED` breaks a rule for the reason given there; an
entry that breaks none any longer fails too.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from mljobs.api import crd
from mljobs.api.kinds import ALL_KINDS

Node = Mapping[str, Any]
Place = tuple[str, Node]

PLACES: dict[str, Node] = {
    path: node
    for kind in ALL_KINDS.values()
    for path, node in crd.walk(crd.schema(kind))
    if path and not path.startswith("metadata")
}
"""All places of all kinds; what two kinds share counts once."""

SERVICE = "the job service's own field, whose manifests are to be pasted in"
KUBERNETES = "a boolean that Kubernetes itself has on Jobs"
KUBERNETES_MAP = "a map that Kubernetes itself has in its selectors"
TEXT_MAP = "a map from text to text whose keys are the user's, as labels are"

ACCEPTED: dict[str, dict[str, str]] = {
    "maxlength": {"apiVersion": "the API server's own field", "kind": "the API server's own field"},
    "nobools": {
        "spec.suspend": KUBERNETES,
        "spec.trainingInput.enableWebAccess": SERVICE,
        "spec.trainingInput.useChiefInTfConfig": SERVICE,
        "spec.trainingInput.hyperparameters.enableTrialEarlyStopping": SERVICE,
        "status.trainingOutput.isBuiltInAlgorithmJob": SERVICE,
        "status.trainingOutput.isHyperparameterTuningJob": SERVICE,
        "status.trainingOutput.trials[].isTrialStoppedEarly": SERVICE,
        "status.trainingOutput.bestTrial.isTrialStoppedEarly": SERVICE,
    },
    "nodurations": {
        "spec.placements[].maxWaitDuration": SERVICE,
        "spec.trainingInput.scheduling.maxRunningTime": SERVICE,
        "spec.trainingInput.scheduling.maxWaitTime": SERVICE,
    },
    "nofloats": {
        "spec.trainingInput.hyperparameters.params[].discreteValues[]": SERVICE,
        "spec.trainingInput.hyperparameters.params[].minValue": SERVICE,
        "spec.trainingInput.hyperparameters.params[].maxValue": SERVICE,
        "status.trainingOutput.consumedMLUnits": SERVICE,
        "status.trainingOutput.trials[].allMetrics[].objectiveValue": SERVICE,
        "status.trainingOutput.trials[].finalMetric.objectiveValue": SERVICE,
        "status.trainingOutput.bestTrial.allMetrics[].objectiveValue": SERVICE,
        "status.trainingOutput.bestTrial.finalMetric.objectiveValue": SERVICE,
        "status.predictionOutput.nodeHours": SERVICE,
    },
    "nomaps": {
        "spec.labels": TEXT_MAP,
        "status.record.jobClass.labels": TEXT_MAP,
        "spec.template.metadata.labels": TEXT_MAP,
        "spec.template.metadata.annotations": TEXT_MAP,
        "spec.defaults.labels": TEXT_MAP,
        "spec.namespaces.matchLabels": KUBERNETES_MAP,
        "status.labels": TEXT_MAP,
        "status.trainingOutput.webAccessUris": SERVICE,
        "status.trainingOutput.trials[].hyperparameters": SERVICE,
        "status.trainingOutput.trials[].webAccessUris": SERVICE,
        "status.trainingOutput.bestTrial.hyperparameters": SERVICE,
        "status.trainingOutput.bestTrial.webAccessUris": SERVICE,
    },
}
"""By rule and path: why a place may break it."""

OF_THE_SERVICE = ("nobools", "nodurations", "nofloats", "nomaps")
"""What a place in `spec.vertex` may break: all of it is the service's own, as another test makes sure."""

BLOCK = "spec.vertex."


def _leaf(path: str) -> str:
    return re.sub(r"(\[\]|\{\})+$", "", path).rsplit(".", 1)[-1]


def _unbounded(_: str, node: Node) -> bool:
    match node.get("type"):
        case "string":
            return not {"maxLength", "enum"} & node.keys() and node.get("format") != "date-time"
        case "array":
            return "maxItems" not in node
    return False


def _duration(path: str, node: Node) -> bool:
    named = re.search(r"(Time|Duration|Timeout|Interval|Period)$", _leaf(path)) is not None
    return named and node.get("type") == "string" and node.get("format") != "date-time"


RULES: dict[str, Callable[[str, Node], bool]] = {
    "maxlength": _unbounded,
    "ssatags": lambda _, node: node.get("type") == "array" and "x-kubernetes-list-type" not in node,
    "nobools": lambda _, node: node.get("type") == "boolean",
    "nodurations": _duration,
    "nofloats": lambda _, node: node.get("type") == "number",
    "nomaps": lambda _, node: "additionalProperties" in node,
    "nonullable": lambda _, node: node.get("nullable", False),
    "nophase": lambda path, _: _leaf(path).lower().endswith("phase"),
    "notimestamp": lambda path, _: "timestamp" in _leaf(path).lower(),
    "integers": lambda _, node: (
        node.get("type") == "integer" and node.get("format") not in ("int32", "int64")
    ),
    "camelcase": lambda path, _: re.fullmatch(r"[a-z][A-Za-z0-9]*", _leaf(path)) is None,
    "described": lambda path, node: not path.endswith(("[]", "{}")) and not node.get("description"),
}
"""By kube-api-linter's name: whether a place breaks the rule. The last two are the conventions' own."""


def broken(rule: str) -> Iterator[str]:
    return (path for path, node in PLACES.items() if RULES[rule](path, node))


@pytest.mark.parametrize("rule", RULES)
def test_every_place_keeps_the_rule(rule: str) -> None:
    accepted = set(ACCEPTED.get(rule, {}))
    found = {path for path in broken(rule) if not (rule in OF_THE_SERVICE and path.startswith(BLOCK))}
    assert found - accepted == set(), f"{rule} is broken; fix the model, or say in ACCEPTED why it may be"
    assert accepted - found == set(), f"these keep {rule}: take them out of ACCEPTED"


def test_conditions_are_the_first_field_of_a_status_and_a_map_by_type() -> None:
    for kind in ALL_KINDS.values():
        status = crd.schema(kind)["properties"]["status"]
        name, conditions = next(iter(status["properties"].items()))
        assert name == "conditions"
        assert conditions["x-kubernetes-list-type"] == "map"
        assert conditions["x-kubernetes-list-map-keys"] == ["type"]
        fields = conditions["items"]
        assert set(fields["required"]) == {"type", "status", "lastTransitionTime", "reason", "message"}
        assert fields["properties"]["status"]["enum"] == ["True", "False", "Unknown"]
        assert fields["properties"]["lastTransitionTime"]["format"] == "date-time"


def test_the_fields_of_a_status_are_optional() -> None:
    for kind in ALL_KINDS.values():
        assert "required" not in crd.schema(kind)["properties"]["status"]


def test_lists_that_are_maps_name_keys_that_are_required() -> None:
    for path, node in PLACES.items():
        if node.get("x-kubernetes-list-type") == "map":
            keys = node["x-kubernetes-list-map-keys"]
            assert set(keys) <= set(node["items"].get("required", ())), path

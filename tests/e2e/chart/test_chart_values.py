"""Each value reaches its object, and nothing that the schema does not name is taken."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mljobs import config
from tests.e2e.chart.support_chart import CHART, FULLNAME, Helm, Objects, at, holds
from tests.e2e.chart.value_cases import CASES, Case
from tests.e2e.support import Json
from tools.packaging import values

SCHEMA = values.schema()
CONFIG = values.Config.model_json_schema(by_alias=True)["properties"]
REFUSED = {"credentials.key"}
UNUSED = {"enabled", "global"}


def other(node: Json) -> Any:
    """A valid value of a setting that is not its default."""
    node = next((one for one in node.get("anyOf", []) if one != {"type": "null"}), {}) | node
    default: Any = node.get("default")
    if "enum" in node:
        return next(word for word in node["enum"] if word != default)
    match node["type"]:
        case "boolean":
            return not default
        case "integer" | "number":
            return (default or 0) + 1
        case "array":
            return ["other"]
    if "identitynamespace" in node.get("pattern", ""):
        return "identitynamespace:p.svc.id.goog:https://gke.example"
    return "https://other.example" if default == "" else "other-one"


NEEDS: dict[str, Json] = {
    "anonymous": {"config": {"endpoint": "https://other.example"}},
    "shards": {"replicaCount": 2},
}
"""What else has to be given beside a setting."""

SETTINGS = tuple(
    Case(
        f"config.{name}",
        other(node),
        {("config", f"/{name}"): other(node)},
        given=NEEDS.get(name, {}),
    )
    for name, node in CONFIG.items()
)


def found(objects: Objects, where: str) -> list[Json]:
    """Objects by kind, and by name and namespace if these are told."""
    if where == "config":
        return [objects.config]
    kind, _, rest = where.partition("/")
    name, _, namespace = rest.partition("@")
    return [
        one
        for one in objects.of(kind)
        if name in ("", one["metadata"]["name"]) and namespace in ("", one["metadata"].get("namespace"))
    ]


_rendered: dict[str, Objects] = {}


def rendered(helm: Helm, given: Json) -> Objects:
    """What the chart makes of values; it is rendered once, and not to be changed."""
    key = json.dumps(given, sort_keys=True)
    if key not in _rendered:
        _rendered[key] = helm.render(given)
    return _rendered[key]


@pytest.mark.parametrize("case", [*CASES, *SETTINGS], ids=lambda case: f"{case.path}={case.value}"[:60])
def test_a_value_reaches_its_object(helm: Helm, case: Case) -> None:
    before, after = rendered(helm, case.given), rendered(helm, case.values)
    assert before.documents != after.documents
    for (where, pointer), expected in case.shows.items():
        (shown,) = found(after, where)
        assert holds(at(shown, pointer), expected), f"{where}{pointer} is {at(shown, pointer)!r}"
    for where in case.absent:
        assert found(before, where)
        assert not found(after, where)


@pytest.mark.parametrize("case", SETTINGS, ids=lambda case: case.path)
def test_a_setting_reaches_the_operator(helm: Helm, case: Case, tmp_path: Path) -> None:
    """The file in the ConfigMap is one that the operator takes."""
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(rendered(helm, case.values).config), "utf-8")
    loaded = config.load(file).model_dump(mode="json", by_alias=True)
    assert loaded[case.path.removeprefix("config.")] == case.value
    assert loaded["leaderElection"] is True
    assert (loaded["leaseNamespace"], loaded["leaseName"], loaded["port"]) == ("ns", FULLNAME, 8080)


def leaves(node: Json, path: str = "") -> Iterator[str]:
    """The path of each value in the schema; items of lists and entries of maps are one each."""
    while "$ref" in node:
        node = SCHEMA["$defs"][node["$ref"].removeprefix("#/$defs/")]
    if "properties" in node:
        for name, child in node["properties"].items():
            yield from leaves(child, f"{path}.{name}" if path else name)
    elif "items" in node:
        yield from leaves(node["items"], f"{path}[]")
    else:
        yield path


def used(value: Any, path: str = "") -> Iterator[str]:
    """The paths of the values that a test has set, in the form of `leaves`."""
    yield path
    if isinstance(value, dict):
        for name, child in value.items():
            yield from used(child, f"{path}.{name}" if path else name)
    if isinstance(value, list):
        for child in value:
            yield from used(child, f"{path}[]")


def test_every_value_of_the_schema_is_tested(record_property: Any) -> None:
    there = set(leaves(SCHEMA))
    tested = {path for case in (*CASES, *SETTINGS) for path in used(case.values)} & there
    record_property("values in the schema", len(there))
    record_property("values tested", len(tested | REFUSED | UNUSED))
    assert there - tested == REFUSED | UNUSED


def nodes(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of each map in a tree of values that has fixed keys."""
    if isinstance(node, dict):
        yield path
        for name, child in node.items():
            yield from nodes(child, (*path, name))
    if isinstance(node, list):
        for number, child in enumerate(node):
            yield from nodes(child, (*path, number))


def everything() -> Json:
    """All values at once, so that each map of the schema is there."""
    full: Any = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    for case in CASES:
        *parents, last = case.path.split(".")
        place = full
        for key in parents:
            place = place[key]
        if not isinstance(case.value, bool) and case.value is not None:
            place[last] = copy.deepcopy(case.value)
    full["credentials"]["federation"]["configMap"] = ""
    full["image"]["digest"] = ""
    return dict(full)


FULL = everything()
MAPS = {
    "annotations",
    "labels",
    "podLabels",
    "podAnnotations",
    "nodeSelector",
    "matchLabels",
    "limits",
    "requests",
}
"""Maps whose keys are the user's own."""
PLACES = [path for path in nodes(FULL) if not path or path[-1] not in MAPS]


def test_all_values_go_together(helm: Helm) -> None:
    assert helm.render(FULL).one("Deployment")


@pytest.mark.parametrize("path", PLACES, ids=lambda path: ".".join(map(str, path)) or "top")
def test_a_typo_is_refused(helm: Helm, path: tuple[str | int, ...]) -> None:
    typo = copy.deepcopy(FULL)
    place: Any = typo
    for key in path:
        place = place[key]
    place["typo"] = 1
    refusal = helm.refusal(typo)
    assert "additional properties 'typo' not allowed" in refusal


WRONG = [
    ({"replicaCount": "two"}, "replicaCount"),
    ({"replicaCount": -1}, "replicaCount"),
    ({"image": {"pullPolicy": "always"}}, "pullPolicy"),
    ({"image": {"digest": "latest"}}, "digest"),
    ({"image": {"tag": "a b"}}, "tag"),
    ({"config": {"pollInterval": 0}}, "pollInterval"),
    ({"config": {"logLevel": "TRACE"}}, "logLevel"),
    ({"config": {"threads": 1.5}}, "threads"),
    ({"config": {"leaderElection": False}}, "leaderElection"),
    ({"watchNamespaces": ["Team_A"]}, "watchNamespaces"),
    ({"watchNamespaces": ["a", "a"]}, "watchNamespaces"),
    ({"serviceMonitor": {"interval": "30"}}, "interval"),
    ({"podLabels": {"a": 1}}, "podLabels"),
    ({"runAsUser": 0}, "runAsUser"),
    ({"tolerations": [{"effect": "NoRun"}]}, "effect"),
]


@pytest.mark.parametrize(("given", "name"), WRONG, ids=[str(given) for given, _ in WRONG])
def test_a_wrong_value_is_refused_by_name(helm: Helm, given: Json, name: str) -> None:
    assert name in helm.refusal(given)


CONTRADICTIONS = [
    ({"credentials": {"key": "{}"}}, "kubectl -n ns create secret generic google-credentials"),
    (
        {"credentials": {"existingSecret": {"name": "a"}, "federation": {"configMap": "b", "audience": "c"}}},
        "exclude each other",
    ),
    ({"credentials": {"federation": {"configMap": "b"}}}, "credentials.federation.audience: required"),
    ({"serviceAccount": {"create": False}}, "serviceAccount.name: required"),
    ({"config": {"anonymous": True}}, "config.anonymous: needs config.endpoint"),
    ({"config": {"shards": 3}}, "replicaCount: 2 Pods cannot serve 3 shards"),
]


@pytest.mark.parametrize(("given", "hint"), CONTRADICTIONS, ids=[hint for _, hint in CONTRADICTIONS])
def test_a_contradiction_is_refused_with_the_way_out(helm: Helm, given: Json, hint: str) -> None:
    assert hint in helm.refusal(given)


def test_a_parent_chart_may_use_it(helm: Helm, tmp_path: Path) -> None:
    """As a dependency it gets `global`, and its parent's condition."""
    parent = tmp_path / "parent"
    (parent / "charts").mkdir(parents=True)
    (parent / "charts" / CHART.name).symlink_to(CHART)
    dependency = {"name": CHART.name, "version": ">=0.0.0-0", "condition": f"{CHART.name}.enabled"}
    chart = {"apiVersion": "v2", "name": "parent", "version": "1.0.0", "dependencies": [dependency]}
    (parent / "Chart.yaml").write_text(yaml.safe_dump(chart), "utf-8")
    given = {"global": {"x": 1}, CHART.name: {"enabled": True}}
    assert helm.render(given, chart=parent).one("Deployment")


def test_shards_have_leases_and_an_alert_for_each(helm: Helm) -> None:
    values = {"replicaCount": 4, "config": {"shards": 3}, "prometheusRule": {"enabled": True}}
    objects = helm.render(values)
    (role,) = [one for one in objects.of("Role") if one["metadata"]["name"].endswith("-lease")]
    assert role["rules"][2]["resourceNames"] == [FULLNAME, f"{FULLNAME}-1", f"{FULLNAME}-2"]
    (group,) = objects.one("PrometheusRule")["spec"]["groups"]
    alert = next(rule for rule in group["rules"] if rule["alert"] == "MljobsNoLeader")
    assert alert["expr"].endswith("< 3")
    assert "of one of the 3 shards: new jobs" in alert["annotations"]["description"]

"""What needs no helm: the generated files agree with the models, the metrics and each other."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase
from pydantic.alias_generators import to_camel

from mljobs import __version__
from mljobs.admin import crds
from mljobs.api.jobschedule import JOB_SCHEDULE
from mljobs.api.kinds import ALL_KINDS
from mljobs.api.resources import GROUP, KINDS
from mljobs.config import Settings
from mljobs.controller.kube import rights
from mljobs.controller.process.metrics import Metrics
from mljobs.controller.process.serve import EVERYWHERE
from tools.packaging import chart, dashboard, files, kustomize, values

ROOT = Path(__file__).parents[3]
CHART = ROOT / "helm" / "mljobs-operator"
BASE = ROOT / "deploy" / "base"
HEADER = "Generated."
Json = dict[str, Any]


def documents(path: Path) -> list[Json]:
    return [document for document in yaml.safe_load_all(path.read_text("utf-8")) if document]


@pytest.mark.parametrize("path", [path for path in files(HEADER) if not path.endswith(".json")])
def test_a_file_says_that_it_is_generated(path: str) -> None:
    assert HEADER in files(HEADER)[path]().splitlines()[0]


def test_the_version_is_that_of_the_package() -> None:
    about = yaml.safe_load(chart.chart_yaml(HEADER))
    assert about["version"] == about["appVersion"] == __version__
    (image,) = documents(BASE / "kustomization.yaml")[0]["images"]
    assert image == {"name": chart.NAME, "newTag": __version__}


def test_artifact_hub_can_read_its_annotations() -> None:
    about = yaml.safe_load(chart.chart_yaml(HEADER))["annotations"]
    listed = yaml.safe_load(about["artifacthub.io/crds"])
    assert [one["name"] for one in listed] == [kind.crd_name for kind in ALL_KINDS.values()]
    for example, kind in zip(
        yaml.safe_load(about["artifacthub.io/crdsExamples"]), (*KINDS.values(), JOB_SCHEDULE), strict=True
    ):
        kind.resource.model_validate(example)


def test_values_yaml_has_each_value_with_its_default() -> None:
    given = yaml.safe_load(chart.values_yaml(HEADER))

    def leaf(path: str) -> Any:
        place = given
        for key in path.split("."):
            place = place[key]
        return place

    for path, _, default in values.rows():
        assert leaf(path) == default, path


def test_each_value_is_documented_everywhere() -> None:
    readme = chart.readme(HEADER)
    comments = " ".join(re.sub(r"(?m)^ *# ?", " ", chart.values_yaml(HEADER)).split())
    for path, text, _ in values.rows():
        assert text.endswith("."), path
        assert f"| `{path}` |" in readme
        assert text in comments, path


def test_the_settings_are_those_of_the_operator() -> None:
    mine = {path.removeprefix("config.") for path, *_ in values.rows() if path.startswith("config.")}
    assert mine == {to_camel(name) for name in set(Settings.model_fields) - values.CHART_SETS}
    assert set(Settings.model_fields) >= values.CHART_SETS


def nodes(node: Any, path: str = "") -> Iterator[tuple[str, Json]]:
    if isinstance(node, dict):
        yield path, node
        for name, child in node.items():
            yield from nodes(child, f"{path}/{name}")
    if isinstance(node, list):
        for number, child in enumerate(node):
            yield from nodes(child, f"{path}/{number}")


def test_the_schema_leaves_no_object_open() -> None:
    schema = values.schema()
    objects = [(path, node) for path, node in nodes(schema) if node.get("type") == "object"]
    assert len(objects) > 30
    for path, node in objects:
        if path != "/properties/global":
            assert (
                node["additionalProperties"] is False
                or "type" in node["additionalProperties"]
                or ("anyOf" in node["additionalProperties"])
            ), path


def plain(text: str) -> list[Any]:
    """The documents of a template, but for labels, and for the annotation that keeps them."""
    lines = [line for line in text.splitlines() if "{{" not in line]
    own = ("  labels:", "  annotations:")
    return list(
        yaml.safe_load_all(
            "\n".join(line for line in lines if line not in own and "resource-policy" not in line)
        )
    )


@pytest.mark.parametrize("kind", ALL_KINDS.values(), ids=lambda kind: kind.name)
def test_the_chart_s_crd_is_the_crd(kind: Any) -> None:
    text = chart.crd_template(kind, HEADER)
    assert plain(text) == [crds.definition(kind)]
    assert "helm.sh/resource-policy: keep" in text


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_the_chart_s_policy_is_the_policy_and_comes_and_goes_with_the_crd(kind: Any) -> None:
    text = chart.policy_template(kind, HEADER)
    assert plain(text) == crds.policy(kind)
    assert text.count("helm.sh/resource-policy: keep") == len(crds.policy(kind))
    assert text.splitlines()[1] == "{{- if .Values.crds.enabled }}"


def test_braces_in_a_crd_are_no_template(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = KINDS["TrainingJob"]
    document = crds.definition(kind)
    document["spec"]["names"]["kind"] = "{{ .Values.x }}"
    monkeypatch.setattr(crds, "definition", lambda _: document)
    assert "kind: '{{ \"{{\" }} .Values.x }}'" in chart.crd_template(kind, HEADER)


ROLES = [*documents(BASE / "rbac.yaml"), *documents(BASE / "user-roles.yaml")]
ROLES += documents(ROOT / "deploy" / "overlays" / "namespace" / "role.yaml")
ROLES += documents(ROOT / "deploy" / "components" / "identities" / "role.yaml")


def test_all_roles_come_from_the_one_list() -> None:
    rules: dict[str, Any] = {}
    for name, text in re.findall(
        r'define "mljobs-operator\.(\w+)" -}}\n(.*?){{- end', chart.rules_template(HEADER), re.DOTALL
    ):
        plain = re.sub("^{{- with .*}}$", "", text, flags=re.MULTILINE)
        plain = plain.replace('{{- include "mljobs-operator.shardLeases" . | nindent 4 }}', "")
        plain = plain.replace("{{- toYaml . | nindent 2 }}", f"- {kustomize.IDENTITY_ACCOUNT}")
        rules[name] = yaml.safe_load(plain.replace('{{ include "mljobs-operator.fullname" . }}', chart.NAME))
    operator = [rule.document() for rule in rights.RESOURCES]
    classes = [rule.document() for rule in rights.CLASSES]
    lease = [rule.document() for rule in rights.leases(chart.NAME)]
    users = {role: [rule.document() for rule in given] for role, given in rights.USERS.items()}
    lasting, rest = (rules.pop(name) for name in ("lastingRules", "namespaceRules"))
    assert lasting == {mode: [rule.document() for rule in given] for mode, given in rights.LASTING.items()}
    assert rest == {
        mode: [rule.document() for rule in rights.without(given)] for mode, given in rights.LASTING.items()
    }
    tokens = [rule.document() for rule in rights.account_tokens((kustomize.IDENTITY_ACCOUNT,))]
    schedules = [rule.document() for rule in rights.SCHEDULES]
    assert rules == {
        "rules": [*operator, *classes],
        "scheduleRules": schedules,
        "leaseRules": lease,
        "userRules": users,
        "identityRules": tokens,
    }
    there = {(role["kind"], role["metadata"]["name"]): role["rules"] for role in ROLES if "rules" in role}
    assert there == {
        ("ClusterRole", chart.NAME): [*operator, *schedules, *classes],
        ("Role", f"{chart.NAME}-jobs"): [*operator, *schedules],
        ("Role", chart.NAME): lease,
        ("ClusterRole", f"{chart.NAME}-identities"): tokens,
        **{("ClusterRole", f"{chart.NAME}-{role}"): given for role, given in users.items()},
    }


@pytest.mark.parametrize("mode", rights.LASTING)
def test_what_outlives_a_namespace_and_its_role_are_all_rights_and_none_twice(mode: str) -> None:
    lasting, rest = rights.LASTING[mode], rights.without(rights.LASTING[mode])
    both = [*rights.permissions(lasting), *rights.permissions(rest)]
    assert sorted(both) == sorted(rights.permissions(rights.RESOURCES))
    assert {rule.group for rule in lasting} <= {GROUP}, "the admission policy confines nothing else"


def test_tokens_of_no_account_are_no_right() -> None:
    """A rule without names would be one for every ServiceAccount of the cluster."""
    assert rights.account_tokens(()) == ()


def test_the_chart_offers_each_choice_of_what_outlives_a_namespace() -> None:
    offered = values.Rbac.model_json_schema(by_alias=True)["properties"]["namespaceDeletion"]["enum"]
    assert offered == list(rights.LASTING)


def test_no_rule_is_wider_than_it_looks() -> None:
    rules = (
        *rights.needed(schedules=True),
        *rights.CLASSES,
        *rights.leases(chart.NAME),
        *(rule for role in rights.USERS.values() for rule in role),
    )
    granted = list(rights.permissions(rules))
    assert not [one for one in granted if "*" in one]
    assert not [one for one in granted if "secrets" in one[1]]
    own = list(rights.permissions((*rights.needed(schedules=True), *rights.leases(chart.NAME))))
    assert len(own) == len(set(own)), "a permission is granted twice"


def served() -> dict[str, set[str]]:
    """The names under which Prometheus sees the operator's metrics, with their labels."""
    metrics: dict[str, set[str]] = {}
    for metric in vars(Metrics()).values():
        if isinstance(metric, MetricWrapperBase):
            labels = set(metric._labelnames)
            for sample in ("", "_total", "_bucket", "_sum", "_count"):
                metrics[f"{metric._name}{sample}"] = labels | ({"le"} if sample == "_bucket" else set())
    return metrics


EXPRESSIONS = {
    f"{panel['title']} {target['refId']}": target["expr"]
    for panel in json.loads(dashboard.dashboard())["panels"]
    for target in panel["targets"]
}
ALERTS = (CHART / "templates" / "prometheusrule.yaml").read_text("utf-8")
EXPRESSIONS |= re.findall(r"- alert: (\w+)\n +expr: \|-\n((?: {12}.*\n)+)", ALERTS)
PLACES = {"namespace", "job", "pod"}


@pytest.mark.parametrize("title", EXPRESSIONS)
def test_a_query_asks_for_metrics_that_are_served(title: str) -> None:
    expression = EXPRESSIONS[title]
    known = served()
    asked = re.findall(r"([a-z_]+)\{([^}]*)\}", re.sub(r"\{\{-.*?-\}\}", "", expression))
    assert asked
    for name, selector in asked:
        assert name in known, name
        labels = set(re.findall(r"(\w+) *=", selector))
        assert labels <= known[name] | PLACES, labels
    for group in re.findall(r"by \(([^)]*)\)", expression):
        assert set(group.replace(" ", "").split(",")) <= {label for name, _ in asked for label in known[name]}


def test_each_metric_of_the_operator_is_shown() -> None:
    shown = " ".join(EXPRESSIONS.values())
    for metric in vars(Metrics()).values():
        if isinstance(metric, MetricWrapperBase):
            assert metric._name in shown, metric._name


def test_all_alerts_are_among_the_queries() -> None:
    assert ALERTS.count("- alert:") == sum(1 for title in EXPRESSIONS if title.startswith("Mljobs")) == 10


def test_the_chart_serves_at_all_addresses_of_both_families() -> None:
    """The kubelet of an IPv6-only cluster asks at the Pod's address, which is none of IPv4."""
    helpers = (CHART / "templates" / "_helpers.tpl").read_text("utf-8")
    assert re.findall(r'"host" "([^"]*)"', helpers) == [EVERYWHERE]

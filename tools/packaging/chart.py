"""The generated files of the chart: what follows from the models or another part of mljobs."""

import json
import textwrap
from importlib.resources import files
from typing import Any

import yaml
from pydantic.alias_generators import to_camel

from mljobs import __version__
from mljobs.admin import crds
from mljobs.api.base import JsonObject
from mljobs.api.jobschedule import JOB_SCHEDULE
from mljobs.api.kinds import ALL_KINDS
from mljobs.api.resources import API_VERSION, KINDS, TRAINING_JOB, JobKind, ResourceKind
from mljobs.console.documents import writing
from mljobs.controller.kube import rights
from tools.packaging import values
from tools.packaging.scheduling import Part, Passed

NAME = "mljobs-operator"
KUBE_VERSION = ">=1.31.0-0"
"""The first that serves selectableFields; older API servers refuse the CRDs."""

_WIDTH = 100
_NAMES = "NAMES"
_LEASE = '{{ include "mljobs-operator.fullname" . }}'


def chart_yaml(header: str) -> str:
    """Chart.yaml."""
    annotations = {
        "artifacthub.io/category": "ai-machine-learning",
        "artifacthub.io/license": "Apache-2.0",
        "artifacthub.io/operator": "true",
        "artifacthub.io/operatorCapabilities": "Full Lifecycle",
        "artifacthub.io/prerelease": str(__version__.startswith("0.")).lower(),
        "artifacthub.io/crds": _listed([_listing(kind) for kind in ALL_KINDS.values()]),
        "artifacthub.io/crdsExamples": _listed([_example(kind) for kind in (*KINDS.values(), JOB_SCHEDULE)]),
    }
    document = {
        "apiVersion": "v2",
        "name": NAME,
        "description": "Runs TrainingJob and PredictionJob resources on Google's managed ML service",
        "type": "application",
        "version": __version__,
        "appVersion": __version__,
        "kubeVersion": KUBE_VERSION,
        "keywords": ["machine-learning", "training", "batch-prediction", "ai-platform", "operator"],
        "annotations": annotations,
    }
    text = writing.dump([document], dumper=_Dumper, width=_WIDTH)
    return f"# {header}\n{text}"


def values_yaml(header: str) -> str:
    """values.yaml, with the documentation of each value above it."""
    lines = [f"# {header}"]
    lines += _section(values.Values, "")
    return "\n".join(lines) + "\n"


def values_schema() -> str:
    """values.schema.json."""
    return json.dumps(values.schema(), indent=2, ensure_ascii=False) + "\n"


def readme(header: str) -> str:
    """README.md: prose, and the table of all values."""
    prose = files("tools.packaging").joinpath("chart_readme.md").read_text("utf-8")
    table = ["| value | default | what it is |", "|---|---|---|"]
    for path, text, default in values.rows():
        shown = json.dumps(default, ensure_ascii=False)
        table.append(f"| `{path}` | `{shown}` | {text.replace('|', chr(92) + '|')} |")
    return f"<!-- {header} -->\n\n" + prose.replace("{{ values }}", "\n".join(table))


def crd_template(kind: ResourceKind, header: str) -> str:
    """A CRD as a template, which an upgrade of the release upgrades too."""
    return _cluster_wide([crds.definition(kind)], kind, header)


def policy_template(kind: JobKind, header: str) -> str:
    """The policy of a kind of job and its binding, as a template; they come and go with its CRD."""
    return _cluster_wide(crds.policy(kind), kind, header)


def _cluster_wide(documents: list[JsonObject], kind: ResourceKind, header: str) -> str:
    """Objects that bear a CRD's name, as a template with the switches of CRDs."""
    text = crds.render(documents).replace("{{", '{{ "{{" }}')
    head = f"  name: {kind.crd_name}\n"
    extra = textwrap.dedent("""\
      labels:
        {{- include "mljobs-operator.labels" . | nindent 4 }}
      {{- if .Values.crds.keep }}
      annotations:
        helm.sh/resource-policy: keep
      {{- end }}
    """)
    text = text.replace(head, head + textwrap.indent(extra, "  "))
    return f"{{{{- /* {header} */}}}}\n{{{{- if .Values.crds.enabled }}}}\n{text}{{{{- end }}}}\n"


def rules_template(header: str) -> str:
    """Named templates with the rules of all roles."""
    definitions = {
        "rules": _documents((*rights.RESOURCES, *rights.CLASSES)),
        "scheduleRules": _documents(rights.SCHEDULES),
        "lastingRules": {mode: _documents(rules) for mode, rules in rights.LASTING.items()},
        "namespaceRules": {mode: _documents(rights.without(rules)) for mode, rules in rights.LASTING.items()},
        "leaseRules": _documents(rights.leases(_LEASE)),
        "userRules": {role: _documents(rules) for role, rules in rights.USERS.items()},
    }
    parts = [f"{{{{/* {header} */}}}}\n"]
    for name, content in definitions.items():
        text = _yaml(content)
        if name == "leaseRules":
            text = _with_shards(text)
        parts.append(f'{{{{- define "{NAME}.{name}" -}}}}\n{text}{{{{- end }}}}\n')
    parts.append(f'{{{{- define "{NAME}.identityRules" -}}}}\n{_identity_rules()}{{{{- end }}}}\n')
    return "\n".join(parts)


def _with_shards(rules: str) -> str:
    """The rules of the Lease, where the last one is for the Leases of all shards."""
    head, verbs, tail = rules.rpartition("  verbs:\n")
    return f'{head}    {{{{- include "{NAME}.shardLeases" . | nindent 4 }}}}\n{verbs}{tail}'


def _identity_rules() -> str:
    """The rules for tokens of the ServiceAccounts that the values name."""
    rules = _yaml(_documents(rights.account_tokens((_NAMES,))))
    rules = rules.replace(f"  - {_NAMES}\n", "  {{- toYaml . | nindent 2 }}\n")
    return f"{{{{- with .Values.rbac.identityServiceAccounts }}}}\n{rules}{{{{- end }}}}\n"


def _documents(rules: tuple[rights.PolicyRule, ...]) -> list[JsonObject]:
    return [rule.document() for rule in rules]


def _section(model: type[Part], indent: str) -> list[str]:
    """The lines of a section; a blank line stands between those of the first level."""
    lines = []
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        key = to_camel(name)
        if not indent:
            lines.append("")
        if isinstance(default, Part) and not isinstance(default, Passed):
            lines += _comment(type(default).__doc__ or "", indent)
            lines += [f"{indent}{key}:", *_section(type(default), f"{indent}  ")]
        else:
            lines += _comment(f"-- {field.description}", indent)
            lines += textwrap.indent(_yaml({key: values.as_json(default)}), indent).splitlines()
    return lines


def _comment(text: str, indent: str) -> list[str]:
    return [
        f"{indent}# {line}"
        for line in textwrap.wrap(" ".join(text.split()), _WIDTH - len(indent), break_on_hyphens=False)
    ]


def _yaml(content: Any) -> str:
    return crds.render([content])


def _listed(content: list[JsonObject]) -> str:
    return writing.dump([content], width=_WIDTH)


def _listing(kind: ResourceKind) -> JsonObject:
    return {
        "kind": kind.name,
        "version": API_VERSION.partition("/")[2],
        "name": kind.crd_name,
        "displayName": kind.name,
        "description": " ".join((kind.resource.__doc__ or "").split()),
    }


def _example(kind: ResourceKind) -> JsonObject:
    """A small valid resource."""
    return {
        "apiVersion": API_VERSION,
        "kind": kind.name,
        "metadata": {"name": "census"},
        "spec": _job_spec(kind) if isinstance(kind, JobKind) else _schedule_spec(),
    }


def _schedule_spec() -> JsonObject:
    return {
        "schedule": "0 3 * * *",
        "timeZone": "Europe/Berlin",
        "concurrencyPolicy": "Forbid",
        "template": {"kind": TRAINING_JOB.name, "spec": _job_spec(TRAINING_JOB)},
    }


def _job_spec(kind: JobKind) -> JsonObject:
    given: dict[str, JsonObject] = {
        "TrainingJob": {
            "region": "us-central1",
            "scaleTier": "BASIC",
            "masterConfig": {"imageUri": "gcr.io/my-project/census:1"},
        },
        "PredictionJob": {
            "region": "us-central1",
            "dataFormat": "JSON",
            "inputPaths": ["gs://my-bucket/in/*"],
            "outputPath": "gs://my-bucket/out",
            "modelName": "projects/my-project/models/census",
        },
    }
    return {"projectId": "my-project", kind.input_field: given[kind.name]}


class _Dumper(writing.Dumper):
    """Writes a text of several lines as such."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        """A text, in a block of its own where it has several lines."""
        if "\n" in text:
            return self.represent_scalar("tag:yaml.org,2002:str", text, style="|")
        return super().represent_text(text)

"""`mljobs crds`: the CustomResourceDefinitions, as the cluster gets them."""

import re
from typing import Any

import yaml

from mljobs.api import crd
from mljobs.api.resources import Kind
from mljobs.domain.spec import rules

JsonObject = dict[str, Any]


def crds() -> None:
    """Print both CustomResourceDefinitions as YAML, for `kubectl apply --server-side -f -`."""
    print(render(definitions()), end="")


def definitions() -> list[JsonObject]:
    """Both CRDs with all their rules, in the order of the kinds."""
    return crd.crds(rules.cel_rules())


def definition(kind: Kind) -> JsonObject:
    """The CRD of one kind, with all its rules."""
    (document,) = (one for one in definitions() if one["metadata"]["name"] == kind.crd_name)
    return document


def render(documents: list[JsonObject]) -> str:
    """Write documents as YAML in block style, with their keys in the order they have."""
    return yaml.dump_all(
        documents,
        Dumper=_Dumper,
        explicit_start=len(documents) > 1,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=110,
    )


class _Dumper(yaml.SafeDumper):
    """Indents lists below their key, and writes what occurs twice twice."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, False)


# YAML 1.1, which kubectl reads, takes these for booleans, and PyYAML does not: they have to be quoted.
_Dumper.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"[yYnN]\Z"), list("yYnN"))

"""`mljobs crds`: the CustomResourceDefinitions, as the cluster gets them."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mljobs.api.crd import CelRules
    from mljobs.api.resources import ResourceKind

JsonObject = dict[str, Any]


def crds() -> None:
    """Print all CustomResourceDefinitions as YAML, for `kubectl apply --server-side -f -`."""
    print(render(definitions()), end="")


def definitions() -> list[JsonObject]:
    """All CRDs with all their rules, in the order of the kinds."""
    from mljobs.api import crd

    return crd.crds(_rules())


def definition(kind: "ResourceKind") -> JsonObject:
    """The CRD of one kind, with all its rules."""
    from mljobs.api import crd

    return crd.crd(kind, _rules().get(kind.name))


def _rules() -> "CelRules":
    from mljobs.api.jobschedule import JOB_SCHEDULE
    from mljobs.domain.schedule.validate import CEL_RULES
    from mljobs.domain.spec import rules

    return {**rules.cel_rules(), JOB_SCHEDULE.name: CEL_RULES}


def render(documents: list[JsonObject]) -> str:
    """Write documents as YAML in block style, with their keys in the order they have."""
    from mljobs.console.documents import writing

    return writing.dump(documents, dumper=writing.IndentingDumper)

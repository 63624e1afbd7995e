"""`mljobs crds`: the CustomResourceDefinitions and their policies, as the cluster gets them."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mljobs.api.crd import Rules
    from mljobs.api.resources import JobKind, ResourceKind

JsonObject = dict[str, Any]


def crds() -> None:
    """Print all CustomResourceDefinitions and their policies, for `kubectl apply --server-side -f -`."""
    print(render(manifests()), end="")


def manifests() -> list[JsonObject]:
    """All that `mljobs crds` installs: the CRDs, and the policies that judge by the rules."""
    from mljobs.api.resources import KINDS

    return [*definitions(), *(document for kind in KINDS.values() for document in policy(kind))]


def definitions() -> list[JsonObject]:
    """All CRDs, in the order of the kinds."""
    from mljobs.api.kinds import ALL_KINDS

    return [*map(definition, ALL_KINDS.values())]


def definition(kind: "ResourceKind") -> JsonObject:
    """The CRD of one kind, with those of its rules that stand there."""
    from mljobs.api import crd
    from mljobs.api.resources import JobKind

    rules = _rules(kind)
    return crd.crd(kind, crd.in_crd(kind, rules) if isinstance(kind, JobKind) else rules)


def policy(kind: "JobKind") -> list[JsonObject]:
    """The policy of a kind of job, with the rules that do not stand in its CRD, and its binding."""
    from mljobs.api import policy as policies

    return policies.documents(kind, _rules(kind))


def judged(kind: "ResourceKind") -> "Rules":
    """All rules that the API server judges a kind by, in CRD or policy, by path."""
    from mljobs.api import crd
    from mljobs.api.resources import JobKind

    fixed = {"": crd.fixed_once_submitted(kind)} if isinstance(kind, JobKind) else {}
    own, rules = {**fixed, **crd.own_rules(kind)}, _rules(kind)
    return {path: [*own.get(path, ()), *rules.get(path, ())] for path in {**own, **rules}}


def _rules(kind: "ResourceKind") -> "Rules":
    """The rules that come from elsewhere than the API."""
    from mljobs.api.jobschedule import JOB_SCHEDULE
    from mljobs.domain.schedule.validate import CEL_RULES
    from mljobs.domain.spec import rules

    return CEL_RULES if kind is JOB_SCHEDULE else rules.cel_rules().get(kind.name, {})


def render(documents: list[JsonObject]) -> str:
    """Write documents as YAML in block style, with their keys in the order they have."""
    from mljobs.console.documents import writing

    return writing.dump(documents, dumper=writing.IndentingDumper)

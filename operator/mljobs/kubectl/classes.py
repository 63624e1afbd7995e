"""`kubectl mljobs classes`: which JobClasses a namespace may use, and why not the others."""

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mljobs.kubectl.failure import Failure
from mljobs.kubectl.options import ContextOption, KubeconfigOption, NamespaceOption, Output, connect

if TYPE_CHECKING:
    from mljobs.domain.classes.offers import Offer
    from mljobs.kubectl.cluster import Cluster

_USABLE = {True: "yes", False: "no", None: "unknown"}
_READ = "have the administrator grant you `list jobclasses`, or tell you the names of the classes"


def classes(
    output: Annotated[Output, typer.Option("--output", "-o", help="What to print.")] = Output.TABLE,
    namespace: NamespaceOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Show which JobClasses a namespace may use, and why not the others.

    A job names its class in spec.jobClassName; one that names none has the default.
    """
    from mljobs.api.jobclass import JOB_CLASS
    from mljobs.domain.classes.offers import offers

    cluster = connect(namespace, context, kubeconfig)
    try:
        bodies: list[Mapping[str, Any]] = [*cluster.items([JOB_CLASS], everywhere=True)]
    except Failure as error:
        if "cannot list resource" in str(error):
            raise Failure(str(error), hint=_READ) from None
        raise
    _print(offers(bodies, cluster.namespace, _labels(cluster)), output, cluster.namespace)


def _labels(cluster: "Cluster") -> Mapping[str, str] | None:
    """The labels of the namespace; None where they may not be read."""
    try:
        return cluster.namespace_labels()
    except Failure:
        return None


def _print(found: Sequence["Offer"], output: Output, namespace: str) -> None:
    from mljobs.console.text import dump, show, table

    if output in (Output.JSON, Output.YAML):
        print(dump([_document(one) for one in found], output), end="")
    elif output is Output.NAME:
        for one in found:
            if one.usable:
                print(f"jobclass.mljobs.dev/{one.name}")
    elif not found:
        print("there is no JobClass: the operator's own settings are the class", file=sys.stderr)
    else:
        headers = ["NAME", "SERVICE", "DEFAULT", "USABLE", "PROJECTS", "LOCATIONS", "WHY NOT"]
        show(table(headers, map(_row, found), wrap="WHY NOT"), wrapping=True)
        if not any(one.usable for one in found):
            print(f"namespace {namespace} may use no class: ask the administrator", file=sys.stderr)


def _row(offer: "Offer") -> list[str]:
    default = "yes" if offer.default else ""
    places = [
        ", ".join(names) or "any" if offer.service else "" for names in (offer.projects, offer.locations)
    ]
    return [offer.name, offer.service, default, _USABLE[offer.usable], *places, offer.why]


def _document(offer: "Offer") -> dict[str, Any]:
    return {
        "name": offer.name,
        "service": offer.service,
        "default": offer.default,
        "usable": offer.usable,
        "why": offer.why,
        "projects": list(offer.projects),
        "locations": list(offer.locations),
    }

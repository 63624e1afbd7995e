"""`kubectl mljobs list`: all jobs of a namespace in one table."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mljobs.kubectl.options import ContextOption, KubeconfigOption, NamespaceOption, Output, connect

if TYPE_CHECKING:
    from mljobs.api.resources import JobKind

Json = Mapping[str, Any]


def list_jobs(
    kind: Annotated[
        str | None,
        typer.Argument(metavar="[KIND]", help="trainingjob (tj) or predictionjob (pj); both where left out."),
    ] = None,
    everywhere: Annotated[bool, typer.Option("--all-namespaces", "-A", help="In all namespaces.")] = False,
    states: Annotated[
        list[str] | None,
        typer.Option(
            "--state", metavar="STATE", help="Only jobs in this state, such as RUNNING; repeatable."
        ),
    ] = None,
    selector: Annotated[
        str, typer.Option("--selector", "-l", metavar="LABELS", help="Only resources with these labels.")
    ] = "",
    output: Annotated[Output, typer.Option("--output", "-o", help="What to print.")] = Output.TABLE,
    namespace: NamespaceOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """List training and prediction jobs."""
    from mljobs.api.resources import KINDS
    from mljobs.kubectl.references import kind_named

    wanted = [_state(word) for word in states or ()]
    kinds = [kind_named(kind)] if kind else list(KINDS.values())
    cluster = connect(namespace, context, kubeconfig)
    fields = f"status.state={wanted[0]}" if len(wanted) == 1 else ""
    found = cluster.items(kinds, everywhere=everywhere, labels=selector, fields=fields)
    items = [item for item in found if not wanted or _status(item).get("state") in wanted]
    _print(items, output, everywhere, cluster.namespace)


def _state(word: str) -> str:
    from mljobs.api.outputs import State
    from mljobs.kubectl.failure import TROUBLE, Failure

    if word.upper() not in State.__members__:
        raise Failure(f"--state {word}: must be one of {', '.join(State)}", code=TROUBLE)
    return word.upper()


def _print(items: Sequence[Json], output: Output, everywhere: bool, namespace: str) -> None:
    import sys

    from mljobs.console.text import dump, print_resource, show, table, tidy

    if output in (Output.JSON, Output.YAML):
        document = {
            "apiVersion": "v1",
            "kind": "List",
            "metadata": {},
            "items": [tidy(item) for item in items],
        }
        print(dump(document, output), end="")
    elif output is Output.NAME:
        for item in items:
            print_resource(item, output, "")
    elif not items:
        where = "any namespace" if everywhere else f"namespace {namespace}"
        print(f"no jobs found in {where}", file=sys.stderr)
    else:
        now = datetime.now(UTC)
        show(table(headers(output, everywhere), (row(item, output, everywhere, now) for item in items)))


def headers(output: Output, everywhere: bool) -> list[str]:
    """The names of the columns."""
    wide = ["PROJECT", "LOCATION", "REASON"] if output is Output.WIDE else []
    return [*(["NAMESPACE"] if everywhere else []), "KIND", "NAME", "STATE", "JOB", *wide, "AGE"]


def row(item: Json, output: Output, everywhere: bool, now: datetime) -> list[str]:
    """One resource's cells. A resource without a job yet has a reason in place of the state."""
    from mljobs.api.resources import KINDS
    from mljobs.console.text import age

    status, meta, spec = _status(item), item["metadata"], item.get("spec") or {}
    cells = [meta.get("namespace", "")] if everywhere else []
    cells += [item["kind"], meta["name"], status.get("state") or _reason(status, "Submitted")]
    cells.append(str(status.get("jobId") or ""))
    if output is Output.WIDE:
        project = status.get("projectId") or spec.get("projectId") or ""
        place = location(item, KINDS[item["kind"]])
        cells += [str(project), place, _reason(status, "Succeeded")]
    return [*cells, age(meta.get("creationTimestamp"), now)]


def location(item: Json, kind: "JobKind") -> str:
    """Where a resource's job is, or is to be; empty if only the operator knows."""
    spec = item.get("spec") or {}
    regions = ((spec.get(part) or {}).get("region") for part in ("vertex", kind.input_field))
    return str(_status(item).get("location") or next(filter(None, regions), ""))


def _status(item: Json) -> Json:
    return item.get("status") or {}


def _reason(status: Json, kind: str) -> str:
    for condition in status.get("conditions") or ():
        if condition.get("type") == kind:
            return str(condition.get("reason", ""))
    return ""

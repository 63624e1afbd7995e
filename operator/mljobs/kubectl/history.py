"""`kubectl mljobs history`: the records of finished resources, which the operator writes before they go."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from mljobs.kubectl.failure import TROUBLE, Failure
from mljobs.kubectl.options import Output

Record = Mapping[str, Any]

HEADERS = ["FINISHED", "NAMESPACE", "KIND", "NAME", "OUTCOME", "ATTEMPTS", "JOB"]


def history(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only resources of this name.")] = None,
    files: Annotated[
        list[Path] | None,
        typer.Option(
            "--file", "-f", metavar="FILE", help="The operator's output; standard input where left out."
        ),
    ] = None,
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="Only this namespace; all where left out.")
    ] = None,
    outcome: Annotated[
        str | None, typer.Option("--outcome", metavar="OUTCOME", help="Succeeded, Failed or Cancelled.")
    ] = None,
    output: Annotated[Output, typer.Option("--output", "-o", help="table or json.")] = Output.TABLE,
) -> None:
    """Show how resources have ended that may be deleted by now.

    The operator writes one line of JSON for each to its standard output, before the resource goes: `kubectl
    logs deploy/mljobs-operator -n mljobs-system | kubectl mljobs history`. Other lines are passed over.
    """
    if output not in (Output.TABLE, Output.JSON):
        raise Failure(f"--output {output}: must be table or json", code=TROUBLE)
    wanted = {"name": name, "namespace": namespace, "outcome": _word(outcome)}
    found = [
        record
        for record in newest(_lines(files or []))
        if all(value is None or record.get(key) == value for key, value in wanted.items())
    ]
    if output is Output.JSON:
        for record in found:
            print(json.dumps(record, ensure_ascii=False))
    elif not found:
        print("no records found", file=sys.stderr)
    else:
        from mljobs.console.text import show, table

        show(table(HEADERS, map(row, found)))


def newest(lines: Iterable[str]) -> list[Record]:
    """The records among lines, the last one of each resource, in the order in which they finished."""
    found: dict[str, Record] = {}
    for line in lines:
        record = _record(line)
        if record:
            found[str(record.get("uid"))] = record
    return sorted(found.values(), key=lambda record: str(record.get("finishedAt", "")))


def row(record: Record) -> list[str]:
    """One resource's cells."""
    attempts = [one for one in record.get("attempts") or () if isinstance(one, Mapping)]
    last = attempts[-1] if attempts else {}
    cells = [record.get(key) for key in ("finishedAt", "namespace", "kind", "name", "outcome")]
    return [str(cell or "") for cell in (*cells, last.get("attempt"), last.get("jobId"))]


def _record(line: str) -> Record | None:
    from mljobs.domain.show.history import MARK

    if MARK not in line:
        return None
    try:
        record = json.loads(line[line.index("{") :])  # what collects logs may put a prefix before it
    except ValueError:
        return None
    return record if isinstance(record, dict) and MARK in record else None


def _word(outcome: str | None) -> str | None:
    from mljobs.api.outputs import Outcome

    if outcome is None or outcome.capitalize() in set(Outcome):
        return outcome and outcome.capitalize()
    raise Failure(f"--outcome {outcome}: must be one of {', '.join(Outcome)}", code=TROUBLE)


def _lines(files: Iterable[Path]) -> Iterator[str]:
    paths = list(files)
    if not paths:
        if sys.stdin.isatty():
            raise Failure(
                "nothing to read",
                hint="give --file, or pipe the output of `kubectl logs deploy/mljobs-operator` into it",
                code=TROUBLE,
            )
        yield from sys.stdin
    for path in paths:
        try:
            with path.open(encoding="utf-8", errors="replace") as file:
                yield from file
        except OSError as error:
            raise Failure(f"--file {path}: {error.strerror}", code=TROUBLE) from error

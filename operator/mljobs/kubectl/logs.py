"""`kubectl mljobs logs`: what a job has written to Cloud Logging."""

import asyncio
import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from mljobs.kubectl.failure import REFUSED, TROUBLE, Failure
from mljobs.kubectl.options import (
    Access,
    AnonymousOption,
    ContextOption,
    KubeconfigOption,
    LoggingEndpointOption,
    NameArgument,
    NamespaceOption,
    connect,
    length_of_time,
)

if TYPE_CHECKING:
    from mljobs.kubectl.cluster import Cluster
    from mljobs.kubectl.log_reader import Entry, Reader
    from mljobs.kubectl.references import Found

SEVERITIES = (
    "DEFAULT",
    "DEBUG",
    "INFO",
    "NOTICE",
    "WARNING",
    "ERROR",
    "CRITICAL",
    "ALERT",
    "EMERGENCY",
)
"""The words of `LogEntry.severity`, the least severe first."""


@dataclass(frozen=True)
class _Wish:
    """Which lines to print, in which format, and the poll interval in seconds."""

    query: str = ""
    since: datetime | None = None
    tail: int | None = None
    as_json: bool = False
    interval: float = 5.0


def logs(
    name: NameArgument,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with new lines until the job has ended.")
    ] = False,
    tail: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Only so many of the newest lines to begin with.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only lines of the last 15m, 2h, …")
    ] = None,
    severity: Annotated[
        str | None,
        typer.Option(metavar="WORD", help="Only lines at least so severe: INFO, WARNING, ERROR, …"),
    ] = None,
    task: Annotated[
        str | None, typer.Option("--task-name", metavar="TASK", help="Only one task's: master-replica-0, …")
    ] = None,
    query: Annotated[
        str, typer.Option("--filter", metavar="QUERY", help="Further condition in Logging's query language.")
    ] = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print each entry as a line of JSON, with all its fields.")
    ] = False,
    interval: Annotated[str, typer.Option(metavar="TIME", help="Between two polls for new lines.")] = "5s",
    endpoint: LoggingEndpointOption = "",
    anonymous: AnonymousOption = False,
    namespace: NamespaceOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Print a job's log from Cloud Logging.

    It is read with your own Google credentials. With --follow it waits for a job that is not submitted yet.
    """
    from mljobs.kubectl.references import find
    from mljobs.kubectl.service import ask

    wish = _Wish(
        _query(query, severity, task),
        datetime.now(UTC) - timedelta(seconds=length_of_time("--since", since)) if since else None,
        tail,
        as_json,
        length_of_time("--interval", interval),
    )
    cluster = connect(namespace, context, kubeconfig)
    found = find(cluster, name)
    if follow and "jobName" not in found.status:
        found = _submitted(cluster, found)
    ask(_print_log(cluster, found, wish, follow=follow, logs=Access(endpoint, anonymous)))


def follow_to_the_end(cluster: "Cluster", found: "Found", logs: Access) -> None:
    """Wait until a new resource's job is submitted, print its log until it has ended, and judge its end.

    Raises:
        Failure: the job was not accepted, or has not succeeded.
    """
    from mljobs.kubectl.service import ask
    from mljobs.kubectl.wait import Goal, await_goal

    ask(_print_log(cluster, _submitted(cluster, found), _Wish(), follow=True, logs=logs))
    ended = await_goal(cluster, found, Goal.SUCCEEDED, None, _tell)
    if ended is None or not ended.reached:
        raise Failure(f"{found.title}: {ended.text if ended else 'has not succeeded'}", code=REFUSED)


def _submitted(cluster: "Cluster", found: "Found") -> "Found":
    """The resource once the service has accepted its job.

    Raises:
        Failure: it never will, as things are.
    """
    from mljobs.kubectl.references import find
    from mljobs.kubectl.wait import Goal, await_goal

    verdict = await_goal(cluster, found, Goal.SUBMITTED, None, _tell)
    if verdict is None or not verdict.reached:
        raise Failure(f"{found.title}: {verdict.text if verdict else 'is not submitted'}")
    return find(cluster, found.title)


def _tell(line: str) -> None:
    print(line, file=sys.stderr)


def _query(query: str, severity: str | None, task: str | None) -> str:
    """The conditions of the flags in Logging's query language."""
    parts = [f"({query})"] if query else []
    if severity:
        if severity.upper() not in SEVERITIES:
            raise Failure(f"--severity {severity}: must be one of {', '.join(SEVERITIES)}", code=TROUBLE)
        parts.append(f"severity>={severity.upper()}")
    if task:
        if any(char in '"\\' or not char.isprintable() for char in task):
            raise Failure(
                f"--task-name {task!r}: must be a task's name, such as master-replica-0", code=TROUBLE
            )
        parts.append(f'resource.labels.task_name="{task}"')
    return " AND ".join(parts)


async def _print_log(cluster: "Cluster", found: "Found", wish: _Wish, *, follow: bool, logs: Access) -> None:
    from mljobs.backends import open_job_logs
    from mljobs.kubectl.log_reader import Reader

    (project, _), job_id = found.job, found.log_id
    async with open_job_logs(endpoint=logs.endpoint, anonymous=logs.anonymous) as source:
        reader = Reader(partial(source.page, project, job_id, query=wish.query), wish.since)
        if wish.tail:
            for entry in await reader.last(wish.tail):
                _print_entry(entry, wish)
        else:
            await _print_fresh(reader, wish)
        ended = not follow
        while not ended:
            ended = _has_ended(cluster, found)
            await asyncio.sleep(wish.interval)
            # Entries come in after the end, too: the log is over when a whole interval has brought none.
            ended = not await _patiently(reader, wish) and ended


async def _print_fresh(reader: "Reader", wish: _Wish) -> int:
    """Print what is new, and return the number of entries."""
    count = 0
    async for entry in reader.fresh():
        _print_entry(entry, wish)
        count += 1
    return count


async def _patiently(reader: "Reader", wish: _Wish) -> int:
    """Print what is new; a service that cannot answer for now is asked again later."""
    from mljobs.domain.errors import Throttled, Unavailable

    try:
        return await _print_fresh(reader, wish)
    except (Throttled, Unavailable) as error:
        _tell(f"warning: {' '.join(str(error).split())}; trying again")
        return 1


def _has_ended(cluster: "Cluster", found: "Found") -> bool:
    from mljobs.domain.policies.outcome import is_over

    try:
        body = cluster.get(found.kind, found.name)
    except Failure as failure:
        _tell(f"warning: {failure}; trying again")
        return False
    return body is None or is_over(body.get("status") or {})


def _print_entry(entry: "Entry", wish: _Wish) -> None:
    from mljobs.kubectl.log_reader import lines

    if wish.as_json:
        print(json.dumps(entry, ensure_ascii=False), flush=True)
        return
    for line in lines(entry):
        print(line, flush=True)

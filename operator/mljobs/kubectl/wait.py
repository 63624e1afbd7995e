"""`kubectl mljobs wait`: until a job is where a script wants it, or until that can no longer be."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mljobs.kubectl.failure import TROUBLE, Failure
from mljobs.kubectl.options import (
    ContextOption,
    KubeconfigOption,
    NameArgument,
    NamespaceOption,
    connect,
    length_of_time,
)

if TYPE_CHECKING:
    from mljobs.kubectl.cluster import Cluster
    from mljobs.kubectl.references import Found

Json = Mapping[str, Any]

_TURN = 300.0
"""Seconds of one watch."""

_PAUSE = 0.2
"""Seconds before the next watch, where one ended early."""

PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 60.0)
"""Seconds between the questions to an API server that gives no answer."""


class Goal(StrEnum):
    """What can be waited for."""

    SUBMITTED = "submitted"
    SUCCEEDED = "succeeded"
    ENDED = "ended"


@dataclass(frozen=True)
class Verdict:
    """The end of the waiting: whether the goal is reached, and what there is to say."""

    reached: bool
    text: str


def wait(
    name: NameArgument,
    goal: Annotated[
        Goal,
        typer.Option(
            "--for", help="submitted: the service has accepted it; ended: in whatever way; or succeeded."
        ),
    ] = Goal.SUCCEEDED,
    timeout: Annotated[
        str, typer.Option(metavar="TIME", help="The longest time, such as 90s or 2h; 0 is no limit.")
    ] = "0",
    namespace: NamespaceOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Wait for a job, and print its states meanwhile.

    Exits with 0 when it has come so far, with 1 when it cannot any more (it failed, it was cancelled, it
    stalls until somebody changes something, it was deleted), and with 2 when the time is over.
    """
    from mljobs.kubectl.references import find

    seconds = length_of_time("--timeout", timeout)
    cluster = connect(namespace, context, kubeconfig)
    found = find(cluster, name)
    verdict = await_goal(cluster, found, goal, seconds or None, report=print)
    if verdict is None:
        raise Failure(
            f"{found.title} has not {_PAST[goal]} within {timeout}",
            hint=f"`kubectl mljobs describe {found.title}` shows where it is",
            code=TROUBLE,
        )
    if not verdict.reached:
        raise Failure(f"{found.title}: {verdict.text}")
    print(f"{found.title} {verdict.text}")


_PAST = {Goal.SUBMITTED: "been submitted", Goal.SUCCEEDED: "succeeded", Goal.ENDED: "ended"}


def await_goal(
    cluster: "Cluster", found: "Found", goal: Goal, seconds: float | None, report: Callable[[str], None]
) -> Verdict | None:
    """Wait; None when the time is over.

    Args:
        cluster: where the resource is.
        found: the resource.
        goal: what to wait for.
        seconds: the longest time; None for no limit.
        report: called with a line for each new state.
    """
    last = ""
    for body in versions(cluster, found, seconds):
        reached = verdict(body, goal)
        if reached:
            return reached
        state = str((body or {}).get("status", {}).get("state") or "")
        if state and state != last:
            last = state
            report(f"{found.title} {state}")
    return None


def versions(cluster: "Cluster", found: "Found", seconds: float | None) -> Iterator[Json | None]:
    """A resource as it is, then after each change, until the time is over; None once it is gone.

    An API server that is away for a minute or two, for an upgrade say, ends nothing.

    Raises:
        Failure: the API server refuses, or is away for longer.
    """
    end = time.monotonic() + seconds if seconds is not None else float("inf")
    uid = found.body["metadata"]["uid"]
    while True:
        body = _read(cluster, found, end)
        if body is None or body["metadata"]["uid"] != uid:
            yield None
            return
        yield body
        turn = min(_TURN, end - time.monotonic())
        if turn <= 0:
            return
        yield from cluster.changes(found.kind, found.name, body["metadata"]["resourceVersion"], turn)
        time.sleep(_PAUSE)


def _read(cluster: "Cluster", found: "Found", end: float) -> Json | None:
    for pause in PAUSES:
        try:
            return cluster.get(found.kind, found.name)
        except Failure as failure:
            if failure.exit_code != TROUBLE or time.monotonic() + pause > end:
                raise
            time.sleep(pause)
    return cluster.get(found.kind, found.name)


def verdict(body: Json | None, goal: Goal) -> Verdict | None:
    """Whether a resource has reached a goal, or never will; None while that is open.

    Only a status that speaks of the present spec counts.
    """
    from mljobs.domain.policies.outcome import is_over

    if body is None:
        return Verdict(False, "it was deleted")
    status = body.get("status") or {}
    if status.get("observedGeneration", -1) < body["metadata"].get("generation", 1):
        return None
    conditions = {row["type"]: row for row in status.get("conditions") or ()}
    if goal is Goal.SUBMITTED and _is(conditions, "Submitted", "True"):
        return Verdict(True, f"submitted as {status.get('jobName', '')}")
    if goal is Goal.SUCCEEDED and _is(conditions, "Succeeded", "True"):
        return Verdict(True, "succeeded")
    if goal is Goal.ENDED and is_over(status):
        return Verdict(True, f"ended: {status['state']}")
    if goal is Goal.ENDED and _is(conditions, "Suspended", "True", "Suspended"):
        return Verdict(True, "is suspended, and no job runs")
    if _is(conditions, "Succeeded", "False"):
        return _failed(conditions["Succeeded"])
    # A job that runs may end well even while its labels, say, are refused.
    if _is(conditions, "Stalled", "True") and not _is(conditions, "Submitted", "True"):
        return _failed(conditions["Stalled"])
    return None


def _failed(condition: Json) -> Verdict:
    message = " ".join(str(condition.get("message", "")).split())
    return Verdict(False, f"{condition.get('reason')}: {message}")


def _is(conditions: Mapping[str, Json], kind: str, status: str, reason: str | None = None) -> bool:
    found = conditions.get(kind) or {}
    return found.get("status") == status and reason in (None, found.get("reason"))

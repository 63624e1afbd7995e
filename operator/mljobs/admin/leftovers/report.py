"""Reports what remains: a table for people, JSON for scripts."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from mljobs import __version__
from mljobs.admin.leftovers.leftover import Leftover, Verdict, Way, next_step, why, why_missing
from mljobs.admin.leftovers.session import Outcome
from mljobs.domain.decide import AdminPolicy
from mljobs.domain.decide.decisions import Cancel, Release, Wait, Watch
from mljobs.domain.spec.problems import printable_lines

Json = dict[str, Any]


def plan(item: Leftover, policy: AdminPolicy, now: datetime) -> tuple[str, str]:
    """What `--cancel` would do first: a word, and why.

    Returns:
        `cancel`, `release`, or `wait`; and a text, which may be empty.
    """
    step = next_step(item, Way.CANCEL, policy, now)
    if isinstance(step, Cancel):
        return "cancel", ""
    if isinstance(step, Wait):
        return "wait", why(item, step)
    if isinstance(step, Watch):
        return "wait", why_missing(item, policy.lost_after)
    goes_on = item.may_run or (isinstance(step, Release) and step.left_behind)
    return "release", "the job keeps running" if goes_on else ""


def row(item: Leftover) -> Json:
    """One of them for scripts."""
    resource, target = item.resource, item.target
    return {
        **({} if item.stray else {"kind": resource.kind}),
        "namespace": resource.namespace,
        "name": resource.name,
        "uid": resource.uid,
        **({} if item.stray else {"deleting": resource.deleting}),
        "project": target.project if target else "",
        "jobId": target.job_id if target else "",
        "jobName": (target.reference or "") if target else "",
        "state": item.state,
        "job": item.verdict.value,
        "trouble": item.failed,
    }


def document(rows: Sequence[tuple[Leftover, Json]], notes: Sequence[str]) -> str:
    """Everything as JSON.

    Args:
        rows: each with what would be, or was, done.
        notes: additional notes.
    """
    parts = {
        name: [{**row(item), **more} for item, more in rows if item.stray is stray]
        for name, stray in (("resources", False), ("jobs", True))
    }
    return json.dumps({"version": __version__, **parts, "notes": list(notes)}, indent=2, ensure_ascii=False)


def done(outcome: Outcome) -> Json:
    """What was done, for scripts."""
    return {"outcome": outcome.word, "done": outcome.done, "message": outcome.message}


def print_tables(rows: Sequence[tuple[Leftover, str]], *, acted: bool) -> None:
    """Print tables for people.

    Args:
        rows: each with the text of the last column.
        acted: whether that is what was done, and not what would be.
    """
    from mljobs.console.text import show, table

    last = "OUTCOME" if acted else "WITH --cancel"
    resources = [(item, text) for item, text in rows if not item.stray]
    if resources:
        headers = ["NAMESPACE", "RESOURCE", "DELETING", "JOB", "STATE", last]
        cells = [
            [
                item.resource.namespace,
                f"{item.resource.kind.lower()}/{item.resource.name}",
                "yes" if item.resource.deleting else "no",
                item.job_name,
                _state(item),
                text,
            ]
            for item, text in resources
        ]
        show(table(headers, cells, wrap=last), wrapping=True)
    jobs = [(item, text) for item, text in rows if item.stray]
    if jobs:
        print(("\n" if resources else "") + "Jobs with our labels and without a resource in this cluster:\n")
        cells = [
            [item.job_name, item.state, f"{item.resource.namespace}/{item.resource.name}", text]
            for item, text in jobs
        ]
        last = "OUTCOME" if acted else "WITH --cancel-stray"
        show(table(["JOB", "STATE", "MADE FOR", last], cells, wrap=last), wrapping=True)


def _state(item: Leftover) -> str:
    match item.verdict:
        case Verdict.OURS:
            return item.state
        case Verdict.RECORDED:
            return item.state or "never submitted"
        case Verdict.FOREIGN:
            return f"{item.state}, not ours"
        case Verdict.ABSENT:
            return "not found"
        case _:
            return "unknown"


def described(word: str, *reasons: str) -> str:
    """A word and why, in one line."""
    why = "; ".join(printable_lines(reason) for reason in reasons if reason)
    return f"{word}: {why}" if why else word

"""The page of the causes of failed jobs: what each means, and by which texts it is recognized."""

import re
from collections.abc import Iterator, Mapping

from mljobs.api.outputs import Cause
from mljobs.backends.mlv1 import causes as mlv1
from mljobs.backends.vertex import causes as vertex

MEANING: Mapping[Cause, str] = {
    Cause.USER_CODE: "The program, its model or its input made the job fail; `exitCode` is the program's.",
    Cause.OUT_OF_MEMORY: "The machine's memory did not suffice.",
    Cause.PREEMPTED: "The service took the machines away, as it may with Spot machines.",
    Cause.NO_CAPACITY: "The region has no such machines left for now.",
    Cause.QUOTA_EXCEEDED: "The project's quota of machines or accelerators is used up.",
    Cause.INFRASTRUCTURE: "The service itself failed.",
    Cause.IMAGE_PULL: "The container image is not there, or the service may not read it.",
    Cause.PERMISSION: "The account that the job runs as lacks a permission.",
    Cause.START_DEADLINE: "The job was not RUNNING within `startDeadlineSeconds`; no service says so.",
    Cause.UNKNOWN: "The service says something that no row below recognizes.",
}

TABLES = {"`ml` v1": mlv1.ROWS, "Vertex AI": vertex.ROWS}

_INTRODUCTION = """# Causes of failed jobs

`status.cause` says in one word why a job has failed, and `status.attempts[].cause` why earlier ones have.
The list is closed: no service's words get into it. They are recognized by the texts and codes below, each
of which was seen somewhere; the first one in the table counts. What is not among them is `Unknown`, and the
metric `mljobs_jobs_failed_total{cause="Unknown"}` counts it. Please report such a message: it becomes a row.

No public text of a job is known that failed because its Spot machines were preempted. Vertex AI restarts such
a job by itself; where it gives up, the cause is that of the text, or `Unknown`.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([_INTRODUCTION, *_meanings(), *_tables()])


def _meanings() -> Iterator[str]:
    yield "| cause | what it says |\n|---|---|"
    yield from (f"| `{cause.value}` | {MEANING[cause]} |" for cause in Cause)
    yield ""


def _tables() -> Iterator[str]:
    for service, rows in TABLES.items():
        yield f"## {service}\n\n| cause | what the service says | where that was seen |\n|---|---|---|"
        for row in rows:
            text = re.sub(r"\s+", " ", row.example).replace("|", "\\|")
            yield f"| `{row.cause.value}` | {text} | {row.source} |"
        yield ""

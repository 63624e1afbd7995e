"""`entries.list` of Cloud Logging, with a few plausible lines of each job.

The lines follow from a job's timeline: what the service says of each state under the task `service`, and what
the training program says under `master-replica-0`. An entry appears at the instant at which it was written.
"""

import base64
import binascii
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mljobs_dev.emulator.clock import Clock, rfc3339_micro
from mljobs_dev.emulator.errors import ApiError
from mljobs_dev.emulator.expressions import FilterError, Predicate, compile_filter
from mljobs_dev.emulator.jobs import Job
from mljobs_dev.emulator.lifecycle import State
from mljobs_dev.emulator.listing import moment
from mljobs_dev.emulator.schema import logging_v2
from mljobs_dev.emulator.store import Store

Entry = dict[str, Any]

PAGE_DEFAULT = 50
PAGE_LIMIT = 1000
STEPS = 5
"""Lines of the training program, spread over its time in RUNNING."""

_SEVERITIES = (
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
_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_SAID = {
    State.QUEUED: "Job is queued.",
    State.PREPARING: "Waiting for job to be provisioned.",
    State.RUNNING: "Job is running.",
    State.SUCCEEDED: "Job completed successfully.",
    State.FAILED: "Job failed.",
    State.CANCELLING: "Job is being cancelled.",
    State.CANCELLED: "Job is cancelled.",
}


Source = Callable[[str], Iterator[Entry]]
"""What has been logged in a project up to now, in any order."""


def list_entries(body: Any, sources: Sequence[Source]) -> dict[str, Any]:
    """Answer a ListLogEntriesRequest.

    Args:
        body: the request's JSON.
        sources: what has been logged.

    Raises:
        ApiError: 400.
    """
    request = logging_v2().message("ListLogEntriesRequest").decode(body)
    projects = list(_projects(request))
    matches = _filter(request.get("filter", ""))
    entries = [
        entry for project in projects for source in sources for entry in source(project) if matches(entry)
    ]
    entries.sort(key=_order_key, reverse=_descending(request.get("orderBy", "")))
    start, size = _start(request.get("pageToken", "")), _size(request.get("pageSize", 0))
    page = entries[start : start + size]
    answer: dict[str, Any] = {"entries": page} if page else {}
    if start + size < len(entries):
        answer["nextPageToken"] = base64.urlsafe_b64encode(f"entries:{start + size}".encode()).decode()
    return answer


def names_of(body: Mapping[str, Any]) -> tuple[str, str]:
    """The first project and the job id that a request's body asks for; empty where there is none."""
    resource = re.search(
        r"projects/([^/\"']+)", str(body.get("resourceNames", body.get("resource_names", "")))
    )
    job = re.search(r"""job_id"?\s*=\s*["']?(\w+)""", str(body.get("filter", "")))
    return resource[1] if resource else "", job[1] if job else ""


def store_entries(store: Store, clock: Clock, project: str) -> Iterator[Entry]:
    """What the jobs of a project have written up to now."""
    now = clock.now()
    for job in store.newest(project):
        yield from job_entries(job, now, clock)


def job_entries(job: Job, now: float, clock: Clock) -> Iterator[Entry]:
    """The lines that a job has written up to an instant, in order of their kinds."""
    speaker = Speaker(job.project, job.id, job.sequence, clock)
    for number, step in enumerate(job.timeline.past(now)):
        severity = "ERROR" if step.state is State.FAILED else "INFO"
        yield speaker.says(step.at, number, step.error or _SAID[step.state], severity)
    started = job.timeline.entered(State.RUNNING)
    if started is None or started > now:
        return
    running = [step.at for step in job.timeline.past(now) if step.at > started]
    until = min(now, running[0]) if running else now
    yield from speaker.trains("master-replica-0", started, job.pace.seconds[State.RUNNING], until)


@dataclass(frozen=True)
class Speaker:
    """A job that logs.

    Attributes:
        project: its project's id.
        job_id: its id.
        sequence: its number among all jobs, which tells its entries apart from those of others.
        clock: tells emulated instants on the wall clock.
    """

    project: str
    job_id: str
    sequence: int
    clock: Clock

    def says(self, at: float, number: int, text: str, severity: str) -> Entry:
        """What the service says of a job."""
        return self._entry("service", at, f"s{number}", severity) | {"textPayload": text}

    def trains(self, task: str, started: float, length: float, until: float) -> Iterator[Entry]:
        """The lines of a program that runs for so many seconds, up to an instant."""
        for number in range(1, STEPS + 1):
            at = started + length * number / (STEPS + 1)
            if at > until:
                return
            text = f"step {number * 100}: loss = {1 / number:.4f}"
            payload = {"message": text, "levelname": "INFO", "lineno": 42, "pathname": "trainer/task.py"}
            yield self._entry(task, at, f"t{number}", "INFO") | {"jsonPayload": payload}

    def _entry(self, task: str, at: float, number: str, severity: str) -> Entry:
        written = rfc3339_micro(self.clock.unix(at))
        log = "ml.googleapis.com%2F" + self.job_id if task == "service" else task
        return {
            "insertId": f"{self.sequence:08d}{number}",
            "logName": f"projects/{self.project}/logs/{log}",
            "receiveTimestamp": written,
            "resource": {
                "type": "ml_job",
                "labels": {"job_id": self.job_id, "project_id": self.project, "task_name": task},
            },
            "labels": {"ml.googleapis.com/job_id/log_area": "root"},
            "severity": severity,
            "timestamp": written,
        }


def _projects(request: Mapping[str, Any]) -> Iterator[str]:
    names = [
        *request.get("resourceNames", []),
        *(f"projects/{name}" for name in request.get("projectIds", [])),
    ]
    if not names:
        raise ApiError(400, "resource_names: at least one resource should be specified")
    for name in names:
        match = re.fullmatch(r"projects/([^/]+)(/.*)?", name)
        if not match:
            raise ApiError(400, f"resource_names: '{name}' should have the form projects/[PROJECT_ID]")
        yield match[1]


def _descending(order: str) -> bool:
    if order not in ("", "timestamp asc", "timestamp desc"):
        raise ApiError(400, f"order_by: '{order}' should be 'timestamp asc' or 'timestamp desc'")
    return order.endswith("desc")


def _size(size: int) -> int:
    if size < 0:
        raise ApiError(400, f"page_size: {size} should not be negative")
    return min(size, PAGE_LIMIT) or PAGE_DEFAULT


def _start(token: str) -> int:
    if not token:
        return 0
    try:
        text = base64.b64decode(token, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    match = re.fullmatch(r"entries:(\d{1,9})", text)
    if not match:
        raise ApiError(400, f"page_token: '{token}' is not valid")
    return int(match[1])


def _order_key(entry: Entry) -> tuple[str, str]:
    return entry["timestamp"], entry["insertId"]


def _filter(text: str) -> Predicate:
    try:
        return compile_filter(text, _compare)
    except FilterError as error:
        raise ApiError(400, f"Unparseable filter: {error}") from None


def _compare(field: str, sign: str, value: str) -> Predicate:
    """The comparisons of Cloud Logging: text without regard to case, `:` for "contains"."""
    if not sign:
        return lambda row: value.lower() in str(list(_leaves(row))).lower()
    path = field.split(".")
    if sign in ("=~", "!~"):
        return _regex(path, sign, value)
    if sign == ":":
        return lambda row: (
            (found := _value(row, path)) is not None and (value == "*" or value.lower() in found.lower())
        )
    test, key = _TESTS[sign], _key(path, value)
    wanted = key(value)

    def holds(row: Mapping[str, Any]) -> bool:
        found = _value(row, path)
        return sign == "!=" if found is None else test(key(found), wanted)

    return holds


def _regex(path: list[str], sign: str, value: str) -> Predicate:
    try:
        pattern = re.compile(value)
    except re.error as error:
        raise FilterError(f"{value!r} is no regular expression: {error}") from None
    return lambda row: (pattern.search(_value(row, path) or "") is None) is (sign == "!~")


def _key(path: list[str], value: str) -> Any:
    """What a field's values are compared by."""
    if path in (["timestamp"], ["receiveTimestamp"]):
        try:
            moment(value)
        except ValueError:
            raise FilterError(f"{value!r} is no time") from None
        return moment
    if path == ["severity"]:
        if value.upper() not in _SEVERITIES:
            raise FilterError(f"{value!r} is no severity")
        return lambda text: _SEVERITIES.index(text.upper())
    return str.lower


def _value(row: Mapping[str, Any], path: list[str]) -> str | None:
    value: Any = row
    for index, part in enumerate(path):
        if not isinstance(value, Mapping):
            return None
        rest = ".".join(path[index:])
        if rest in value:
            return str(value[rest])
        value = value.get(part)
    return None if value is None else str(value)


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _leaves(item)
    else:
        yield str(value)

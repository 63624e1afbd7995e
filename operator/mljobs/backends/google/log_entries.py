"""The lines that a job has written, from Cloud Logging."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Any, Self

from mljobs.backends.google.answers import Method
from mljobs.backends.google.calls import Api, ApiResource, checked_name
from mljobs.backends.google.threads import RequestThreads
from mljobs.domain.errors import Unavailable

LIST = Method("logging.entries.list")

LogEntry = Mapping[str, Any]
"""A `LogEntry` as JSON: `timestamp`, `insertId`, `severity`, `textPayload` or `jsonPayload`, `labels`, …"""


@dataclass(frozen=True)
class LogPage:
    """A page of entries, possibly none, and the token of the next page (empty: this is the last)."""

    entries: Sequence[LogEntry]
    next_page_token: str = ""


class JobLogs:
    """Reads the entries of jobs. Made by `mljobs.backends.open_job_logs`, for one event loop.

    Args:
        entries: `entries()` of the `logging` v2 service.
        api: sends the calls.
        threads: where they are sent.
    """

    def __init__(self, entries: ApiResource, api: Api, threads: RequestThreads) -> None:
        self._entries = entries
        self._api = api
        self._threads = threads

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._threads.close()

    async def page(
        self,
        project: str,
        job_id: str,
        *,
        query: str = "",
        since: datetime | None = None,
        newest_first: bool = False,
        page_size: int = 1000,
        page_token: str = "",
    ) -> LogPage:
        """Read one page of a job's entries; `entries.list`.

        Args:
            project: the project's id or number.
            job_id: the job's id.
            query: a further condition in the Logging query language, such as `severity>=ERROR`.
            since: the earliest timestamp, inclusive, time zone included; a follower drops the
                `insertId`s that it has already seen.
            newest_first: whether the order is by descending timestamp.
            page_size: 1 to 1000.
            page_token: of the page before, with all else equal; empty for the first.

        Raises:
            JobServiceError: as for any call of a job service.
        """
        conditions = ['resource.type="ml_job"', f'resource.labels.job_id="{checked_name("job_id", job_id)}"']
        if since is not None:
            conditions.append(f'timestamp>="{since.astimezone(UTC).isoformat().replace("+00:00", "Z")}"')
        if query:
            conditions.append(f"({query})")
        body: dict[str, Any] = {
            "resourceNames": [f"projects/{checked_name('project_id', project)}"],
            "filter": " AND ".join(conditions),
            "orderBy": "timestamp desc" if newest_first else "timestamp asc",
            "pageSize": page_size,
        }
        if page_token:
            body["pageToken"] = page_token
        answer = await self._threads.run(partial(self._api.call, LIST, self._entries.list, {"body": body}))
        return _page(answer)


def _page(answer: Mapping[str, Any]) -> LogPage:
    entries, token = answer.get("entries", []), answer.get("nextPageToken", "")
    if (
        not isinstance(entries, list)
        or not isinstance(token, str)
        or not all(isinstance(entry, dict) for entry in entries)
    ):
        raise Unavailable(
            f"{LIST.id} was answered with JSON that is not a page of log entries: check the endpoint",
            status=200,
        )
    return LogPage(entries, token)

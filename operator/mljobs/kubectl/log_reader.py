"""Reads a job's log entries, each once, and writes them as lines."""

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

Entry = Mapping[str, Any]

OVERLAP = timedelta(seconds=30)
"""How far each look goes back behind the newest entry: entries do not arrive in order."""

_SERVICE = "ml.googleapis.com/"


class Page(Protocol):
    """A page of entries, and the token of the next one; empty for none."""

    @property
    def entries(self) -> Any:
        """The entries as JSON."""

    @property
    def next_page_token(self) -> str:
        """Where to continue."""


class Pages(Protocol):
    """Reads one page of one job's entries: `JobLogs.page` of the backend, project and job given."""

    async def __call__(
        self, *, since: datetime | None, newest_first: bool, page_size: int, page_token: str
    ) -> Page:
        """Read it."""


class Reader:
    """Gives each entry of a job once, also those that come late.

    Args:
        pages: reads pages.
        since: the earliest moment of interest; None for all.
    """

    def __init__(self, pages: Pages, since: datetime | None = None) -> None:
        self._pages = pages
        self._floor = since
        self._newest: datetime | None = None
        self._seen: dict[tuple[str, str], datetime] = {}

    async def last(self, count: int) -> list[Entry]:
        """The newest entries, in order of time; what is older is not asked for again."""
        page = await self._pages(since=self._floor, newest_first=True, page_size=count, page_token="")
        entries = list(reversed(page.entries))
        for entry in entries:
            self._is_new(entry)
        moments = [when for when in map(moment, entries) if when is not None]
        self._floor = min(moments, default=self._floor)
        return entries

    async def fresh(self) -> AsyncIterator[Entry]:
        """The entries that have not been given yet."""
        since, token = self._since(), ""
        while True:
            page = await self._pages(since=since, newest_first=False, page_size=1000, page_token=token)
            for entry in page.entries:
                if self._is_new(entry):
                    yield entry
            token = page.next_page_token
            if not token:
                break
        oldest = self._since()
        if oldest is not None:
            self._seen = {key: when for key, when in self._seen.items() if when >= oldest}

    def _since(self) -> datetime | None:
        if self._newest is None:
            return self._floor
        behind = self._newest - OVERLAP
        return max(behind, self._floor) if self._floor else behind

    def _is_new(self, entry: Entry) -> bool:
        when = moment(entry)
        if when is None:
            return True
        key = (str(entry.get("timestamp")), str(entry.get("insertId")))
        if key in self._seen:
            return False
        self._seen[key] = when
        self._newest = max(when, self._newest) if self._newest else when
        return True


def moment(entry: Entry) -> datetime | None:
    """When an entry was written; None if it does not say so."""
    try:
        when = datetime.fromisoformat(str(entry.get("timestamp")))
    except ValueError:
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def lines(entry: Entry) -> Iterator[str]:
    """An entry as lines: time, severity, task, trial where there is one, and a line of the message."""
    from mljobs.console.text import plain

    when = moment(entry)
    time = f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if when else "-"
    trial = _label(entry, "trial_id")
    task = f"{_label(entry, 'task_name') or 'unknown'}{f' trial {trial}' if trial else ''}"
    head = plain(f"{time} {entry.get('severity') or 'DEFAULT':<8} {task}")
    for line in _message(entry).splitlines() or [""]:
        yield f"{head}  {plain(line)}".rstrip()


def _label(entry: Entry, name: str) -> str:
    """A label of the resource or of the entry, under its names of all times."""
    resource = (entry.get("resource") or {}).get("labels") or {}
    labels = entry.get("labels") or {}
    return str(resource.get(name) or labels.get(name) or labels.get(_SERVICE + name) or "")


def _message(entry: Entry) -> str:
    if "textPayload" in entry:
        return str(entry["textPayload"])
    payload = entry.get("jsonPayload") or entry.get("protoPayload") or {}
    return str(payload.get("message") or payload or "")

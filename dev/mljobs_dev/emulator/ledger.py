"""The record of every API request, which tests use as the oracle of what a client has done."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from mljobs_dev.emulator.clock import rfc3339_micro
from mljobs_dev.emulator.subjects import Subject

NO_ANSWER = 0
"""The status of a request whose connection was closed without an answer."""


class Effect(NamedTuple):
    """One request.

    Attributes:
        seq: 1 for the first request after a start or reset.
        time: Unix time at which it was answered.
        method: as the discovery document names it.
        subject: what it was about; of a `create` on Vertex AI that was applied, with the new job's id.
        status: the HTTP status; 0 if the connection was closed without an answer.
        applied: whether it changed any state.
        identity: who called; empty where nobody said so.
    """

    seq: int
    time: float
    method: str
    subject: Subject
    status: int
    applied: bool
    identity: str = ""

    @property
    def object(self) -> str:
        """The object of Cloud Storage that it was about, as `BUCKET/OBJECT`; empty for other methods."""
        return self.subject.stored

    def text(self, name: str) -> str:
        """A member of the row as text, by its name in JSON."""
        return _MEMBERS[name](self)

    def as_json(self) -> dict[str, Any]:
        """The row as the control surface shows it."""
        subject = self.subject
        row = {
            "seq": self.seq,
            "time": rfc3339_micro(self.time),
            "method": self.method,
            "project": subject.project,
            "location": subject.location,
            "jobId": subject.job_id,
            "labels": dict(subject.labels),
            "identity": self.identity,
            "status": self.status,
            "applied": self.applied,
        }
        if subject.display_name:
            row["displayName"] = subject.display_name
        if subject.account:
            row["account"] = subject.account
        return {**row, "object": self.object} if self.object else row


_MEMBERS: dict[str, Callable[[Effect], str]] = {
    "method": lambda row: row.method,
    "project": lambda row: row.subject.project,
    "location": lambda row: row.subject.location,
    "jobId": lambda row: row.subject.job_id,
    "displayName": lambda row: row.subject.display_name,
    "identity": lambda row: row.identity,
    "status": lambda row: str(row.status),
    "object": lambda row: row.object,
    "account": lambda row: row.subject.account,
}
FILTERS = tuple(_MEMBERS)
"""The members by which rows can be chosen."""


class Ledger:
    """The newest requests, up to a number.

    Args:
        limit: rows that are kept; older ones are dropped, and counted.
        unix: reads Unix time.
    """

    def __init__(self, limit: int, unix: Callable[[], float] = time.time) -> None:
        self._rows: deque[Effect] = deque(maxlen=limit)
        self._unix = unix
        self._seq = 0

    def add(self, method: str, subject: Subject, status: int, *, applied: bool, identity: str = "") -> None:
        """Record a request."""
        self._seq += 1
        self._rows.append(Effect(self._seq, self._unix(), method, subject, status, applied, identity))

    def clear(self) -> None:
        """Forget all rows, and count from 1 again."""
        self._rows.clear()
        self._seq = 0

    @property
    def dropped(self) -> int:
        """Rows that were dropped to keep the limit."""
        return self._seq - len(self._rows)

    def rows(self, after: int = 0, equal: Mapping[str, str] | None = None) -> Iterator[Effect]:
        """Rows with a greater number, oldest first, whose members have the given texts, by names in JSON."""
        wanted = list((equal or {}).items())
        for row in self._rows:
            if row.seq > after and all(row.text(name) == text for name, text in wanted):
                yield row

"""The record of every API request, which tests use as the oracle of what a client has done."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from mljobs_dev.emulator.clock import rfc3339_micro

NO_ANSWER = 0
"""The status of a request whose connection was closed without an answer."""


class Effect(NamedTuple):
    """One request.

    Attributes:
        seq: 1 for the first request after a start or reset.
        time: Unix time at which it was answered.
        method: as the discovery document names it.
        project: of the path.
        job_id: of the path or, in `create`, of the body; empty if there is none.
        status: the HTTP status; 0 if the connection was closed without an answer.
        applied: whether it changed any state.
        object: bucket and name of an object of Cloud Storage, `BUCKET/OBJECT`; empty for other methods.
    """

    seq: int
    time: float
    method: str
    project: str
    job_id: str
    status: int
    applied: bool
    object: str = ""

    def as_json(self) -> dict[str, Any]:
        """The row as the control surface shows it."""
        row = {
            "seq": self.seq,
            "time": rfc3339_micro(self.time),
            "method": self.method,
            "project": self.project,
            "jobId": self.job_id,
            "status": self.status,
            "applied": self.applied,
        }
        return {**row, "object": self.object} if self.object else row


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

    def add(
        self, method: str, project: str, job_id: str, status: int, *, applied: bool, stored: str = ""
    ) -> None:
        """Record a request; `stored` is the object of Cloud Storage that it is about."""
        self._seq += 1
        row = Effect(self._seq, self._unix(), method, project, job_id, status, applied, stored)
        self._rows.append(row)

    def clear(self) -> None:
        """Forget all rows, and count from 1 again."""
        self._rows.clear()
        self._seq = 0

    @property
    def dropped(self) -> int:
        """Rows that were dropped to keep the limit."""
        return self._seq - len(self._rows)

    def rows(self, after: int = 0, equal: Mapping[str, str] | None = None) -> Iterator[Effect]:
        """Rows with a greater number, oldest first, whose named attributes have the given text."""
        wanted = list((equal or {}).items())
        for row in self._rows:
            if row.seq > after and all(str(getattr(row, name)) == text for name, text in wanted):
                yield row

"""Log entries: each is given once, however they arrive, and becomes readable lines."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mljobs.kubectl.log_reader import OVERLAP, Reader, lines
from tests.unit.cli.kubectl_command import run

Entry = dict[str, Any]

START = datetime(2024, 5, 1, 12, tzinfo=UTC)


def entry(second: float, number: int = 0) -> Entry:
    when = START + timedelta(seconds=second)
    return {"timestamp": when.isoformat().replace("+00:00", "Z"), "insertId": f"i{number}"}


@dataclass
class Shelf:
    """Entries in pages of two, as Cloud Logging would give them."""

    entries: list[Entry] = field(default_factory=list)
    asked: list[datetime | None] = field(default_factory=list)

    async def __call__(
        self, *, since: datetime | None, newest_first: bool, page_size: int, page_token: str
    ) -> "Sheet":
        self.asked.append(since)
        found = [
            row
            for row in sorted(self.entries, key=lambda row: str(row["timestamp"]), reverse=newest_first)
            if since is None or datetime.fromisoformat(row["timestamp"]) >= since
        ]
        start, size = int(page_token or 0), min(page_size, 2)
        more = str(start + size) if start + size < len(found) else ""
        return Sheet(found[start : start + size], more)


@dataclass(frozen=True)
class Sheet:
    entries: list[Entry]
    next_page_token: str


async def read(reader: Reader) -> list[str]:
    return [str(row["insertId"]) async for row in reader.fresh()]


async def test_each_entry_once_also_those_that_come_late() -> None:
    shelf = Shelf([entry(0, 1), entry(1, 2), entry(2, 3)])
    reader = Reader(shelf)
    assert await read(reader) == ["i1", "i2", "i3"]
    assert await read(reader) == []
    shelf.entries += [entry(1.5, 4), entry(100, 5)]
    assert await read(reader) == ["i4", "i5"]
    assert await read(reader) == []
    assert shelf.asked[-1] == START + timedelta(seconds=100) - OVERLAP


async def test_the_newest_then_what_follows() -> None:
    shelf = Shelf([entry(second, second) for second in range(10)])
    reader = Reader(shelf)
    assert [row["insertId"] for row in await reader.last(2)] == ["i8", "i9"]
    assert await read(reader) == []
    shelf.entries.append(entry(10, 10))
    assert await read(reader) == ["i10"]


async def test_nothing_older_than_what_is_asked_for() -> None:
    shelf = Shelf([entry(0, 1), entry(60, 2)])
    assert await read(Reader(shelf, START + timedelta(seconds=30))) == ["i2"]


async def test_an_empty_log() -> None:
    reader = Reader(Shelf())
    assert await reader.last(5) == []
    assert await read(reader) == []


@given(st.lists(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 50)), max_size=6), max_size=5))
async def test_arrivals_within_the_overlap(arrivals: list[list[tuple[int, int]]]) -> None:
    shelf = Shelf()
    reader = Reader(shelf)
    given_out: list[str] = []
    known: set[int] = set()
    for batch in arrivals:
        new = {number: second for second, number in batch if number not in known}
        known |= set(new)
        shelf.entries += [entry(second, number) for number, second in new.items()]
        given_out += await read(reader)
    assert sorted(given_out) == sorted(f"i{number}" for number in known)


def resourced(task: str, **more: Any) -> Entry:
    return {**entry(0), "resource": {"labels": {"task_name": task}}, **more}


TIME = "2024-05-01T12:00:00Z"


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (
            resourced("service", severity="INFO", textPayload="Job is queued."),
            [f"{TIME} INFO     service  Job is queued."],
        ),
        (
            resourced("master-replica-0", severity="ERROR", jsonPayload={"message": "a\nb\n", "lineno": 1}),
            [f"{TIME} ERROR    master-replica-0  a", f"{TIME} ERROR    master-replica-0  b"],
        ),
        (
            {**entry(0), "labels": {"ml.googleapis.com/task_name": "w", "ml.googleapis.com/trial_id": "7"}},
            [f"{TIME} DEFAULT  w trial 7"],
        ),
        (resourced("t", jsonPayload={"step": 1}), [f"{TIME} DEFAULT  t  {{'step': 1}}"]),
        (resourced("t", textPayload="\x1b[2Jx"), [f"{TIME} DEFAULT  t  \ufffd[2Jx"]),
        ({}, ["- DEFAULT  unknown"]),
        (
            {"timestamp": "2024-05-01T14:00:00.123456789+02:00", "textPayload": ""},
            [f"{TIME} DEFAULT  unknown"],
        ),
    ],
)
def test_lines(row: Entry, text: Iterable[str]) -> None:
    assert list(lines(row)) == text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--severity loud", "--severity loud: must be one of DEFAULT, DEBUG"),
        ('--task-name a\\"b', "must be a task's name"),
        ("--since yesterday", "--since yesterday: must be a length of time"),
        ("--interval x", "--interval x: must be a length of time"),
        ("--tail 0", "--tail"),
    ],
)
def test_wrong_flags(words: str, says: str) -> None:
    done = run(f"logs census --kubeconfig /nowhere {words}")
    assert done.code == 2
    (line,) = done.err
    assert says in line

"""The service itself: runs that are made, listed, read and stopped; a pure state machine."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

LAG = 0.5
"""Seconds after which a new run stands in lists."""

ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})


class Missing(Exception):
    """There is no such run."""


class Over(Exception):
    """The run has ended."""


@dataclass
class Run:
    """One run.

    Attributes:
        number: given by the service, in the order of creation.
        project: whose it is.
        title: what people read; many runs may have the same.
        marks: texts that the client has attached for good.
        work: what it does: the client's own document.
        state: a word of ml v1.
        born: when it was made, in seconds of the service's clock.
        error: why it failed.
        lost: whether the service has lost it.
    """

    number: int
    project: str
    title: str
    marks: dict[str, str]
    work: Json
    born: float
    state: str = "QUEUED"
    error: str = ""
    lost: bool = False

    def shown(self) -> Json:
        """The run as JSON."""
        return {
            "number": self.number,
            "title": self.title,
            "marks": dict(self.marks),
            "work": copy.deepcopy(self.work),
            "state": self.state,
            "born": self.born,
            **({"error": self.error} if self.error else {}),
        }


@dataclass
class TinyService:
    """All runs of all projects.

    Attributes:
        now: the time in seconds.
        lag: seconds after which a new run stands in lists.
        runs: by number.
        applied: project, method and title of each change that a client has made, in order.
    """

    now: Callable[[], float]
    lag: float = LAG
    runs: dict[int, Run] = field(default_factory=dict)
    applied: list[tuple[str, str, str]] = field(default_factory=list)

    def create(self, project: str, body: Json) -> Json:
        """Make a run, whatever there is already."""
        number = len(self.runs) + 1
        run = Run(number, project, body["title"], dict(body["marks"]), body["work"], self.now())
        self.runs[number] = run
        self.applied.append((project, "create", run.title))
        return run.shown()

    def get(self, project: str, number: int) -> Json:
        """Read a run.

        Raises:
            Missing: there is none.
        """
        return self.find(project, number).shown()

    def list(self, project: str, start: int, size: int) -> Json:
        """A page of a project's runs in no order that means anything, without the newest ones."""
        runs = [
            run
            for run in sorted(self.runs.values(), key=lambda run: (run.number * 7919) % 101)
            if run.project == project and not run.lost and self.now() - run.born >= self.lag
        ]
        following = start + size
        return {
            "runs": [run.shown() for run in runs[start:following]],
            **({"next": following} if following < len(runs) else {}),
        }

    def stop(self, project: str, number: int) -> None:
        """Ask for a run's end.

        Raises:
            Missing: there is none.
            Over: it has ended.
        """
        run = self.find(project, number)
        if run.state in ENDED:
            raise Over
        if run.state != "CANCELLING":
            self.applied.append((project, "cancel", run.title))
        run.state = "CANCELLING"

    def find(self, project: str, number: int) -> Run:
        """The run itself, for whoever may change it."""
        run = self.runs.get(number)
        if run is None or run.lost or run.project != project:
            raise Missing
        return run

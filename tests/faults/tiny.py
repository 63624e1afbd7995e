"""The tiny service of `tests.tiny` as one more backend of the harness, served in the tests' own process."""

import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from tests.e2e.support_stack import Emulator
from tests.faults.backend import Backend, CloudJob, Truth
from tests.faults.gate import Json, Step
from tests.faults.process import SERVICE_MODULE
from tests.tiny.server import serving
from tests.tiny.service import ENDED, TinyService

_PATH = re.compile(r"/projects/[^/]+/runs(?P<run>/\d+)?(?P<stop>/stop)?")
_METHODS = {
    ("POST", False, False): "create",
    ("GET", False, False): "list",
    ("GET", True, False): "get",
    ("POST", True, True): "cancel",
}


def _step(verb: str, path: str, _body: Any) -> Step:
    found = _PATH.fullmatch(path.partition("?")[0])
    method = _METHODS[verb, bool(found and found["run"]), bool(found and found["stop"])]
    return Step(method, method in ("create", "cancel"))


@dataclass
class Host:
    """The service and where it is served.

    Attributes:
        service: the service.
        url: of its API.
    """

    service: TinyService
    url: str

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator["Host"]:
        """Serve a new one."""
        service = TinyService(time.monotonic)
        async with serving(service) as url:
            yield cls(service, url)


class TinyTruth(Truth):
    """One project of the service; of runs with the same title the newest that has not ended is meant."""

    @property
    def _runs(self) -> TinyService:
        return cast("Host", self.service).service

    def jobs(self) -> list[CloudJob]:
        return [
            CloudJob(run.title, run.state, run.marks)
            for run in self._runs.runs.values()
            if run.project == self.project and not run.lost
        ]

    def applied(self) -> list[tuple[str, str]]:
        return [(method, title) for project, method, title in self._runs.applied if project == self.project]

    def policy(self, job_id: str) -> list[Json]:  # noqa: ARG002
        return []

    def _named(self, job_id: str) -> int:
        found = [
            run for run in self._runs.runs.values() if (run.project, run.title) == (self.project, job_id)
        ]
        return next((run.number for run in reversed(found) if run.state not in ENDED), found[-1].number)

    def force(self, job_id: str, state: str, error: str = "") -> None:
        run = self._runs.runs[self._named(job_id)]
        run.state, run.error = state, error

    def cancel(self, job_id: str) -> None:
        self._runs.stop(self.project, self._named(job_id))

    def vanish(self, job_id: str) -> None:
        self._runs.runs[self._named(job_id)].lost = True


TINY = Backend(
    "tiny",
    step=_step,
    truth=TinyTruth,
    settings={SERVICE_MODULE: "tests.tiny.backend"},
    may_say=frozenset({"OutcomeUnknown", "Waiting", "Watching"}),
    without=frozenset(
        {
            "adoption",
            "adoption_of_nothing",
            "id_of_somebody_else",
            "id_of_somebody_else_deleted",
            "labels",
            "bindings",
            "rejected_then_fixed",
            "placed",
        }
    ),
)
"""Without the stories about chosen ids, labels that change, IAM policies, and quotas of regions."""


def as_service(host: Host) -> Emulator:
    """Stand where the harness expects the emulator; it asks for nothing but the URL."""
    return cast("Emulator", host)

"""Vertex AI as one more backend of the harness: the emulator's, behind the operator's own client."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mljobs_dev.emulator.routes import find_route
from tests.e2e.support_stack import Emulator
from tests.faults.backend import ENDED, Backend, CloudJob, Truth
from tests.faults.gate import Json, Step

LAG = 50.0
"""Emulated seconds for which a new job is in no list: half as long as the operator waits in doubt."""


@contextlib.contextmanager
def lagging(service: Emulator, seconds: float = LAG) -> Iterator[None]:
    """Let new jobs be in no list for so many emulated seconds, and lists be without order."""
    service._json("POST", "/_emulator/options", {"listLag": seconds, "shuffleLists": True})
    yield
    service._json("POST", "/_emulator/options", {"listLag": 0, "shuffleLists": False})


TABLES = Path(__file__).parents[1] / "vertex_tables.yaml"

_STATES = {"PENDING": "PREPARING"}
"""The words of the resources that are others than Vertex AI's."""


def _step(verb: str, path: str, _body: Any) -> Step:
    route = find_route(verb, path.partition("?")[0])
    method = route.method.rpartition(".")[2] if route else f"{verb} {path}"
    return Step(method, method not in ("get", "list"))


class VertexTruth(Truth):
    """One project of the service. A job goes by its number, or by its display name: then the newest is meant
    that has not ended."""

    def jobs(self) -> list[CloudJob]:
        cancelled = {row["jobId"] for row in self._applied() if row["method"].endswith(".cancel")}
        rows = sorted(self._rows(), key=lambda row: str(row["createTime"]))
        return [self._job(row, cancelled) for row in rows]

    def _job(self, row: Json, cancelled: set[str]) -> CloudJob:
        number, word = row["name"].rpartition("/")[2], row["state"].removeprefix("JOB_STATE_")
        state = _STATES.get(word, word)
        if number in cancelled and state not in ENDED:
            state = "CANCELLING"  # which it is in a moment
        return CloudJob(number, state, row.get("labels", {}))

    def _rows(self) -> list[Json]:
        """All jobs that were ever made and are still there; no list is asked, since lists lag behind."""
        made = (row for row in self._applied() if row["method"].endswith(".create"))
        answers = [self.service._request("GET", self._path(row)) for row in made]
        return [answer.json() for answer in answers if answer.status == 200]

    def _path(self, row: Json) -> str:
        collection = row["method"].split(".")[-2]
        return f"/v1/projects/{self.project}/locations/{row['location']}/{collection}/{row['jobId']}"

    def _applied(self) -> list[Json]:
        rows = self.service.effects(project=self.project)
        return [row for row in rows if row["applied"]]

    def applied(self) -> list[tuple[str, str]]:
        return [(row["method"].rpartition(".")[2], row["jobId"]) for row in self._applied()]

    def policy(self, job_id: str) -> list[Json]:  # noqa: ARG002
        return []

    def _number(self, job_id: str) -> str:
        rows = [row for row in self._rows() if job_id in (row["displayName"], row["name"].rpartition("/")[2])]
        rows.sort(key=lambda row: str(row["createTime"]))
        active = [row for row in rows if row["state"].removeprefix("JOB_STATE_") not in ENDED]
        return str((active or rows)[-1]["name"].rpartition("/")[2])

    def force(self, job_id: str, state: str, error: str = "") -> None:
        self.service.force(self._number(job_id), state, error, project=self.project)

    def cancel(self, job_id: str) -> None:
        number = self._number(job_id)
        name = next(row["name"] for row in self._rows() if row["name"].endswith(f"/{number}"))
        self.service._json("POST", f"/v1/{name}:cancel", {})

    def vanish(self, job_id: str) -> None:
        self.service.vanish(self._number(job_id), project=self.project)


VERTEX = Backend(
    "vertex",
    step=_step,
    truth=VertexTruth,
    settings={"MLJOBS_SERVICE": "VertexAI", "MLJOBS_TABLES": str(TABLES)},
    may_say=frozenset({"OutcomeUnknown", "Waiting", "Watching"}),
    without=frozenset(
        {
            "adoption",
            "adoption_of_nothing",
            "id_of_somebody_else",
            "id_of_somebody_else_deleted",
            "labels",
            "bindings",
        }
    ),
    queue=False,
    waiting=frozenset({"QUEUED", "PREPARING"}),  # the latter of batch predictions, which are PENDING at first
)
"""Without the stories about chosen ids, labels that change, and IAM policies."""

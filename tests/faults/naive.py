"""The naive controller as a process of the harness, and what one crash leaves of it and of the operator."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tests.faults.gate import Json, Trap
from tests.faults.lab import Lab, Operator, until
from tests.faults.process import Forks
from tests.faults.vertex import VertexTruth

PROGRAM = Path(__file__).parents[1] / "naive" / "controller.py"
MANIFEST: Json = {
    "apiVersion": "mljobs.dev/v1alpha1",
    "kind": "TrainingJob",
    "metadata": {"name": "census"},
    "spec": {
        "vertex": {
            "region": "us-central1",
            "jobSpec": {
                "workerPoolSpecs": [
                    {
                        "machineSpec": {"machineType": "n1-standard-4"},
                        "replicaCount": 1,
                        "containerSpec": {"imageUri": "gcr.io/my-project/trainer:1"},
                    }
                ]
            },
        }
    },
}
READS = ("customJobs.list", "customJobs.get")


class NaiveProcess:
    """One process of the naive controller; see `OperatorProcess`."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self.log = log

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    async def kill(self) -> None:
        """End it as the kernel does when memory runs out."""
        self._process.send_signal(signal.SIGKILL)
        await self.ended(10)

    def ask_to_end(self) -> None:
        """Begin to end it as a rolling update does."""
        self._process.terminate()

    async def ended(self, within: float) -> int | None:
        """Wait for its end; gives the exit code."""
        return await asyncio.to_thread(self._process.wait, within)

    def tail(self, characters: int = 5000) -> str:
        return self.log.read_text("utf-8", "replace")[-characters:]


class NaiveForks(Forks):
    """Starts the naive controller where the harness wants an operator."""

    def start(self, settings: Mapping[str, str], log: Path) -> NaiveProcess:  # type: ignore[override]
        (namespace,) = json.loads(settings["MLJOBS_NAMESPACES"])
        env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MLJOBS_")},
            "KUBECONFIG": settings["KUBECONFIG"],
            "JOBS_ENDPOINT": settings["MLJOBS_ENDPOINT"],
            "JOBS_PROJECT": settings["MLJOBS_PROJECT_ID"],
        }
        command = [sys.executable, "-m", "kopf", "run", "--standalone", f"--namespace={namespace}"]
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*command, str(PROGRAM)], env=env, stdout=output, stderr=subprocess.STDOUT
            )
        return NaiveProcess(process, log)


def naive(lab: Lab) -> Lab:
    """The same servers with the naive controller."""
    return replace(lab, forks=NaiveForks())


@dataclass
class Crash:
    """A resource from its creation to its end with a controller that is killed once, and is started again.

    Attributes:
        lab: the servers, and which controller.
        namespace: of the resource, and the project of its jobs.
    """

    lab: Lab
    namespace: str
    truth: VertexTruth

    async def tell(self) -> str:
        """Kill the controller after its create call took effect and before it has the answer; then delete.

        Returns:
            What the service's ledger has, and how its jobs are.
        """
        operator = await self._start(Trap("create", 1, "after"))
        cluster = self.lab.cluster
        await cluster.request("POST", cluster.path("TrainingJob", self.namespace), MANIFEST)
        assert operator.gate.trap is not None
        await self._until(operator, operator.gate.trap.sprung.is_set, "it is killed")
        first = self._lines(0)
        operator = await self._start(None)
        await self._until(operator, lambda: self._status().get("jobName"), "a job is recorded")
        known = str(self._status()["jobName"]).rpartition("/")[2]
        for job in self.truth.jobs():
            self.truth.force(job.job_id, "RUNNING")
        second = self._lines(len(first))
        jobs = self._jobs()
        await cluster.request("DELETE", cluster.path("TrainingJob", self.namespace, "census"))
        await self._until(operator, lambda: not self._object(), "it is gone")
        await self._until(operator, self._cancelled, "a job is cancelled")
        third = self._lines(len(first) + len(second))
        return "\n".join(
            [
                *("# the first process; it is killed before it has the answer", *first),
                *("# the second process", *second),
                *(f"# the status records {known}; the jobs are", *jobs),
                *("# the resource is deleted", *third),
                *("# the jobs are", *self._jobs()),
            ]
        )

    async def _start(self, trap: Trap | None) -> Operator:
        return await self.lab.start([self.namespace], project=self.namespace, trap=trap)

    async def _until(self, operator: Operator, look: Callable[[], object], what: str) -> None:
        await until(look, what=what, within=60, report=operator.process.tail)

    def _object(self) -> Json | None:
        return self.lab.cluster.objects.get((self.namespace, "TrainingJob", "census"))

    def _status(self) -> Json:
        return (self._object() or {}).get("status") or {}

    def _cancelled(self) -> bool:
        return any(job.state == "CANCELLING" for job in self.truth.jobs())

    def _jobs(self) -> list[str]:
        return [f"{job.job_id}  {job.state}" for job in self.truth.jobs()]

    def _lines(self, skipped: int) -> list[str]:
        """The rows of the ledger from one on; of lists, the first of each, and no other reads."""
        lines: list[str] = []
        for row in self.truth.service.effects(project=self.namespace):
            method = row["method"].removeprefix("aiplatform.projects.locations.")
            line = f"{method}  {row['jobId']}".strip()
            if method.endswith((".create", ".cancel")) or (method.endswith(".list") and line not in lines):
                lines.append(line)
        return lines[skipped:]


def masked(text: str) -> str:
    """A report whose jobs are numbered in the order in which they come."""
    numbers: dict[str, str] = {}
    return re.sub(r"\d{6,}", lambda found: numbers.setdefault(found[0], f"#{len(numbers) + 1}"), text)

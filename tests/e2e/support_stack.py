"""The emulator and the operator as processes of their own, started as a user starts them."""

import os
import re
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import urllib3

from mljobs_dev.controlplane.process import SupervisedProcess
from tests.e2e.support import Json, eventually
from tests.e2e.support_operator import OperatorProcess

PROJECT = "team-project"
SPEED = 100
LONG = 1e9
"""Emulated seconds that outlast every test."""

HELD: Json = {"timeline": {"QUEUED": LONG, "PREPARING": LONG, "RUNNING": LONG, "CANCELLING": 30}}
"""The script of a job that goes on only when a test says so; a cancel takes 0.3 s at `SPEED`."""

ACCOUNT = ("mljobs-system", "mljobs-operator")
OPERATOR_USER = f"system:serviceaccount:{':'.join(ACCOUNT)}"
"""Whom the API server sees at work: namespace and name of the ServiceAccount in `deploy/`."""

MLJOBS = [sys.executable, "-c", "from mljobs.cli.app import main; main()"]
EMULATOR = [
    sys.executable,
    "-c",
    "import typer; from mljobs_dev.emulator.command import emulator; typer.run(emulator)",
]
"""`mljobs emulator` without all that the other commands of `mljobs` load."""

API = "ml.projects.jobs."

FAST = {
    "MLJOBS_CREATES_PER_MINUTE": "0",
    "MLJOBS_OTHERS_PER_MINUTE": "0",
    "MLJOBS_UNKNOWN_OUTCOME_GRACE": "3",
    "MLJOBS_LOST_AFTER": "1",
    "MLJOBS_REQUEST_TIMEOUT": "10",
    "MLJOBS_GAUGE_INTERVAL": "0.01",
}
"""Settings that tests have in common: no quota, short waits for unanswered create calls and missing jobs."""


class _Server:
    """A process that prints its URL."""

    def __init__(
        self, name: str, command: list[str], log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.log = log
        self.url = ""
        self._name = name
        self._command = command
        self._env = env
        self._http = urllib3.PoolManager(retries=False, maxsize=4)
        self._process: SupervisedProcess | OperatorProcess | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start it and wait until it serves."""
        start = self.log.stat().st_size if self.log.exists() else 0
        self._process = self._spawn()
        self.url = eventually(lambda: self._announced(start), what=f"{self._name} serves", report=self.tail)

    def _spawn(self) -> "SupervisedProcess | OperatorProcess":
        return SupervisedProcess(self._name, self._command, log=self.log, env=self._env).start()

    def kill(self) -> None:
        """End it by SIGKILL, as the kernel does when memory runs out."""
        assert self._process is not None
        pid = self.pid
        assert pid is not None, f"{self._name} does not run: {self.tail()}"
        os.kill(pid, signal.SIGKILL)
        ended = self._process.wait(10)
        assert ended is not None
        assert ended.code == -signal.SIGKILL, ended

    def stop(self) -> None:
        """End it by SIGTERM."""
        if self._process is not None:
            self._process.terminate()

    def tail(self, characters: int = 6000) -> str:
        text = self.log.read_text("utf-8", "replace") if self.log.exists() else ""
        return f"--- {self._name}:\n{text[-characters:]}"

    def _announced(self, start: int) -> str:
        assert self._process is not None
        found = re.search(rb"http://[0-9.:]+", self.log.read_bytes()[start:])
        assert self._process.running, f"{self._name} has ended: {self.tail()}"
        return found[0].decode() if found else ""

    def _request(self, method: str, path: str, body: object = None) -> urllib3.BaseHTTPResponse:
        return self._http.request(method, self.url + path, json=body, timeout=10)


class Emulator(_Server):
    """The job service."""

    def __init__(self, log: Path, *, speed: float = SPEED, still: bool = True) -> None:
        command = [*EMULATOR, f"--speed={speed}", *(["--still"] if still else [])]
        super().__init__("emulator", command, log)

    def start(self) -> None:
        super().start()
        self.script("", **HELD)

    def script(self, job_id: str, **script: Any) -> None:
        """Give the jobs whose id matches another course."""
        self._post("/_emulator/scripts", {"jobId": job_id, **script})

    def fault(self, action: str, *, method: str | None = None, **fault: Any) -> None:
        """Let requests fail; see the emulator's `Fault`."""
        named = {"method": API + method} if method else {}
        self._post("/_emulator/faults", [{"action": action, **named, **fault}])

    def fix(self) -> None:
        """End all faults."""
        self._json("DELETE", "/_emulator/faults")

    def deny(self, objects: str, *permissions: str) -> None:
        """Let everybody lack permissions on objects of Cloud Storage whose `BUCKET/OBJECT` matches."""
        self._post("/_emulator/permissions", {"denied": list(permissions), "object": objects})

    def revoke(self, identity: str) -> None:
        """Revoke the access tokens of an identity."""
        self._json("DELETE", f"/_emulator/tokens?identity={quote(re.escape(identity), safe='')}")

    def drop_bucket(self, bucket: str) -> None:
        """Let a bucket not exist."""
        self._json("DELETE", f"/_emulator/buckets/{bucket}")

    def force(self, job_id: str, state: str, error: str = "", *, project: str = PROJECT) -> None:
        """Put a job into a state, behind everybody's back."""
        self._post(f"/_emulator/jobs/{project}/{job_id}", {"state": state, "errorMessage": error})

    def vanish(self, job_id: str, *, project: str = PROJECT) -> None:
        """Let the service lose a job."""
        self._json("DELETE", f"/_emulator/jobs/{project}/{job_id}")

    def effects(self, after: int = 0, **equal: str) -> list[Json]:
        """The ledger's rows; `method` without its prefix."""
        if "method" in equal:
            equal["method"] = API + equal["method"]
        query = "&".join(f"{name}={value}" for name, value in {"after": str(after), **equal}.items())
        rows: list[Json] = self._json("GET", f"/_emulator/ledger?{query}")["effects"]
        return rows

    def applied(self, method: str, prefix: str = "") -> list[str]:
        """The ids of the jobs that calls of a method have changed, in order."""
        return [
            row["jobId"]
            for row in self.effects(method=method)
            if row["applied"] and row["jobId"].startswith(prefix)
        ]

    @property
    def last(self) -> int:
        """The number of the newest row."""
        rows = self.effects()
        return rows[-1]["seq"] if rows else 0

    def job(self, job_id: str, *, project: str = PROJECT) -> Json:
        """Read a job as any client of the API does; makes a row of its own in the ledger."""
        return self._json("GET", f"/v1/projects/{project}/jobs/{job_id}")

    def jobs(self, *, project: str = PROJECT) -> list[Json]:
        """Read all jobs of a project."""
        found: list[Json] = []
        token = ""
        while True:
            page = self._json("GET", f"/v1/projects/{project}/jobs?pageSize=100&pageToken={token}")
            found += page.get("jobs", [])
            token = page.get("nextPageToken", "")
            if not token:
                return found

    def create(self, job: Json, *, project: str = PROJECT) -> Json:
        """Submit a job as somebody else."""
        return self._json("POST", f"/v1/projects/{project}/jobs", job)

    def takes(self, job: Json, *, project: str = PROJECT) -> bool:
        """Submit a job as somebody else, and say whether its request is right."""
        response = self._request("POST", f"/v1/projects/{project}/jobs", job)
        assert response.status in (200, 400), response.data.decode()
        return response.status == 200

    def cancel(self, job_id: str, *, project: str = PROJECT) -> None:
        """Cancel a job as somebody else does, with gcloud say."""
        self._post(f"/v1/projects/{project}/jobs/{job_id}:cancel", {})

    def relabel(self, job_id: str, labels: Json, *, project: str = PROJECT) -> None:
        """Replace a job's labels as somebody else does."""
        self._json("PATCH", f"/v1/projects/{project}/jobs/{job_id}?updateMask=labels", {"labels": labels})

    def report(self) -> str:
        """The newest rows of the ledger."""
        if not self.running:
            return self.tail()
        rows = self.effects()[-40:]
        return "--- ledger:\n" + "\n".join(
            f"{row['seq']:>5} {row['method']} {row['jobId']} {row['status']} {'*' if row['applied'] else ''}"
            for row in rows
        )

    def _post(self, path: str, body: object) -> Json:
        return self._json("POST", path, body)

    def _json(self, method: str, path: str, body: object = None) -> Json:
        response = self._request(method, path, body)
        assert response.status == 200, f"{method} {path}: {response.status} {response.data.decode()}"
        answer: Json = response.json()
        return answer


class Operator(_Server):
    """The operator under the identity of a kubeconfig.

    Args:
        kubeconfig: of its ServiceAccount.
        endpoint: of the job service.
        log: where its output goes.
        project: the default project; empty for none.
        poll_interval: seconds.
        anonymous: whether its own calls carry no credentials.
        settings: more environment variables.
    """

    def __init__(
        self,
        kubeconfig: Path,
        endpoint: str,
        log: Path,
        *,
        project: str = PROJECT,
        poll_interval: float = 0.25,
        anonymous: bool = True,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        command = ["run", f"--endpoint={endpoint}"]
        command += ["--anonymous"] if anonymous else []
        command += [f"--poll-interval={poll_interval}", "--host=127.0.0.1", "--port=0", "--log-format=text"]
        command += [f"--project={project}"] if project else []
        env = {name: value for name, value in os.environ.items() if not name.startswith("MLJOBS_")}
        env |= {"KUBECONFIG": str(kubeconfig), **FAST, **(settings or {})}
        super().__init__("operator", command, log, env)
        self.kubeconfig = kubeconfig

    def _spawn(self) -> "SupervisedProcess | OperatorProcess":
        assert self._env is not None
        return OperatorProcess(self._command, log=self.log, env=self._env).start()

    def start(self) -> None:
        self.launch()
        eventually(lambda: self.ready, what="/readyz")

    def launch(self) -> None:
        """Start it and wait until it serves, ready or not."""
        super().start()

    @property
    def ready(self) -> bool:
        return self._request("GET", "/readyz").status == 200

    def metrics(self) -> str:
        """What it measures, as text."""
        return self._request("GET", "/metrics").data.decode()

    def until_posted(self) -> None:
        """Wait until no Event waits to be posted: they come after the statuses that they tell of."""
        eventually(
            lambda: "\nmljobs_events_waiting 0.0\n" in self.metrics(),
            what="all Events are posted",
            report=self.tail,
        )

    def until_leading(self) -> None:
        """Wait until it holds the Lease."""
        eventually(
            lambda: 'leader_election_master_status{name="mljobs-operator"} 1.0' in self.metrics(),
            what="the operator leads",
            report=self.tail,
        )

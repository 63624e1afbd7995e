"""Runs the demo: applies the samples, watches their states, deletes one, and shows what became of all."""

import contextlib
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from mljobs.api.resources import KINDS
from mljobs_dev.controlplane.client import ApiClient, ApiError, read_manifests
from mljobs_dev.demo.acts import ACTS, DELETED, NAMESPACES, SPEED, Act
from mljobs_dev.demo.judge import DemoError, excerpt, judge_ledger, row
from mljobs_dev.demo.table import Row, StateTable, open_table
from mljobs_dev.stack import binaries as stack_binaries
from mljobs_dev.stack.emulator_control import EmulatorControl
from mljobs_dev.stack.files import deploy_folder, shown
from mljobs_dev.stack.session import described
from mljobs_dev.stack.stack import Stack

DEADLINE = 60.0
"""Seconds in which all jobs must have ended."""

_LOOK_SECONDS = 0.25


class Play:
    """The resources and their jobs, from their apply to their ends.

    Args:
        client: the API server's.
        samples: the folder with the manifests.
    """

    def __init__(self, client: ApiClient, samples: Path) -> None:
        self._client = client
        self._samples = samples
        self._paths: dict[str, str] = {}
        self._deleted: set[str] = set()
        self.jobs: dict[str, str] = {}
        """The last part of each act's job name, as soon as its status shows it."""

    def apply(self) -> None:
        """Apply the samples.

        Raises:
            ApiError: the API server refuses one.
        """
        for act in ACTS:
            (manifest,) = read_manifests(self._samples / _file(act))
            if act.job_class:
                manifest["spec"]["jobClassName"] = act.job_class
            self._client.apply(manifest, namespace=act.namespace)
            self._paths[act.name] = self._client.path_of(manifest, act.namespace)

    def look(self) -> list[Row]:
        """Read all resources, delete the one whose time has come, and return their rows.

        Raises:
            DemoError: one cannot come to its end any more.
            ApiError: the API server does not answer as it should.
        """
        rows = []
        for act in ACTS:
            body = self._read(act)
            if body is not None:
                self._note(act, body.get("status") or {})
            rows.append(row(act, body, deleted=act.name in self._deleted))
        return rows

    def _read(self, act: Act) -> dict[str, Any] | None:
        try:
            body: dict[str, Any] = self._client.get(self._paths[act.name])
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return body

    def _note(self, act: Act, status: dict[str, Any]) -> None:
        if status.get("jobName"):
            self.jobs[act.name] = status["jobName"].rpartition("/")[2]
        if act.end == DELETED and status.get("state") == "RUNNING" and act.name not in self._deleted:
            self._client.request("DELETE", self._paths[act.name])
            self._deleted.add(act.name)


class Show:
    """The whole demo.

    Args:
        console: where it is shown.
        deadline: seconds in which all jobs must have ended.
        table: opens the table of states on it.
    """

    def __init__(
        self,
        console: Console | None = None,
        deadline: float = DEADLINE,
        table: Callable[[Console], StateTable] = open_table,
    ) -> None:
        self._console = console or Console()
        self._deadline = deadline
        self._open_table = table

    def run(self) -> None:
        """Run it from the start of the control plane to the end of everything.

        Raises:
            DemoError: it did not go as it should.
            BinariesError, ControlPlaneError, StackError, FilesError, ApiError, ProcessError, OSError:
                the stack did not come up, or broke down.
        """
        started = time.monotonic()
        binaries = stack_binaries.provide()
        kubectl = stack_binaries.kubectl(binaries)
        self._say("Starting a control plane, the emulated services and one operator for both …")
        with Stack(
            binaries,
            speed=SPEED,
            namespaces=list(NAMESPACES.values()),
            poll_interval=0.5,
            on_exit=lambda exit_: self._say(described(exit_)),
        ) as stack:
            self._say(f"They run, after {time.monotonic() - started:.0f} s.\n")
            try:
                self._perform(stack, kubectl)
            except DemoError as error:
                raise DemoError(f"{error}\nThe end of the operator's log:\n{stack.log_tail()}") from error
        self._say(farewell())

    def _perform(self, stack: Stack, kubectl: Path | None) -> None:
        with contextlib.closing(EmulatorControl(stack.emulator_url)) as control:
            control.script([act.script() for act in ACTS])
            play = Play(stack.client, deploy_folder() / "samples")
            self._watch(play)
            effects = control.ledger()
        judge_ledger(ACTS, play.jobs, effects)
        self._show_failure(stack, kubectl)
        self._show_ledger(play, effects)

    def _watch(self, play: Play) -> None:
        for act in ACTS:
            self._say(command(act))
        self._say("")
        play.apply()
        until = time.monotonic() + self._deadline
        with self._open_table(self._console) as table:
            while True:
                rows = play.look()
                table.show(rows)
                if all(one.done for one in rows):
                    return
                if time.monotonic() > until:
                    raise DemoError(f"not ended within {self._deadline:g} s: {_unfinished(rows)}")
                time.sleep(_LOOK_SECONDS)

    def _show_failure(self, stack: Stack, kubectl: Path | None) -> None:
        """Show the failed job's error message as its user finds it."""
        (act,) = (act for act in ACTS if act.error)
        if kubectl is None:
            self._say("\nThere is no kubectl to show how a job failed; its status says it too.")
            return
        kind = KINDS["TrainingJob"].short_name
        command = [str(kubectl), "describe", kind, act.sample, f"--namespace={act.namespace}"]
        private = [f"--kubeconfig={stack.kubeconfig}", f"--cache-dir={stack.folder / 'kubectl'}"]
        done = subprocess.run([*command, *private], capture_output=True, text=True, timeout=30, check=False)
        if done.returncode != 0 or act.error not in done.stdout:
            raise DemoError(
                f"kubectl describe does not show why {act.sample} failed: {done.stderr or done.stdout}"
            )
        self._say(f"\nkubectl describe {kind} {act.sample}")
        for line in excerpt(done.stdout):
            self._say(f"  {line}")

    def _show_ledger(self, play: Play, effects: list[dict[str, Any]]) -> None:
        (act,) = (act for act in ACTS if act.end == DELETED)
        counts = Counter(effect["method"] for effect in effects if effect["applied"])
        self._say("\nWhat the operator had the services do, by their ledger:")
        for method, count in sorted(counts.items()):
            self._say(f"  {count} × {method}")
        self._say(f"The one cancel is that of {play.jobs[act.name]}, whose resource is gone.")

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def command(act: Act) -> str:
    """The command line that does what the demo does."""
    where = "" if act.namespace == "default" else f" -n {act.namespace}"
    folder = shown(deploy_folder() / "samples")
    runs_by = f"class {act.job_class}" if act.job_class else act.service
    return f"kubectl apply{where} -f {folder}/{_file(act)}  # {runs_by}: {act.shows}"


def _file(act: Act) -> str:
    """Its manifest, below the folder of samples."""
    return f"{'vertex/' if act.sample.startswith('vertex-') else ''}{act.sample}.yaml"


def _unfinished(rows: list[Row]) -> str:
    return ", ".join(f"{one.name} ({one.state}: {one.detail})" for one in rows if not one.done)


def farewell() -> str:
    """What to try next."""
    samples = shown(deploy_folder() / "samples")
    program = "mljobs" if shutil.which("mljobs") else shown(Path(sys.executable).with_name("mljobs"))
    return f"""
All came to the end they should, and nothing is left running. What to try next:

  {program} dev  # the same stack until Ctrl-C; it says how to point kubectl at it. Then, say:
  kubectl apply -f {samples}/gpu-container.yaml
  kubectl wait --for=condition=Succeeded tj/gpu-container --timeout=10m
  kubectl explain tj.spec.trainingInput.hyperparameters"""

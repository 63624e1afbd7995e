"""A control plane, the job service and one program that works on resources, and what each of them uses."""

import re
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.counters import Cost, Served, Snapshot, busy_seconds, cpu_seconds, memory
from bench.crowd import NAMESPACE
from mljobs.admin import crds
from mljobs_dev.controlplane import binaries
from mljobs_dev.controlplane.controlplane import ControlPlane
from mljobs_dev.controlplane.process import SupervisedProcess
from tests.e2e.support import eventually
from tests.e2e.support_stack import ACCOUNT, LONG, MLJOBS, PROJECT, Emulator, Operator

ROOT = Path(__file__).parents[1]
INTERVAL = 10.0
"""Seconds between two rounds of polls: the operator's default."""

SETTINGS = {
    "MLJOBS_CREATES_PER_MINUTE": "0",
    "MLJOBS_OTHERS_PER_MINUTE": "0",
    "MLJOBS_GAUGE_INTERVAL": "60",
}
STARTED = {"timeline": {"QUEUED": 0, "PREPARING": 0, "RUNNING": LONG, "CANCELLING": 1}}
ENDED = {"timeline": {"QUEUED": 0, "PREPARING": 0, "RUNNING": 0}}

_EVENTS_WAITING = re.compile(r"^mljobs_events_waiting (\S+)$", re.MULTILINE)
_RECONCILED = re.compile(r'^controller_runtime_reconcile_total{[^}]*result="\w+"} (\S+)$', re.MULTILINE)

SETTLED = 0.03
"""Cores below which a program counts as done with what it was given."""


class OperatorAlone(Operator):
    """The operator as users start it: a fork would share memory with others, and the CPU of its imports."""

    def _spawn(self) -> SupervisedProcess:
        return SupervisedProcess("operator", [*MLJOBS, *self._command], log=self.log, env=self._env).start()


@dataclass
class Lab:
    """Everything that runs; one program at a time."""

    plane: ControlPlane
    emulator: Emulator
    files: Path
    account: Path
    operator: OperatorAlone | None = None
    bare: SupervisedProcess | None = None

    @property
    def pids(self) -> dict[str, int]:
        """Of everything that runs, by name; the program that is measured is `program`."""
        running = {"emulator": self.emulator, "program": self.operator or self.bare}
        mine = {name: one.pid for name, one in running.items() if one is not None and one.pid is not None}
        return {**self.plane.pids, **mine}

    @property
    def pid(self) -> int:
        """Of the program."""
        pid = self.pids.get("program")
        if pid is None:
            raise RuntimeError("no program runs that could be measured")
        return pid

    def start_operator(self) -> None:
        """Start the operator and wait until it leads and watches."""
        self.operator = OperatorAlone(
            self.account,
            self.emulator.url,
            self.files / "operator.log",
            poll_interval=INTERVAL,
            settings=SETTINGS,
        )
        self.operator.start()

    def start_bare(self) -> None:
        """Start the program that the operator is compared with."""
        log = self.files / "bare.log"
        command = [sys.executable, "-m", "bench.bare", str(self.account), self.emulator.url, PROJECT]
        self.bare = SupervisedProcess("bare", command, log=log, cwd=ROOT).start()
        eventually(lambda: b"watching" in log.read_bytes(), what="the bare program watches")

    def stop(self) -> None:
        """Stop the program."""
        if self.operator:
            self.operator.stop()
        if self.bare:
            self.bare.terminate()
        self.operator = self.bare = None

    def snapshot(self) -> Snapshot:
        """Read all counters."""
        text = self.plane.client.get("/metrics")
        cpu = {name: cpu_seconds(pid) for name, pid in self.pids.items()}
        return Snapshot(time.monotonic(), busy_seconds(), cpu, Served.read(text))

    def until_reconciled(self, count: int, patience: float = 300) -> None:
        """Wait until the operator has reconciled so many resources, by its own metrics."""
        until = time.monotonic() + patience
        while time.monotonic() < until:
            text = self.operator.metrics() if self.operator else ""
            if sum(float(number) for number in _RECONCILED.findall(text)) >= count:
                return
            time.sleep(0.25)  # each look costs the operator some milliseconds
        raise RuntimeError(f"not all of {count} resources were reconciled within {patience:g} s")

    def memory(self) -> float:
        """Peak of the program's resident memory, in MB."""
        return memory(self.pid, "VmHWM")

    def settle(self, patience: float = 60) -> None:
        """Wait until the program has nothing left to do: Events come after the statuses that they tell of."""
        until = time.monotonic() + patience
        while time.monotonic() < until:
            before, began = cpu_seconds(self.pid), time.monotonic()
            time.sleep(1)
            quiet = cpu_seconds(self.pid) - before < SETTLED * (time.monotonic() - began)
            if quiet and not self.events_waiting():
                return

    def events_waiting(self) -> int:
        """How many Events the operator has not posted yet, by its own metrics."""
        found = _EVENTS_WAITING.search(self.operator.metrics()) if self.operator else None
        return int(float(found[1])) if found else 0

    def calls(self, after: int) -> list[Mapping[str, Any]]:
        """The ledger's rows since a number."""
        return list(self.emulator.effects(after=after))


@contextmanager
def lab(*, rules: bool = True) -> Iterator[Lab]:
    """Everything but the program, and without resources.

    Args:
        rules: whether there are the CEL rules, in policies and CRDs.
    """
    with (
        tempfile.TemporaryDirectory(prefix="mljobs-bench-") as folder,
        ControlPlane(binaries_dir=binaries.ensure([])) as plane,
    ):
        files = Path(folder)
        plane.apply(crds.manifests() if rules else [_without_rules(one) for one in crds.definitions()])
        for name in ("namespace", "rbac"):
            plane.apply(ROOT / "deploy" / "base" / f"{name}.yaml")
        plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        account = plane.service_account_kubeconfig(*ACCOUNT, files / "kubeconfig")
        emulator = Emulator(files / "emulator.log", speed=1, still=False)
        emulator.start()
        made = Lab(plane, emulator, files, account)
        try:
            yield made
        finally:
            made.stop()
            emulator.stop()


def _without_rules(node: Any) -> Any:
    """A definition without its CEL rules."""
    if isinstance(node, Mapping):
        return {
            key: _without_rules(value) for key, value in node.items() if key != "x-kubernetes-validations"
        }
    return [_without_rules(one) for one in node] if isinstance(node, list) else node


def spent(before: Snapshot, after: Snapshot) -> Cost:
    """What lies between two snapshots."""
    return Cost.between(before, after)

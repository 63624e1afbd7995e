"""How fast the operator takes in many manifests at once, and how often it writes for each.

    python -m bench.burst [--objects 200] [--way kubectl|clients]

A control plane, an emulator and the operator (under its ServiceAccount, with its default settings but without
quotas) run as processes of their own. The manifests are applied by one `kubectl apply`, or by many clients at
once; a watch tells when the last resource has its job's id. Then all jobs end at once, and then all resources
are deleted. The writes come from the API server's audit log.
"""

import argparse
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kubernetes import client

from bench.lab import OperatorAlone
from mljobs.admin import crds
from mljobs.api.resources import GROUP, TRAINING_JOB, VERSION
from mljobs_dev.controlplane import binaries
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.support import Json, Kubectl, Namespace, connect, training
from tests.e2e.support_stack import ACCOUNT, OPERATOR_USER, Emulator

ROOT = Path(__file__).parents[1]
NAMESPACE = "burst"
CLIENTS = 16
SETTINGS = {"MLJOBS_CREATES_PER_MINUTE": "0", "MLJOBS_OTHERS_PER_MINUTE": "0"}

Done = Callable[[str, Json], bool]


@dataclass
class Stack:
    """What is measured, and with what."""

    plane: ControlPlane
    emulator: Emulator
    operator: OperatorAlone
    namespace: Namespace
    kubectl: Kubectl
    seen: Counter[str] = field(default_factory=Counter)

    def writes(self) -> Counter[str]:
        """The operator's writes since the last call, by what was written."""
        all_of_them: Counter[str] = Counter()
        for write in self.plane.writes(user=OPERATOR_USER):
            about = write["objectRef"]
            all_of_them["/".join(filter(None, [about["resource"], about.get("subresource")]))] += 1
        fresh = all_of_them - self.seen
        self.seen = all_of_them
        return fresh

    def settle(self) -> None:
        """Wait until a second has brought no write: events come after the status that they tell of."""
        before = -1
        while (now := len(self.plane.writes(user=OPERATOR_USER))) != before:
            before = now
            time.sleep(1)

    def cpu(self) -> float:
        """CPU seconds of the operator so far (Linux; 0 elsewhere)."""
        try:
            fields = Path(f"/proc/{self.operator.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running() -> Iterator[Stack]:
    """The whole stack, empty."""
    found = binaries.ensure(["kubectl"])
    with (
        tempfile.TemporaryDirectory(prefix="mljobs-bench-") as folder,
        ControlPlane(binaries_dir=found, audit=True) as plane,
    ):
        files = Path(folder)
        plane.apply(crds.manifests())
        for name in ("namespace", "rbac"):
            plane.apply(ROOT / "deploy" / "base" / f"{name}.yaml")
        plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        account = plane.service_account_kubeconfig(*ACCOUNT, files / "kubeconfig")
        emulator = Emulator(files / "emulator.log", speed=1)
        emulator.start()
        operator = OperatorAlone(
            account, emulator.url, files / "operator.log", poll_interval=10, settings=SETTINGS
        )
        operator.start()
        try:
            with connect(plane.kubeconfig) as api:
                namespace = Namespace(api, NAMESPACE, operator.tail)
                kubectl = Kubectl(found / "kubectl", plane.kubeconfig, NAMESPACE)
                yield Stack(plane, emulator, operator, namespace, kubectl)
        finally:
            operator.stop()
            emulator.stop()


def apply_by_kubectl(stack: Stack, manifests: list[Json]) -> None:
    stack.kubectl.apply(*manifests)


def apply_by_clients(stack: Stack, manifests: list[Json]) -> None:
    custom = client.CustomObjectsApi(stack.namespace.api)
    with ThreadPoolExecutor(CLIENTS) as pool:
        made = [
            pool.submit(
                custom.create_namespaced_custom_object,
                GROUP,
                VERSION,
                NAMESPACE,
                TRAINING_JOB.plural,
                manifest,
            )
            for manifest in manifests
        ]
    for one in made:
        one.result()


WAYS = {"kubectl": apply_by_kubectl, "clients": apply_by_clients}


def until_all(stack: Stack, count: int, done: Done) -> None:
    """Watch until so many resources are done."""
    finished: set[str] = set()
    while len(finished) < count:  # a watch ends by itself after a while
        for kind, found in stack.namespace.history(TRAINING_JOB):
            if done(kind, found):
                finished.add(found["metadata"]["name"])
            if len(finished) == count:
                return


def has_job(_: str, found: Json) -> bool:
    return bool(found.get("status", {}).get("jobId"))


def has_ended(_: str, found: Json) -> bool:
    return bool(found.get("status", {}).get("state") == "SUCCEEDED")


def is_gone(kind: str, _: Json) -> bool:
    return kind == "DELETED"


def row(name: str, count: int, seconds: str, writes: Counter[str], cpu: float) -> str:
    each = ", ".join(f"{number / count:.2f} {what}" for what, number in sorted(writes.items()))
    return f"| {name} | {seconds} | {writes.total() / count:.2f} ({each}) | {1000 * cpu / count:.1f} |"


def phase(stack: Stack, name: str, count: int, done: Done, act: Callable[[], None]) -> None:
    """Do something to all resources, wait until each is done, and print the row."""
    stack.settle()
    stack.writes()
    begun, cpu = time.monotonic(), stack.cpu()
    with ThreadPoolExecutor(1) as watcher:
        all_done = watcher.submit(until_all, stack, count, done)
        act()
        acted = time.monotonic() - begun
        all_done.result()
    seconds = f"{time.monotonic() - begun:.1f}, of which {acted:.1f} to ask"
    stack.settle()
    print(row(name, count, seconds, stack.writes(), stack.cpu() - cpu), flush=True)


def measure(count: int, way: str) -> None:
    """Print the rows of one way to apply."""
    manifests = [training(f"job-{number:04}", {"labels": {"team": "a"}}) for number in range(count)]
    with running() as stack:
        phase(
            stack,
            f"{count} applied by {way}, until all have a job id",
            count,
            has_job,
            lambda: WAYS[way](stack, manifests),
        )
        phase(
            stack,
            "all end at once, until all say so",
            count,
            has_ended,
            lambda: stack.emulator.script("", timeline={"QUEUED": 0, "PREPARING": 0, "RUNNING": 0}),
        )
        phase(stack, "all deleted, until all are gone", count, is_gone, stack.namespace.delete_all)
        created = stack.emulator.applied("create")
        if len(created) != count or len(set(created)) != count:
            raise RuntimeError(f"{len(created)} jobs were made for {count} resources")


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--objects", type=int, default=200)
    options.add_argument("--way", choices=sorted(WAYS), action="append")
    chosen = options.parse_args()
    print(f"{os.cpu_count()} cores, shared by control plane, emulator, operator and clients\n")
    print("| what | seconds | writes an object | CPU ms an object |\n|---|---|---|---|")
    for way in chosen.way or sorted(WAYS):
        measure(chosen.objects, way)


if __name__ == "__main__":
    main()

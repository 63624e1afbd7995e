"""Three shards over 3,000 resources, one of them killed midway: who has written what, and what is doubled.

    python -m bench.shards [--jobs N] [--namespaces N]

Three operators and one in reserve share the namespaces of one control plane, each under a ServiceAccount of
its own, so that the API server's audit log says who has written what. One of the three is killed when half of
the resources have a job. Ends with 1 if a namespace ever had two operators, or a resource two jobs.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from bench.counters import cpu_seconds, memory
from bench.crowd import Crowd, crowd, manifest
from bench.lab import SETTINGS, OperatorAlone
from mljobs.admin import crds
from mljobs_dev.controlplane import binaries
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.support import eventually
from tests.e2e.support_shards import ROOT, leading, owners, sharing
from tests.e2e.support_stack import Emulator, Operator

SHARDS = 3
AT_ONCE = 10
"""Resources that are made in a namespace before it is the next one's turn."""

LONGEST = 600.0
"""Seconds in which all has to be done."""


def operators(plane: ControlPlane, emulator: Emulator, files: Path) -> Mapping[str, Operator]:
    """Start three operators, and one in reserve, by their users."""
    made = sharing(plane, emulator.url, files, SETTINGS, SHARDS, OperatorAlone)
    for one in made.values():
        one.start()
    eventually(lambda: len(leading(made)) == SHARDS, what="three of them lead", within=60)
    return made


class Made:
    """Counts the jobs that were made; each look reads only what is new in the ledger.

    Args:
        emulator: the job service.
    """

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._last = self._count = 0

    async def until(self, count: int) -> None:
        """Wait until there are so many.

        Raises:
            RuntimeError: it takes too long.
        """
        end = time.monotonic() + LONGEST
        while True:
            rows = self._emulator.effects(after=self._last, method="create")
            self._last = rows[-1]["seq"] if rows else self._last
            self._count += sum(row["applied"] for row in rows)
            if self._count >= count:
                return
            if time.monotonic() > end:
                raise RuntimeError(f"{self._count} of {count} jobs after {LONGEST:g} s")
            await asyncio.sleep(0.5)


async def create(crowds: Sequence[Crowd], each: int) -> None:
    """Make the resources, some in each namespace in turn."""
    for first in range(0, each, AT_ONCE):
        for number, place in enumerate(crowds):
            numbers = range(first, min(first + AT_ONCE, each))
            await place.create(manifest(f"job-{number:03}{n:04}") for n in numbers)


async def measure(plane: ControlPlane, files: Path, namespaces: Sequence[str], jobs: int) -> int:
    """Run it; the exit code."""
    emulator = Emulator(files / "emulator.log", speed=1, still=True)
    emulator.start()
    running = operators(plane, emulator, files)
    try:
        acting = leading(running)
        async with AsyncExitStack() as stack:
            crowds = [await stack.enter_async_context(crowd(plane, name)) for name in namespaces]
            made, began = Made(emulator), time.monotonic()
            making = asyncio.create_task(create(crowds, jobs // len(namespaces)))
            await made.until(jobs // 2)
            killed = time.monotonic()
            running[acting[0]].kill()
            await making
            await made.until(jobs)
        ended = time.monotonic()
        print(
            f"{jobs} resources in {len(namespaces)} namespaces, {SHARDS} shards and one operator in reserve"
        )
        print(f"one was killed after {killed - began:.1f} s; all have a job after {ended - began:.1f} s")
        for user, one in running.items():
            if one.running and one.pid:
                used = f"{cpu_seconds(one.pid):.1f} s of CPU, {memory(one.pid, 'VmHWM'):.0f} MB at most"
                print(f"  {user.rpartition(':')[2]}: {used}")
        return judged(plane, emulator, set(running), jobs)
    finally:
        for one in running.values():
            if one.running:
                one.stop()
        emulator.stop()


def judged(plane: ControlPlane, emulator: Emulator, users: set[str], jobs: int) -> int:
    """Count overlaps and second jobs; the exit code."""
    found = owners(plane, users)
    overlaps = {name: rows for name, rows in found.items() if len(rows) > len(set(rows))}
    moved = sum(len(rows) == 2 for rows in found.values())
    made = emulator.applied("create")
    doubled = len(made) - len(set(made))
    print(f"namespaces that have changed their operator: {moved}; with two at once: {len(overlaps)}")
    print(f"jobs: {len(made)}; second ones: {doubled}")
    return 0 if not overlaps and not doubled and len(made) == jobs else 1


def main() -> int:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--jobs", type=int, default=3000, help="resources")
    options.add_argument("--namespaces", type=int, default=60, help="that they are in")
    chosen = options.parse_args()
    namespaces = [f"share-{number}" for number in range(chosen.namespaces)]
    with (
        tempfile.TemporaryDirectory(prefix="mljobs-bench-") as folder,
        ControlPlane(binaries_dir=binaries.ensure([]), audit=True) as plane,
    ):
        plane.apply(crds.manifests())
        for name in ("namespace", "rbac"):
            plane.apply(ROOT / "deploy" / "base" / f"{name}.yaml")
        plane.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n}} for n in namespaces])
        return asyncio.run(measure(plane, Path(folder), namespaces, chosen.jobs))


if __name__ == "__main__":
    sys.exit(main())

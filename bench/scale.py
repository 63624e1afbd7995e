"""What many resources cost, beside a bare program that does the same: bursts, steady state, restarts, ends.

    python -m bench.scale [--quick] [--burst N] [--life N] [--large N]

Control plane, job service (the emulator) and program run as processes of their own, and resources are made
over 32 connections. Burst by burst the bare program, the same on CRDs without CEL rules, and the operator
take turns, each with a new control plane. Quotas are lifted; the emulator answers a create in a third of a
millisecond. Writes the figures to build/bench; ends with 1 if one misses its goal in bench/goals.yaml.
"""

import argparse
import asyncio
import re
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.counters import Cost, wait_until_quiet
from bench.crowd import Crowd, Done, crowd, has_job, in_state, manifest
from bench.figures import Figures
from bench.lab import ENDED, INTERVAL, ROOT, STARTED, Lab, lab, spent
from tests.e2e.support import eventually

PEER = {1000: 1.86, 5000: 1.81}
"""How much longer the tuned peer took than the bare program without CEL rules, by the size of the burst."""

QUIET, PATIENCE = 0.1, 15.0
"""Cores in use below which a measurement may begin, and seconds that are waited for that."""


@dataclass(frozen=True)
class Taken:
    """One phase: what it cost once the program had settled, and when which resource was done."""

    cost: Cost
    began: float
    moments: Sequence[float]

    @property
    def seconds(self) -> float:
        return self.moments[-1] - self.began


async def phase(place: Lab, all_of_them: Crowd, count: int, done: Done, act: Callable[[], object]) -> Taken:
    """Do something, and watch until so many resources are done."""
    await asyncio.to_thread(wait_until_quiet, QUIET, PATIENCE)
    before = place.snapshot()
    since = await all_of_them.version()
    began = time.monotonic()
    watching = asyncio.create_task(all_of_them.until(count, done, since))
    acted = act()
    if asyncio.iscoroutine(acted):
        await acted
    moments = await watching
    await asyncio.to_thread(place.settle)
    return Taken(spent(before, place.snapshot()), began, moments)


async def burst(figures: Figures, count: int, program: str) -> None:
    """Make resources at once, with one program at work."""
    with lab(rules=program != "bare_no_rules") as place:
        place.start_operator() if program == "operator" else place.start_bare()
        async with crowd(place.plane) as all_of_them:
            await made(figures, place, all_of_them, count, program)


async def made(figures: Figures, place: Lab, all_of_them: Crowd, count: int, program: str) -> None:
    """The burst itself."""
    earlier = len(place.emulator.applied("create"))
    manifests = [manifest(f"job-{number:05}") for number in range(count)]
    taken = await phase(place, all_of_them, count, has_job, lambda: all_of_them.create(manifests))
    cost, name = taken.cost, f"burst_{count}.{program}"
    figures.add(f"{name}_wall_s", taken.seconds, others=cost.others)
    figures.add(f"{name}_cpu_ms", 1000 * cost.cpu["program"] / count, others=cost.others)
    for server in ("kube-apiserver", "etcd"):
        short = server.removeprefix("kube-")
        figures.add(f"{name}_{short}_cpu_ms", 1000 * cost.cpu[server] / count, others=cost.others)
    written = sum(number for what, number in cost.writes.items() if _by_program(what))
    figures.add(f"{name}_writes", written / count, others=cost.others)
    figures.add(f"{name}_rss_mb", place.memory(), others=cost.others)
    created = place.emulator.applied("create")[earlier:]
    if len(created) != count or len(set(created)) != count:
        raise RuntimeError(f"{len(created)} jobs were made for {count} resources")


def _by_program(what: str) -> bool:
    method, _, about = what.partition(" ")
    return (about.startswith("trainingjobs") and method == "PATCH") or about == "events"


SUBMISSIONS = 7
"""Single resources whose way to the service is timed."""


async def submissions(place: Lab, all_of_them: Crowd, first: int) -> float:
    """Make single resources one after the other: the median of the seconds until each has a job."""
    times = []
    for number in range(first, first + SUBMISSIONS):
        since, began = await all_of_them.version(), time.monotonic()
        await all_of_them.create([manifest(f"job-{number}")])
        times += [moment - began for moment in await all_of_them.until(1, has_job, since)]
    await asyncio.to_thread(place.settle)
    return statistics.median(times)


async def life(figures: Figures, count: int, *, steady: float) -> None:
    """What follows a burst of the operator's: its jobs run, it restarts, they end, it restarts again."""
    with lab() as place:
        place.start_operator()
        async with crowd(place.plane) as all_of_them:
            one = await submissions(place, all_of_them, first=90_000)
            await made(figures, place, all_of_them, count, "operator")
            total = count + SUBMISSIONS
            await started(figures, place, all_of_them, total, count)
            await watched(figures, place, total, count, steady)
            await seen(figures, place, all_of_them, count)
            await restarted(figures, place, total, f"restart_{count}")
            await ended(figures, place, all_of_them, total - SINGLE_ENDS, count)
            beside = await submissions(place, all_of_them, first=91_000)
            figures.add(f"beside_{count}.submission_to_empty", beside / one, others=0.0)
            await restarted_with_ended(figures, place, all_of_them, count)


async def started(figures: Figures, place: Lab, all_of_them: Crowd, total: int, count: int) -> None:
    """All jobs start to run at once."""
    taken = await phase(
        place, all_of_them, total, in_state("RUNNING"), lambda: place.emulator.script("", **STARTED)
    )
    figures.add(f"started_{count}.wall_s", taken.seconds, others=taken.cost.others)


async def watched(figures: Figures, place: Lab, total: int, count: int, seconds: float) -> None:
    """All jobs run, and nothing but their gauges moves."""
    last, before = place.emulator.last, place.snapshot()
    await asyncio.sleep(seconds)
    cost, name = spent(before, place.snapshot()), f"steady_{count}"
    minutes = cost.seconds / 60
    calls = len(place.calls(after=last))
    written = sum(number for what, number in cost.writes.items() if _by_program(what))
    figures.add(f"{name}.cpu_percent", 100 * cost.cpu["program"] / cost.seconds, others=cost.others)
    figures.add(f"{name}.calls_a_round", calls / (cost.seconds / INTERVAL), others=cost.others)
    figures.add(f"{name}.calls_a_job_minute", calls / total / minutes, others=cost.others)
    figures.add(f"{name}.writes_a_job_minute", written / total / minutes, others=cost.others)


SINGLE_ENDS, PAUSE = 100, 0.3
"""Jobs that end one by one while the others run, over three rounds of polls, and the seconds between two."""

_JOB = re.compile(r"job_(\d+)_")


async def seen(figures: Figures, place: Lab, all_of_them: Crowd, count: int) -> None:
    """While all jobs run, some end one by one: until the status of each says so."""
    jobs = place.emulator.applied("create")
    since = await all_of_them.version()
    watching = asyncio.create_task(all_of_them.moments(SINGLE_ENDS, in_state("SUCCEEDED"), since))
    before, ends = place.snapshot(), {}
    for job_id in jobs[:: len(jobs) // SINGLE_ENDS][:SINGLE_ENDS]:
        await asyncio.to_thread(place.emulator.force, job_id, "SUCCEEDED")
        ends[f"job-{_JOB.findall(job_id)[0]}"] = time.monotonic()
        await asyncio.sleep(PAUSE)
    moments = await watching
    late = statistics.quantiles([moments[name] - end for name, end in ends.items()], n=100)[-1]
    others = spent(before, place.snapshot()).others
    figures.add(f"steady_{count}.p99_beyond_interval_s", late - INTERVAL, others=others)
    await asyncio.to_thread(place.settle)


async def restarted(figures: Figures, place: Lab, total: int, name: str) -> None:
    """Restart while all jobs run: until each resource was reconciled."""
    place.stop()
    await asyncio.to_thread(wait_until_quiet, QUIET, PATIENCE)
    before, began = place.snapshot(), time.monotonic()
    await asyncio.to_thread(place.start_operator)
    await asyncio.to_thread(place.until_reconciled, total)
    seconds = time.monotonic() - began
    await asyncio.to_thread(place.settle)
    cost = spent(before, place.snapshot())
    figures.add(f"{name}.seconds", seconds, others=cost.others)
    figures.add(f"{name}.operator_cpu_s", cost.cpu["program"], others=cost.others)
    figures.add(f"{name}.operator_rss_mb", place.memory(), others=cost.others)
    written = sum(number for what, number in cost.writes.items() if _by_program(what))
    figures.add(f"{name}.writes", written, others=cost.others)


async def ended(figures: Figures, place: Lab, all_of_them: Crowd, total: int, count: int) -> None:
    """All jobs end at once."""
    taken = await phase(
        place, all_of_them, total, in_state("SUCCEEDED"), lambda: place.emulator.script("", **ENDED)
    )
    cost, name = taken.cost, f"ended_{count}"
    late = statistics.quantiles([moment - taken.began for moment in taken.moments], n=100)[-1]
    figures.add(f"{name}.seconds", taken.moments[-1] - taken.moments[0], others=cost.others)
    figures.add(f"{name}.p99_beyond_interval_s", late - INTERVAL, others=cost.others)
    figures.add(f"{name}.operator_cpu_ms", 1000 * cost.cpu["program"] / total, others=cost.others)


async def restarted_with_ended(figures: Figures, place: Lab, all_of_them: Crowd, count: int) -> None:
    """Restart while all jobs have ended, and make a new resource meanwhile."""
    place.stop()
    load = await asyncio.to_thread(wait_until_quiet, QUIET, PATIENCE)
    since = await all_of_them.version()
    await all_of_them.create([manifest("job-92000")])
    watching = asyncio.create_task(all_of_them.until(1, has_job, since))
    began = time.monotonic()
    await asyncio.to_thread(place.start_operator)
    moments = await watching
    figures.add(f"restart_ended_{count}.new_resource_s", moments[0] - began, others=load)
    await asyncio.to_thread(place.settle)
    figures.add(f"restart_ended_{count}.operator_rss_mb", place.memory(), others=load)


async def large(figures: Figures, count: int) -> None:
    """Resources that are as large as they can be."""
    with lab() as place:
        place.start_operator()
        async with crowd(place.plane) as all_of_them:
            manifests = (manifest(f"job-{number:05}", large=True) for number in range(count))
            # neither many at once nor a watch of our own: the API server has to keep up with both
            await all_of_them.create(manifests, connections=4)
            await asyncio.to_thread(
                eventually,
                lambda: len(place.emulator.applied("create")) >= count,
                what=f"all of {count} large resources have a job",
                within=900,  # half a second of CPU each at the API server
            )
            await asyncio.to_thread(place.settle)
            burst_peak = place.memory()
            place.stop()
            place.start_operator()
            await asyncio.to_thread(place.until_reconciled, count)
            await asyncio.to_thread(place.settle)
            figures.add(f"large_{count}.operator_rss_mb", max(burst_peak, place.memory()), others=0.0)
            figures.add(f"large_{count}.restart_rss_mb", place.memory(), others=0.0)


def compare(figures: Figures, count: int) -> None:
    """Add what follows from the bursts of one size."""
    name = f"burst_{count}"
    figures.ratio(f"{name}.wall_to_bare", f"{name}.operator_wall_s", f"{name}.bare_wall_s")
    figures.ratio(f"{name}.cpu_to_bare", f"{name}.operator_cpu_ms", f"{name}.bare_cpu_ms")
    if count in PEER:
        bare = f"{name}.bare_no_rules_wall_s"
        figures.ratio(f"{name}.wall_to_peer", f"{name}.operator_wall_s", bare, PEER[count])
    with_rules = figures.median(f"{name}.bare_apiserver_cpu_ms")
    without = figures.median(f"{name}.bare_no_rules_apiserver_cpu_ms")
    if with_rules is not None and without is not None:
        figures.add(f"{name}.rules_cpu_ms", with_rules - without, others=0.0)


PROGRAMS = ("bare", "bare_no_rules", "operator")


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        bursts: sizes, with the number of rounds of each.
        lives: sizes, with the seconds for which nothing but gauges moves.
        large: large resources; 0 for none.
    """

    bursts: Mapping[int, int]
    lives: Mapping[int, float]
    large: int


QUICK = Plan({100: 1, 1000: 1}, {1000: 30}, 0)
WHOLE = Plan({100: 3, 1000: 3, 5000: 1, 10000: 1}, {1000: 60, 5000: 180, 10000: 60}, 500)


async def measure(figures: Figures, plan: Plan, programs: Sequence[str]) -> None:
    for count, rounds in plan.bursts.items():
        for _ in range(rounds):
            for program in programs:
                print(f"burst of {count}, {program}", flush=True)
                # the operator's burst of that size is part of its life, too
                if program != "operator" or rounds > 1 or count not in plan.lives:
                    await burst(figures, count, program)
    for count, steady in plan.lives.items():
        print(f"the life of {count}", flush=True)
        await life(figures, count, steady=steady)
    for count in plan.bursts:
        compare(figures, count)
    if plan.large:
        print(f"{plan.large} large ones", flush=True)
        await large(figures, plan.large)


def main() -> int:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--quick", action="store_true", help="100 and 1,000 only, once: some minutes")
    options.add_argument("--burst", type=int, action="append", metavar="N", help="only bursts of N")
    options.add_argument("--life", type=int, action="append", metavar="N", help="only the life of N")
    options.add_argument("--large", type=int, default=0, metavar="N", help="only N large resources")
    options.add_argument("--rounds", type=int, default=1, help="of chosen bursts")
    options.add_argument("--program", choices=PROGRAMS, action="append", help="in chosen bursts")
    options.add_argument("--steady", type=float, default=60, help="seconds of a chosen life in which all run")
    options.add_argument("--into", type=Path, default=ROOT / "build" / "bench", help="folder of the results")
    chosen = options.parse_args()
    plan = QUICK if chosen.quick else WHOLE
    if chosen.burst or chosen.life or chosen.large:
        bursts = dict.fromkeys(chosen.burst or (), chosen.rounds)
        plan = Plan(bursts, dict.fromkeys(chosen.life or (), chosen.steady), chosen.large)
    figures = Figures()
    asyncio.run(measure(figures, plan, chosen.program or PROGRAMS))
    figures.write(chosen.into)
    print(f"\n{figures.table()}\n\nwritten to {chosen.into}/figures.json and burst.svg")
    missed = [goal.figure for goal, _, met in figures.judged() if not met]
    if missed:
        print(f"bench: missed: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

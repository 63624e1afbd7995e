"""What an identity whose token service fails costs the jobs of another identity.

    python -m bench.identities [--jobs 500] [--workers 64]

Two services, two identities, an emulator of its own that requires tokens. Workers like those of the operator
take submissions from one queue; one that is refused comes back later. Measured is the time until all jobs of
the first identity are submitted: with both identities well, and while STS does not answer for the second, or
answers 503.
"""

import argparse
import asyncio
import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from mljobs.backends import Access, Limits, OpenBackend, Terms, open_identities, service_named
from mljobs.domain.errors import JobServiceError
from mljobs.domain.port import Caller, Order
from tests.unit.emulator.issuer import PROVIDER, Issuer, account_subject

SERVICES, TEAMS = ("MLv1", "VertexAI"), ("team-a", "team-b")
REGION = "us-central1"
SPEC = {
    "trainingInput": {
        "region": REGION,
        "scaleTier": "CUSTOM",
        "masterType": "n1-standard-4",
        "masterConfig": {"imageUri": "gcr.io/bench/trainer:1"},
    }
}
FAULTS = {
    "both identities well": None,
    "STS does not answer for one": {"action": "delay", "seconds": 3600},
    "STS answers 503 for one": {"action": "error", "status": 503},
}


@dataclass
class Load:
    """The submissions of one measurement: seconds until each was accepted, by team."""

    backends: dict[tuple[str, str], OpenBackend]
    jobs: int
    began: float = field(default_factory=time.monotonic)
    accepted: dict[str, list[float]] = field(default_factory=lambda: {team: [] for team in TEAMS})
    refused: int = 0

    async def run(self, workers: int) -> None:
        """Submit until the first team has all its jobs."""
        pairs = [(service, team) for service in SERVICES for team in TEAMS]
        queue: asyncio.Queue[int] = asyncio.Queue()
        for number in range(self.jobs):
            queue.put_nowait(number)
        wanted = sum(pairs[number % len(pairs)][1] == TEAMS[0] for number in range(self.jobs))
        finished = asyncio.Event()

        async def work() -> None:
            while True:
                number = await queue.get()
                service, team = pairs[number % len(pairs)]
                await self._submit(self.backends[service, team], team, number, queue)
                if len(self.accepted[TEAMS[0]]) == wanted:
                    finished.set()

        tasks = [asyncio.create_task(work()) for _ in range(workers)]
        await finished.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _submit(self, backend: OpenBackend, team: str, number: int, queue: asyncio.Queue[int]) -> None:
        order = Order("TrainingJob", SPEC, backend.facts.scope(team, REGION), f"job_{number}", {})
        try:
            await backend.submit(order)
        except JobServiceError as error:
            self.refused += 1
            after = getattr(error, "retry_after", None) or 1.0
            asyncio.get_running_loop().call_later(after, queue.put_nowait, number)
        else:
            self.accepted[team].append(time.monotonic() - self.began)


async def measure(url: str, issuer: Issuer, name: str, jobs: int, workers: int) -> str:
    """Take one measurement; a line of the table."""
    await control(url, "reset", {})
    await control(url, "identities", {"required": True, "providers": [issuer.provider()]})
    fault = FAULTS[name]
    if fault:
        await control(url, "faults", {"method": "sts.token", "account": TEAMS[1], **fault})

    def tokens(namespace: str, account: str, audience: str) -> str:
        return issuer.token(account_subject(namespace, account), time.time(), aud=[audience])

    identities = open_identities(tokens, endpoint=url)
    async with contextlib.AsyncExitStack() as stack:
        backends: dict[tuple[str, str], OpenBackend] = {}
        for service in SERVICES:
            for team in TEAMS:
                credentials = identities.credentials(Caller(team, "mljobs", PROVIDER))
                access = Access(endpoint=url, limits=Limits(0, 0), credentials=credentials)
                opened = service_named(service).open(access, Terms((REGION,), {}))
                backends[service, team] = await stack.enter_async_context(opened)
        load = Load(backends, jobs)
        await load.run(workers)
    first, second = (load.accepted[team] for team in TEAMS)
    return (
        f"{name:<30} median {statistics.median(first):5.2f} s, last {max(first):5.2f} s; "
        f"of the other {len(second)}; refused {load.refused}"
    )


async def control(url: str, path: str, body: object) -> None:
    """Say something to the emulator."""
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(url, timeout=timeout, raise_for_status=True) as session:
        await session.post(f"/_emulator/{path}", json=body)


@contextlib.contextmanager
def emulator() -> Iterator[str]:
    """An emulator of its own; gives its URL."""
    command = [str(Path(sys.executable).parent / "mljobs"), "emulator"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def main() -> None:
    """Measure, each case twice, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.identities", description=__doc__)
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--workers", type=int, default=64)
    chosen = parser.parse_args()
    issuer = Issuer()
    with emulator() as url:
        for name in [*FAULTS, *FAULTS]:
            print(asyncio.run(measure(url, issuer, name, chosen.jobs, chosen.workers)), flush=True)


if __name__ == "__main__":
    main()

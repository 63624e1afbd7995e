"""How many requests a second the emulator answers on one core.

    python -m bench.emulator [--seconds 10] [--connections 16]

Starts an emulator of its own, pinned to the first core where the machine has several, and loads it from the
others over kept-alive loopback connections, each sending its next request once it has the last one's answer.
"""

import argparse
import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

PROJECT = "bench"
SERVE = "import typer; from mljobs_dev.emulator.command import emulator; typer.run(emulator)"

Request = Callable[[], bytes]


@dataclass(frozen=True)
class Figure:
    """One measurement: requests, the seconds they took, and the server's CPU seconds."""

    name: str
    requests: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds

    def __str__(self) -> str:
        share = f"{self.requests / self.cpu:>6.0f} a CPU second" if self.cpu else ""
        return f"{self.name:<30}{self.requests:>8} requests {self.rate:>7.0f} a second {share}"


def body(number: int) -> bytes:
    """A create request like those of real projects: a container, tuning of three parameters, labels."""
    job = {
        "jobId": f"bench_{number}",
        "labels": {"team": "a", "mljobs-uid": f"uid-{number}"},
        "trainingInput": {
            "scaleTier": "CUSTOM",
            "masterType": "n1-standard-4",
            "region": "us-central1",
            "masterConfig": {"imageUri": "gcr.io/bench/trainer:1"},
            "args": ["--epochs", "3", "--train-file", "gs://bench/train.csv"],
            "hyperparameters": {
                "goal": "MAXIMIZE",
                "hyperparameterMetricTag": "accuracy",
                "maxTrials": 4,
                "maxParallelTrials": 2,
                "params": [
                    {"parameterName": "units", "type": "INTEGER", "minValue": 50, "maxValue": 500},
                    {"parameterName": "rate", "type": "DOUBLE", "minValue": 0.001, "maxValue": 0.1},
                    {"parameterName": "kind", "type": "CATEGORICAL", "categoricalValues": ["a", "b"]},
                ],
            },
        },
    }
    return json.dumps(job).encode()


def post(path: str, content: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: emulator\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: emulator\r\n\r\n".encode()


def loads() -> Iterator[tuple[str, Request]]:
    """What is measured, in this order: later loads meet the jobs that the first one made."""
    numbers = itertools.count()
    turns = itertools.count()
    jobs = f"/v1/projects/{PROJECT}/jobs"

    def create() -> bytes:
        return post(f"{jobs}?alt=json", body(next(numbers)))

    def read() -> bytes:
        return get(f"{jobs}/bench_{next(turns) % 500}?alt=json")

    def page() -> bytes:
        return get(f"{jobs}?pageSize=20&alt=json")

    def full_page() -> bytes:
        return get(f"{jobs}?pageSize=100&alt=json")

    def mixed() -> bytes:
        turn = next(turns) % 10
        return create() if turn < 2 else page() if turn == 2 else read()

    yield "create", create
    yield "get", read
    yield "list, 20 jobs a page", page
    yield "list, 100 jobs a page", full_page
    yield "20% create, 10% list, 70% get", mixed


async def client(host: str, port: int, request: Request, until: float) -> int:
    reader, writer = await asyncio.open_connection(host, port, limit=2**22)
    answered = 0
    try:
        while time.monotonic() < until:
            writer.write(request())
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"the emulator answered {head.splitlines()[0].decode()}")
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
            answered += 1
    finally:
        writer.close()
    return answered


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far (Linux; 0 elsewhere)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(url: str, pid: int, seconds: float, connections: int) -> list[Figure]:
    """Run every load for a time."""
    address = urlsplit(url)
    figures = []
    for name, request in loads():
        begun, cpu = time.monotonic(), cpu_seconds(pid)
        until = begun + seconds
        clients = (
            client(str(address.hostname), address.port or 0, request, until) for _ in range(connections)
        )
        answered = sum(await asyncio.gather(*clients))
        figures.append(Figure(name, answered, time.monotonic() - begun, cpu_seconds(pid) - cpu))
        print(figures[-1], flush=True)
    return figures


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=5.0, help="length of each load")
    options.add_argument("--connections", type=int, default=16)
    chosen = options.parse_args()
    server = subprocess.Popen([sys.executable, "-c", SERVE], stdout=subprocess.PIPE, text=True)
    try:
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        if len(cores) > 1:
            os.sched_setaffinity(server.pid, cores[:1])
            os.sched_setaffinity(0, cores[1:])
        if server.stdout is None:
            raise RuntimeError("the emulator has no output to read its URL from")
        url = server.stdout.readline().strip()
        print(
            f"{len(cores) or 1} cores, {chosen.connections} connections, {chosen.seconds:g} s a load, {url}"
        )
        asyncio.run(measure(url, server.pid, chosen.seconds, chosen.connections))
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(10)


if __name__ == "__main__":
    main()

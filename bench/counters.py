"""What processes and the machine have used so far, from /proc (Linux), and what the API server counts."""

import os
import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
WRITING = ("POST", "PATCH", "PUT", "DELETE")
_REQUESTS = re.compile(r"^apiserver_request_total\{(?P<labels>[^}]*)\} (?P<count>\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_CPU = re.compile(r"^process_cpu_seconds_total (\S+)$", re.MULTILINE)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, all threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(pid: int, field: str = "VmRSS") -> float:
    """Resident memory of a process in MB (10^6 bytes); `VmHWM` for its peak."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    found = re.search(rf"^{field}:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) * 1024 / 1e6 if found else 0.0


def busy_seconds() -> float:
    """CPU seconds that all cores together have spent working, for anybody, this machine's host included."""
    user, nice, system, _idle, _wait, irq, soft, steal = (
        int(text) for text in Path("/proc/stat").read_text("ascii").split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + irq + soft + steal) / TICKS


def wait_until_quiet(busy: float, patience: float) -> float:
    """Wait until less than `busy` cores are in use, at most `patience` seconds; how many are in the end."""
    until = time.monotonic() + patience
    while True:
        before, began = busy_seconds(), time.monotonic()
        time.sleep(1)
        used = (busy_seconds() - before) / (time.monotonic() - began)
        if used < busy or time.monotonic() > until:
            return used


@dataclass(frozen=True)
class Served:
    """What an API server has done so far, by its own metrics.

    Attributes:
        cpu: seconds.
        writes: by method and resource, as `PATCH trainingjobs/status`.
    """

    cpu: float
    writes: Counter[str]

    @classmethod
    def read(cls, text: str) -> "Served":
        """Parse its metrics."""
        writes: Counter[str] = Counter()
        for found in _REQUESTS.finditer(text):
            labels = dict(_LABEL.findall(found["labels"]))
            about = "/".join(filter(None, [labels["resource"], labels["subresource"]]))
            if labels["verb"] in WRITING:
                writes[f"{labels['verb']} {about}"] += int(float(found["count"]))
        cpu = _CPU.search(text)
        return cls(float(cpu[1]) if cpu else 0.0, writes)


@dataclass(frozen=True)
class Snapshot:
    """The state of all counters at one moment."""

    time: float
    busy: float
    cpu: Mapping[str, float]
    served: Served


@dataclass(frozen=True)
class Cost:
    """What a phase has cost.

    Attributes:
        seconds: its duration.
        cpu: seconds by process.
        writes: at the API server, by method and resource.
        others: cores that were busy with anything else meanwhile.
    """

    seconds: float
    cpu: Mapping[str, float] = field(default_factory=dict)
    writes: Counter[str] = field(default_factory=Counter)
    others: float = 0.0

    @classmethod
    def between(cls, before: Snapshot, after: Snapshot) -> "Cost":
        """The difference of two snapshots."""
        seconds = after.time - before.time
        cpu = {name: after.cpu[name] - before.cpu.get(name, 0.0) for name in after.cpu}
        cpu["kube-apiserver"] = after.served.cpu - before.served.cpu
        others = (after.busy - before.busy - sum(cpu.values())) / seconds
        return cls(seconds, cpu, after.served.writes - before.served.writes, max(0.0, others))

"""The quota of machines and accelerators that a project's training has in a region, and its three faces.

Beyond its quota a project is refused at once (429), its job stays queued until there is room, or the job
fails with code 8; all three are seen in public, and which one comes cannot be told beforehand.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from mljobs_dev.emulator.aiplatform.jobs import Job
from mljobs_dev.emulator.aiplatform.kinds import BATCH, TUNING, Kind
from mljobs_dev.emulator.aiplatform.lifecycle import JobHistory
from mljobs_dev.emulator.aiplatform.states import JobState

_CORES = re.compile(r"[a-z]\d[a-z]?-(?:standard|highmem|highcpu|megamem|ultramem)-(\d+)")
_PREEMPTIBLE = ("SPOT", "FLEX_START")


def needs(kind: Kind, body: Mapping[str, Any]) -> Mapping[str, int]:
    """What a training job takes of each quota, by the metric's name; of a tuning job all trials at a time.

    Batch prediction has quotas of its own, which are not kept here.
    """
    found: Counter[str] = Counter()
    if kind is BATCH:
        return found
    spec = body[kind.spec]
    middle = "preemptible_" if spec.get("scheduling", {}).get("strategy") in _PREEMPTIBLE else ""
    times = body["parallelTrialCount"] if kind is TUNING else 1
    for pool in spec["workerPoolSpecs"]:
        machine, replicas = pool.get("machineSpec", {}), int(pool.get("replicaCount", 0)) * times
        cores = _CORES.fullmatch(machine.get("machineType", ""))
        if cores:
            found[f"custom_model_training_{middle}cpus"] += int(cores[1]) * replicas
        accelerator = machine.get("acceleratorType")
        if accelerator:
            name = accelerator.lower().replace("nvidia_tesla_", "nvidia_")
            suffix = "_gpus" if name.startswith("nvidia") else ""
            found[f"custom_model_training_{middle}{name}{suffix}"] += machine["acceleratorCount"] * replicas
    return found


def holds(history: JobHistory, instant: float, *, held: bool) -> bool:
    """Whether a job takes its share at an instant: from its creation to its end, unless it is held back."""
    return history.steps[0].at <= instant and not held and not history.at(instant).state.terminal


def room_since(job: Job, others: Iterator[Job], metric: str, limit: int, now: float) -> float:
    """The first instant up to now at which a held job fits beside the others; infinity if there is none."""
    taken = [(other, needs(other.kind, other.body).get(metric, 0)) for other in others if other is not job]
    rivals = [(other, share) for other, share in taken if share and not other.held]
    wanted = needs(job.kind, job.body).get(metric, 0)
    queued = job.history.entered(JobState.QUEUED) or job.created
    ends = [end for other, _ in rivals if (end := other.ended(now)) is not None and queued < end <= now]
    for instant in (*sorted(ends), now):
        used = sum(share for other, share in rivals if holds(other.history, instant, held=other.held))
        if used + wanted <= limit:
            return instant
    return math.inf

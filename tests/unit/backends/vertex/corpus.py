"""Recorded traffic of Vertex AI: committed extracts, and the whole corpus where it is at hand."""

import json
from pathlib import Path
from typing import Any

from tests.corpus import CORPUS

Json = dict[str, Any]

EXTRACTS = Path(__file__).parent / "recorded"
MIGRATION = CORPUS / "vertex" / "migration"
FOLDERS = [EXTRACTS, *([MIGRATION] if MIGRATION.is_dir() else [])]
"""Where the same training stands as both services were asked for it."""

COLLECTIONS = ("customJobs", "hyperparameterTuningJobs", "batchPredictionJobs")


def calls(folder: Path, name: str) -> tuple[list[Json], list[Json]]:
    """The requests' and the answers' bodies of one side of a migration."""
    rows = json.loads((folder / name).read_text("utf-8"))["calls"]
    requests = [row["request"] for row in rows if "request" in row]
    return requests, [row["response"] for row in rows if "response" in row]


def histories() -> dict[str, list[Json]]:
    """The answers about one job, in the order in which the service changed it, by what happened."""
    found: dict[str, list[Json]] = json.loads((EXTRACTS / "jobs.json").read_text("utf-8"))
    for folder in sorted((*CORPUS.glob("recorded/vertexai*"), *CORPUS.glob("vertex/recorded/vertexai*"))):
        for job in _jobs(folder):
            found.setdefault(f"{folder.name} {job['name'].rpartition('/')[2]}", []).append(job)
    return {name: sorted(jobs, key=lambda job: str(job["updateTime"])) for name, jobs in found.items()}


def _jobs(folder: Path) -> list[Json]:
    jobs: list[Json] = []
    for file in folder.glob("*.json"):
        body = json.loads(file.read_text("utf-8"))["body"]
        jobs += [job for key in COLLECTIONS for job in body.get(key, ())]
        jobs += [body] if "state" in body else []
    return jobs

"""Figures of the way to Vertex AI: what becomes of the fields, and what the discovery document costs.

Run it as `python -m bench vertex`; it needs no cluster.
"""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mljobs.api.base import Model
from mljobs.backends.vertex.translate.fields import FIELDS, Fate
from tests.unit.api import discovery, vertex_discovery

ROOT = Path(__file__).parents[1]

ROUNDS = 5
MIXED = "in part"

OPENING = """
import resource, time
from mljobs.backends.vertex import client
kib = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before, start = kib(), time.process_time()
client.open_collections("")
print(time.process_time() - start, kib() - before)
"""
"""In a process of its own: seconds of CPU and KiB that the first opening takes."""


def legacy() -> Iterator[tuple[str, str]]:
    """What becomes of the fields of `ml` v1's inputs: of the leaves, and of the inputs' own fields."""
    leaves = Counter(str(field.fate) for field in FIELDS.values())
    tops: dict[str, set[Fate]] = {}
    for path, field in FIELDS.items():
        tops.setdefault(".".join(path.removesuffix("[]").split(".")[:2]), set()).add(field.fate)
    whole = Counter(str(min(fates)) if len(fates) == 1 else MIXED for fates in tops.values())
    for name, count, found in (
        ("input fields, to the last level", len(FIELDS), leaves),
        ("input fields", len(tops), whole),
    ):
        parts = [f"{found[fate]} {fate}" for fate in (*Fate, MIXED) if found[fate]]
        yield f"legacy {name}", f"{count}: {', '.join(parts)}"


def request_fields() -> Iterator[tuple[str, str]]:
    """How many fields the requests' messages have, in the discovery document and in the models."""
    schemas = vertex_discovery.load()
    roots = (vertex_discovery.PREFIX + name for name in vertex_discovery.ROOTS)
    names = dict.fromkeys(name for root in roots for name in discovery.reachable(schemas, root))
    there = sum(len(schemas[name]["properties"]) for name in names)
    models = [model for name in names if (model := vertex_discovery.model_of(name))]
    here = sum(len(model.model_fields) for model in models if issubclass(model, Model))
    yield "messages of a request", f"{len(models)} models, {len(names)} in the document"
    yield "fields of these messages", f"{here} in the models, {there} in the document"
    yield "differences of the models from the document", str(len(vertex_discovery.compare_models(schemas)))


def sizes() -> Iterator[tuple[str, str]]:
    """How large the CRDs are; what `kubectl apply` keeps in an annotation may have 256 KiB, as JSON."""
    for path in sorted((ROOT / "crds").glob("*s.yaml")):
        yield f"`{path.name}`", f"{path.stat().st_size / 1000:.0f} kB of YAML"


def opening() -> Iterator[tuple[str, str]]:
    """What it takes to open the discovery document that is cut to the three collections."""
    rows = []
    for _ in range(ROUNDS):
        done = subprocess.run([sys.executable, "-c", OPENING], capture_output=True, text=True, check=True)
        seconds, kib = done.stdout.split()
        rows.append((float(seconds), int(kib)))
    times, sizes = zip(*rows, strict=True)
    size = (ROOT / "operator" / "mljobs" / "backends" / "vertex" / "aiplatform.json").stat().st_size
    yield "the cut discovery document", f"{size / 1000:.0f} kB"
    yield (
        "opening it, in a process of its own",
        f"{sorted(times)[ROUNDS // 2]:.2f} s of CPU, {max(sizes) / 1024:.0f} MiB",
    )


def main() -> int:
    """Print a table of all figures."""
    print("| figure | value |\n|---|---|")
    for part in (legacy, request_fields, sizes, opening):
        for name, value in part():
            print(f"| {name} | {value} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

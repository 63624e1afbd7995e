"""Figures of the way to Vertex AI: what becomes of the fields, and what the discovery document costs.

Run it as `python -m bench vertex`. It starts an API server, for its estimates of what the rules cost.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.cel_cost import headroom
from mljobs.admin import crds
from mljobs.api.base import Model
from mljobs.api.kinds import ALL_KINDS
from mljobs.api.resources import KINDS
from mljobs.backends.vertex.translate.fields import FIELDS, Fate
from mljobs_dev.controlplane.progress import BinariesError
from tests.corpus import CORPUS
from tests.unit.api import discovery, vertex_discovery
from tests.unit.cli.test_vertex_configs import FILES, FILLED, WHOLE, submitted
from tests.unit.emulator.test_vertex_recorded import ORIGINS

ROOT = Path(__file__).parents[1]
REPLAY = "tests/unit/emulator/test_vertex_recorded.py"

APPLY_LIMIT = 256 * 1024
"""Bytes of all annotations of an object: `kubectl apply` keeps the whole object in one of them, as JSON."""

ROUNDS = 5
MIXED = "in part"

OPENING = """
import time, tracemalloc
from googleapiclient.discovery_cache import get_static_doc
from mljobs.backends.google.calls import open_document
from mljobs.backends.vertex import client
resident = lambda: int(open("/proc/self/statm").read().split()[1]) * 4096
{trace}
before, start = resident(), time.process_time()
{open}
print(time.process_time() - start, resident() - before, tracemalloc.get_traced_memory()[1])
"""
"""In a process of its own: seconds of CPU, bytes that stay resident, bytes of Python objects at the peak."""

OPENINGS = {
    "the cut discovery document": 'kept = client.open_collections("")',
    "the library's whole one, for comparison": (
        "import json; kept = open_document(json.loads(get_static_doc('aiplatform', 'v1')), '').projects()"
    ),
}


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


def configs() -> Iterator[tuple[str, str]]:
    """What becomes of files as people keep them: `kubectl mljobs submit training --config FILE`."""
    for name, files in (
        ("configurations of the repository", FILES),
        ("configurations of the corpus", WHOLE),
    ):
        if not files:
            yield name, "not at hand: see MLJOBS_CORPUS in tests/corpus.py"
            continue
        texts = [file.read_text("utf-8") for file in files]
        yield f"{name}, as they stand", _judged(texts)
        yield f"{name}, with shell variables and placeholders filled in", _judged(map(_filled, texts))


def _filled(text: str) -> str:
    for variable, value in FILLED.items():
        text = text.replace(variable, value)
    return text


def _judged(texts: Iterator[str] | Sequence[str]) -> str:
    codes = [submitted(text).code for text in texts]
    return f"{len(codes)}: {codes.count(0)} accepted, {len(codes) - codes.count(0)} refused"


def recordings() -> Iterator[tuple[str, str]]:
    """How many recordings the emulator reproduces."""
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider", REPLAY]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    (last,) = done.stdout.strip().splitlines()[-1:] or [done.stderr]
    found = [*CORPUS.glob("recorded/vertexai*"), *CORPUS.glob("vertex/recorded/*")]
    at_hand = str(len(found)) if found else "an unknown number, not at hand,"
    yield "recordings replayed", f"{len(ORIGINS)} of {at_hand} in the corpus; `pytest {REPLAY}`: {last}"


def sizes() -> Iterator[tuple[str, str]]:
    """How large CRDs and policies are, as YAML and as `kubectl apply` keeps them."""
    made = {kind.plural: crds.definition(kind) for kind in ALL_KINDS.values()}
    made |= {f"{kind.plural}-policy": crds.policy(kind)[0] for kind in KINDS.values()}
    for name, document in made.items():
        path = ROOT / "crds" / f"{name}.yaml"
        kept = len(json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode())
        share = 100 * kept / APPLY_LIMIT
        yield (
            f"`{path.name}`",
            f"{path.stat().st_size / 1000:.0f} kB of YAML; {kept / 1000:.0f} kB as `kubectl apply` keeps it, "
            f"{share:.0f} % of what an annotation may have",
        )


def opening() -> Iterator[tuple[str, str]]:
    """What it takes to open the discovery document that is cut to the three collections."""
    size = (ROOT / "operator" / "mljobs" / "backends" / "vertex" / "aiplatform.json").stat().st_size
    yield "the cut discovery document", f"{size / 1000:.0f} kB"
    for name, code in OPENINGS.items():
        rows = [_opened(code, "") for _ in range(ROUNDS)]
        seconds = sorted(row[0] for row in rows)[ROUNDS // 2]
        resident = sorted(row[1] for row in rows)[ROUNDS // 2] / 2**20
        peak = _opened(code, "tracemalloc.start()")[2] / 2**20
        yield (
            f"opening {name}, in a process of its own",
            f"{seconds:.3f} s of CPU, {resident:.1f} MiB more resident, {peak:.1f} MiB of objects at most",
        )


def _opened(code: str, trace: str) -> tuple[float, float, float]:
    program = OPENING.format(open=code, trace=trace)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    seconds, resident, peak = map(float, done.stdout.split())
    return seconds, resident, peak


def costs() -> Iterator[tuple[str, str]]:
    """How near the CRDs' rules are to the API server's limits."""
    try:
        yield from headroom()
    except BinariesError as error:
        yield "cost of the rules", f"not measured: {error}"


def main() -> int:
    """Print a table of all figures."""
    print("| figure | value |\n|---|---|")
    for part in (legacy, request_fields, configs, recordings, sizes, costs, opening):
        for name, value in part():
            print(f"| {name} | {value} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

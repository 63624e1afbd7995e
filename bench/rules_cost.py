"""What the rules cost the API server, in policies and CRDs: milliseconds of its CPU a request.

    python -m bench.rules_cost [--samples package distributed …] [--by part|place|rule] [--below PATH]
                               [--crds NAME=FILE …] [--seconds 120] [--objects 25]

Each variant of a CRD (with its policy, with all rules in itself, with none, only with those of one part, …)
is installed in an API group of its own, so that all of them stand side by side in one API server. In each
round, each variant in turn gets a few resources and the writes of a job's first minute: they are created, and
patched with the finalizer and the intent, with the first status, and with a later one. What counts is the CPU
time of the kube-apiserver process, as the difference to the variant without rules in the same round: the
noise of a shared machine hits all alike.

`--by rule` adds each rule alone, and several times, since one by itself drowns in noise. `--crds` compares
with other CRDs, those of the last release say.
"""

import argparse
import copy
import ctypes
import itertools
import json
import os
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mljobs.admin import crds
from mljobs.api import crd
from mljobs.api.crd import walk
from mljobs.api.resources import KINDS, VERSION, JobKind
from mljobs_dev.controlplane.client import ApiError
from mljobs_dev.controlplane.controlplane import ControlPlane

ROOT = Path(__file__).parents[1]
SAMPLES = ("package", "distributed", "vertex-custom-job", "prediction")
NONE, ALL, IN_CRD = "no rules", "all rules", "all in the CRD"
MERGE = "application/merge-patch+json"
RULES = "x-kubernetes-validations"
WRITES = ("create", "metadata patch", "first status", "later status")
COUNTED = WRITES[:3]
"""The writes whose sum is the figure to compare: what the operator needs until a job is submitted."""

REPEATED = 20
"""Times that a rule stands in its place where rules are measured one by one."""

LEAST_ROUNDS = 3
SETTLE_SECONDS = 3
"""After CRDs are installed the API server publishes them again, which is not to be measured."""

Json = dict[str, Any]
Keep = Callable[[str, Json], int]
"""How many times a rule stands in a variant, by its path and its text."""


@dataclass(frozen=True)
class Variant:
    """A form of the CRDs.

    Attributes:
        name: as the table shows it.
        group: the API group that has it.
        keep: how many times each rule stands in it.
        source: the CRDs that it is made from, by kind.
        repeated: times that its rules stand in it; the table divides by it.
        policies: whether the kinds' policies are beside it.
    """

    name: str
    group: str
    keep: Keep
    source: Mapping[str, Json]
    repeated: int = 1
    policies: bool = False

    def policy(self, kind: JobKind) -> list[Json]:
        """The policy of a kind and its binding; nothing in most variants."""
        documents = copy.deepcopy(crds.policy(kind)) if self.policies else []
        for document in documents:
            document["metadata"]["name"] = f"{kind.plural}.{self.group}"
            if "policyName" in document["spec"]:
                document["spec"]["policyName"] = f"{kind.plural}.{self.group}"
            else:
                document["spec"]["matchConstraints"]["resourceRules"][0]["apiGroups"] = [self.group]
        return documents

    def definition(self, kind: JobKind) -> Json:
        """The CRD of a kind."""
        document = copy.deepcopy(self.source[kind.name])
        document["metadata"] = {"name": f"{kind.plural}.{self.group}"}
        document["spec"]["group"] = self.group
        # a category or a short name belongs to one resource
        document["spec"]["names"].pop("categories", None)
        document["spec"]["names"].pop("shortNames", None)
        for path, node in walk(document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]):
            rules = node.pop(RULES, [])
            if kept := [rule for rule in rules for _ in range(self.keep(path, rule))]:
                node[RULES] = kept
        return document


@dataclass(frozen=True)
class Sample:
    """A manifest of the documentation."""

    name: str
    kind: JobKind
    document: Json


def sample(name: str) -> Sample:
    """Read one by the name of its file.

    Raises:
        FileNotFoundError: there is no such file.
    """
    folder = ROOT / "deploy" / "samples"
    (file,) = [*folder.rglob(f"{name}.yaml")] or [folder / f"{name}.yaml"]
    document = yaml.safe_load(file.read_text("utf-8"))
    return Sample(name, KINDS[document["kind"]], document)


def part(path: str) -> str:
    """The part of the schema that a path belongs to, as `by part` shows it."""
    if not path:
        return "(root)"
    for prefix in ("spec.trainingInput", "spec.predictionInput", "spec.vertex"):
        if path.startswith(f"{prefix}."):
            return f"{prefix}.…"
        if path == prefix:
            return prefix
    return "spec" if path == "spec" else "spec.…"


def places(source: Mapping[str, Json], kinds: Sequence[str], below: str) -> dict[str, list[Json]]:
    """The paths that have rules, with these."""
    found: dict[str, list[Json]] = defaultdict(list)
    for kind in kinds:
        schema = source[kind]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        for path, node in walk(schema):
            if RULES in node and (path or "(root)").startswith(below):
                found[path] += [rule for rule in node[RULES] if rule not in found[path]]
    return found


def all_rules(kind: JobKind) -> crd.Rules:
    """All rules of a kind that its CRD has not by itself."""
    own = crd.own_rules(kind)
    found = crds.judged(kind)
    return {path: [rule for rule in found[path] if rule not in own.get(path, ())] for path in found}


def variants(by: str, below: str, kinds: Sequence[str], others: Mapping[str, Path]) -> list[Variant]:
    """What is measured: no rules, all as they are installed, all in the CRD, other CRDs, and parts."""
    shipped: dict[str, Json] = {name: crds.definition(kind) for name, kind in KINDS.items()}
    source: dict[str, Json] = {name: crd.crd(kind, all_rules(kind)) for name, kind in KINDS.items()}
    made: list[tuple[str, Keep, Mapping[str, Json], int]] = [
        (NONE, lambda *_: 0, source, 1),
        (ALL, lambda *_: 1, shipped, 1),
        (IN_CRD, lambda *_: 1, source, 1),
    ]
    for name, file in others.items():
        read = yaml.safe_load_all(file.read_text("utf-8"))
        documents = [one for one in read if one["kind"] == "CustomResourceDefinition"]
        theirs = {document["spec"]["names"]["kind"]: document for document in documents}
        made.append((name, lambda *_: 1, theirs, 1))
    found = places(source, kinds, below)
    if by == "part":
        made += [(f"only {name}", _only_part(name), source, 1) for name in dict.fromkeys(map(part, found))]
    elif by == "place":
        made += [(f"only {place or '(root)'}", _only_place(place), source, 1) for place in found]
    elif by == "rule":
        made += [
            (f"{place or '(root)'}: {rule['message'][:70]}", _only_rule(place, rule), source, REPEATED)
            for place, rules in found.items()
            for rule in rules
        ]
    return [
        Variant(name, f"v{number}.rules.mljobs.dev", keep, theirs, repeated, policies=name == ALL)
        for number, (name, keep, theirs, repeated) in enumerate(made)
    ]


def _only_part(name: str) -> Keep:
    return lambda path, _: int(part(path) == name)


def _only_place(place: str) -> Keep:
    return lambda path, _: int(path == place)


def _only_rule(place: str, rule: Json) -> Keep:
    return lambda path, other: REPEATED if path == place and other == rule else 0


class Clock:
    """The CPU time of a process: of all its threads, and to the nanosecond (Linux)."""

    def __init__(self, pid: int) -> None:
        identity = ctypes.c_int()
        failed = ctypes.CDLL(None).clock_getcpuclockid(pid, ctypes.byref(identity))
        if failed:
            raise OSError(failed, os.strerror(failed), f"process {pid}")
        self._identity = identity.value

    def milliseconds(self) -> float:
        return time.clock_gettime_ns(self._identity) / 1e6


STATUS: Json = {
    "observedGeneration": 1,
    "state": "QUEUED",
    "jobId": "measured_1",
    "jobName": "projects/my-project/jobs/measured_1",
    "projectId": "my-project",
    "attempt": 1,
    "consoleUrl": "https://console.cloud.google.com/ai-platform/jobs/measured_1?project=my-project",
    "createTime": "2026-11-29T10:00:00Z",
    "record": {"accepted": "Created", "labelKeys": ["team"]},
    "conditions": [
        {
            "type": kind,
            "status": status,
            "observedGeneration": 1,
            "lastTransitionTime": "2026-11-29T10:00:00Z",
            "reason": reason,
            "message": "",
        }
        for kind, status, reason in (
            ("Submitted", "True", "Accepted"),
            ("Succeeded", "Unknown", "Queued"),
            ("Reconciling", "False", "Accepted"),
        )
    ],
}

PATCHES: dict[str, tuple[str, Json]] = {
    "metadata patch": (
        "",
        {
            "metadata": {
                "finalizers": ["mljobs.dev/cancel-job"],
                "annotations": {"mljobs.dev/submission": json.dumps({"attempt": 1, "jobId": "measured_1"})},
            }
        },
    ),
    "first status": ("/status", {"status": STATUS}),
    "later status": ("/status", {"status": {"state": "RUNNING", "startTime": "2026-11-29T10:01:00Z"}}),
}


class Bench:
    """Sends the writes to one API server and tells what they cost it."""

    def __init__(self, plane: ControlPlane, objects: int) -> None:
        self._client = plane.client
        self._clock = Clock(plane.pids["kube-apiserver"])
        self._objects = objects
        self._numbers = itertools.count()

    def install(self, found: Sequence[Variant], kinds: Sequence[JobKind]) -> list[Variant]:
        """Install the CRDs, and give the variants that the API server takes."""
        taken = []
        for variant in found:
            try:
                policies = [document for kind in kinds for document in variant.policy(kind)]
                self._client.apply([*(variant.definition(kind) for kind in kinds), *policies])
            except ApiError as error:
                print(f"left out: {variant.name}: {str(error)[:300]}", flush=True)
                continue
            taken.append(variant)
        return taken

    def remove(self, found: Sequence[Variant], kinds: Sequence[JobKind]) -> None:
        for variant in found:
            for kind in kinds:
                name = f"{kind.plural}.{variant.group}"
                path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"
                self._client.request("DELETE", path)

    def batch(self, variant: Variant, one: Sample) -> Iterator[tuple[str, float]]:
        """Write some objects in all ways; gives each way and the milliseconds of CPU a request."""
        path = f"/apis/{variant.group}/{VERSION}/namespaces/default/{one.kind.plural}"
        bodies = [
            {
                **one.document,
                "apiVersion": f"{variant.group}/{VERSION}",
                "metadata": {"name": f"measured-{next(self._numbers)}"},
            }
            for _ in range(self._objects)
        ]
        yield "create", self._cost([("POST", path, body, "application/json") for body in bodies])
        for write, (subresource, patch) in PATCHES.items():
            names = [f"{path}/{body['metadata']['name']}{subresource}" for body in bodies]
            yield write, self._cost([("PATCH", name, patch, MERGE) for name in names])

    def _cost(self, requests: Sequence[tuple[str, str, Json, str]]) -> float:
        before = self._clock.milliseconds()
        for method, path, body, content_type in requests:
            self._client.request(method, path, body, content_type=content_type)
        return (self._clock.milliseconds() - before) / len(requests)


Costs = dict[tuple[str, str, str], list[float]]
"""By variant, sample and write: the milliseconds of each round."""


def measure(bench: Bench, found: Sequence[Variant], samples: Sequence[Sample], seconds: float) -> Costs:
    """Go round until the time is over."""
    costs: Costs = defaultdict(list)
    chance = random.Random(0)
    time.sleep(SETTLE_SECONDS)
    for variant in found:  # the first requests fill caches
        for one in samples:
            list(bench.batch(variant, one))
    deadline, rounds = time.monotonic() + seconds, 0
    while rounds < LEAST_ROUNDS or time.monotonic() < deadline:
        for one in samples:
            for variant in chance.sample(found, len(found)):
                for write, cost in bench.batch(variant, one):
                    costs[variant.name, one.name, write].append(cost)
        rounds += 1
    print(f"{rounds} rounds, load {os.getloadavg()[0]:.1f}\n", flush=True)
    return costs


def difference(costs: Costs, variant: Variant, one: str, write: str) -> float:
    """What the rules of a variant add to a write: the median over the rounds."""
    pairs = zip(costs[variant.name, one, write], costs[NONE, one, write], strict=True)
    return statistics.median(with_them - without for with_them, without in pairs) / variant.repeated


def table(costs: Costs, found: Sequence[Variant], samples: Sequence[Sample]) -> Iterator[str]:
    """The figures as lines of Markdown."""
    for one in samples:
        yield f"| {one.name}: ms of CPU a write | {' | '.join(WRITES)} | of the first three |"
        yield f"|---|{'---|' * (len(WRITES) + 1)}"
        without = {write: statistics.median(costs[NONE, one.name, write]) for write in WRITES}
        yield _row(NONE, without, "")
        for variant in found:
            if variant.name != NONE:
                yield _row(
                    variant.name,
                    {write: difference(costs, variant, one.name, write) for write in WRITES},
                    "+",
                )
        yield ""


def _row(name: str, cells: Mapping[str, float], sign: str) -> str:
    shown = [cells[write] for write in WRITES]
    total = sum(cells[write] for write in COUNTED)
    return f"| {name} | {' | '.join(f'{cell:{sign}.2f}' for cell in shown)} | {total:{sign}.2f} |"


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--samples", nargs="+", default=SAMPLES)
    options.add_argument("--by", choices=("part", "place", "rule"), help="measure parts of the rules too")
    options.add_argument("--below", default="", help="only parts whose path starts so")
    options.add_argument("--crds", action="append", default=[], metavar="NAME=FILE", help="other CRDs beside")
    options.add_argument("--seconds", type=float, default=120, help="of measuring; three rounds at least")
    options.add_argument("--objects", type=int, default=4, help="in each round, for each variant")
    options.add_argument("--at-once", type=int, default=16, help="variants that stand side by side")
    chosen = options.parse_args()
    samples = [sample(name) for name in chosen.samples]
    kinds = [kind for kind in KINDS.values() if kind in [one.kind for one in samples]]
    others = {name: Path(file) for name, _, file in (text.partition("=") for text in chosen.crds)}
    found = variants(chosen.by or "", chosen.below, [kind.name for kind in kinds], others)
    first, rest = found[:1], found[1:]
    with ControlPlane() as plane:
        bench = Bench(plane, chosen.objects)
        bench.install(first, kinds)
        groups = [rest[start : start + chosen.at_once] for start in range(0, len(rest), chosen.at_once)]
        for group in groups:
            taken = bench.install(group, kinds)
            costs = measure(bench, [*first, *taken], samples, chosen.seconds / len(groups))
            print("\n".join(table(costs, [*first, *taken], samples)), flush=True)
            bench.remove(taken, kinds)


if __name__ == "__main__":
    main()

"""Manifests that try to do harm: nearly valid, huge, deep, odd, and with a secret in every command line."""

import random
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from mljobs.admin import crds
from mljobs.api.resources import GROUP, KINDS, TRAINING_JOB, VERSION, JobKind
from tests.e2e.support import Json, training
from tests.strategies import manifests

COUNT = 500
SECRET = "hunter2-Zq9"
"""Stands in every command line."""


def valid(count: int) -> list[Json]:
    """Specs that keep every rule, the same each time; none deletes itself: all are counted at the end."""
    made: list[Json] = []

    @seed(5)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(manifests())
    def collect(manifest: Json) -> None:
        made.append(manifest)

    collect()
    for manifest in made:
        for name in ("ttlSecondsAfterFinished", "ttlSecondsByOutcome"):
            manifest["spec"].pop(name, None)
    return made


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The paths of all values in a document."""
    items: Any = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, key))


def put(document: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """A copy with another value at a path."""
    if not path:
        return value
    copied = document.copy()
    copied[path[0]] = put(copied[path[0]], path[1:], value)
    return copied


def deep(levels: int) -> Json:
    nested: Json = {}
    for _ in range(levels):
        nested = {"a": nested}
    return nested


WRONG: tuple[Any, ...] = (
    None,
    "",
    "x",
    " ",
    0,
    -1,
    2**31,
    2**63,
    -(2**63) - 1,
    0.5,
    1e308,
    True,
    [],
    {},
    [[]],
    {"": ""},
    "null",
    "${HOME}",
    "../../etc/passwd",
    "'; DROP TABLE jobs; --",
    "\x00",
    "\x1b[31mred\x1b[0m",
    "\r\n\r\nHTTP/1.1 200 OK",
    "\u202e\u2066\ufeff\u200b",
    "e\u0301" * 20,
    "\U0001f9ea" * 64,
    "%s%n{0}{{}}${}",
    "a" * 100_000,
    deep(50),
    [deep(3)] * 50,
)
"""Values that most fields do not take."""


def nearly_valid(count: int) -> Iterator[Json]:
    """Valid manifests with one value that is wrong."""
    chance = random.Random(7)
    sources = valid(count)
    for number in range(count):
        source = sources[number % len(sources)]
        path = chance.choice(list(places(source["spec"])))
        yield {**source, "spec": put(source["spec"], path, WRONG[number % len(WRONG)])}


def at_the_limits() -> Iterator[Json]:
    """Each bounded text, list and number of the schema at its bound, and past it."""
    for kind in KINDS.values():
        definition = crds.definition(kind)
        (version,) = definition["spec"]["versions"]
        schema = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
        for path, leaf in leaves(schema):
            for value in extremes(leaf):
                yield with_value(kind, path, value)


def leaves(schema: Json, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Json]]:
    """The fields that hold no object, with the path of names to them; `*` stands for a member of a list."""
    if schema.get("type") == "object" and "properties" in schema:
        for name, inner in schema["properties"].items():
            yield from leaves(inner, (*path, name))
    elif schema.get("type") == "array":
        yield path, schema
        yield from leaves(schema["items"], (*path, "*"))
    else:
        yield path, schema


def extremes(leaf: Json) -> Iterator[Any]:
    if "maxLength" in leaf:
        yield "a" * leaf["maxLength"]
        yield "a" * (leaf["maxLength"] + 1)
    if "maximum" in leaf:
        yield leaf["maximum"]
        yield leaf["maximum"] + 1
    if "maxItems" in leaf and leaf["items"].get("type") == "string":
        yield ["a"] * leaf["maxItems"]
        yield ["a"] * (leaf["maxItems"] + 1)


def with_value(kind: JobKind, path: tuple[str, ...], value: Any) -> Json:
    """A manifest with a value deep inside, and its parents made as it takes."""
    for name in reversed(path):
        value = [value] if name == "*" else {name: value}
    base: Json = training("x") if kind is TRAINING_JOB else {"kind": kind.name, "spec": {}}
    return {**base, "spec": overlaid(base["spec"], value)}


def overlaid(below: Json, above: Json) -> Json:
    """Two documents in one; the second wins."""
    merged = dict(below)
    for name, value in above.items():
        old = merged.get(name)
        merged[name] = overlaid(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def monsters() -> Iterator[Json]:
    """Huge, deep and odd ones."""
    image = {"imageUri": "gcr.io/team/trainer:1"}
    yield training("x", args=[f"--password={SECRET}", "a" * 1_000_000])
    yield training("x", args=["a" * 30_000] * 32)
    yield training("x", args=["a" * 30_000] * 48)
    yield training("x", args=[f"--password={SECRET}"] * 1024)
    yield training("x", args=[chr(code) for code in range(32)])
    yield training("x", args=[chr(code) for code in range(0x7F, 0xA0)])
    yield training("x", args=["\u202e", "\ufeff", "\U0001f9ea" * 1000, "\ud7ff", "\uffff"])
    yield training("x", args=[{"password": SECRET}, SECRET, 7])
    yield training("x", args=f"--password={SECRET}")
    yield training("x", args={SECRET: SECRET})
    yield training("x", masterConfig={**image, "containerCommand": ["sh", "-c", f"export P={SECRET}\n\trun"]})
    yield training("x", masterConfig={**image, "containerArgs": [SECRET] * 1000})
    yield training("x", masterConfig={**image, "containerArgs": [[SECRET]]})
    yield training("x", unknown=deep(90))
    yield training("x", hyperparameters={"params": [{"parameterName": f"p{n}"} for n in range(2000)]})
    yield training("x", hyperparameters=deep(30))
    yield training("x", {"labels": {f"key-{number}": "v" for number in range(2000)}})
    yield training("x", {"labels": {"a" * 63: "b" * 63, "\u00e9": "\u00e9", "": ""}})
    yield training("x", {"labels": {"mljobs-uid": "somebody-else", "mljobs-name": "x"}})
    yield training("x", {"projectId": "../../other", "jobId": "a/b?c#d%2e"})
    yield training("x", {"projectId": "p" * 3000})
    yield training("x", {"jobId": "j" * 128})
    yield training("x", {"iamBindings": [{"role": "roles/owner", "members": ["allUsers"] * 1500}] * 50})
    yield {"kind": TRAINING_JOB.name, "spec": deep(200)}
    yield {"kind": TRAINING_JOB.name, "spec": "text"}
    yield {"kind": TRAINING_JOB.name, "spec": None}
    yield {"kind": TRAINING_JOB.name}
    yield {**training("x"), "status": {"state": "SUCCEEDED", "jobId": SECRET, "jobName": "projects/p/jobs/j"}}


def with_secrets(manifest: Json) -> Json:
    """Put the secret into the command line of a training job that has one."""
    spec = manifest.get("spec")
    job = spec.get("trainingInput") if isinstance(spec, dict) else None
    if isinstance(job, dict) and isinstance(job.get("args"), list):
        args = [f"--token={SECRET}", *job["args"]]
        return {**manifest, "spec": {**manifest["spec"], "trainingInput": {**job, "args": args}}}
    return manifest


def hostile() -> list[Json]:
    """All of them, in an order that mixes the kinds of trouble."""
    limits, odd = list(at_the_limits()), list(monsters())
    near = list(nearly_valid(150))
    rest = valid(COUNT - len(near) - len(odd) - min(len(limits), 200))
    chance = random.Random(11)
    chance.shuffle(limits)
    made = [*odd, *limits[:200], *near, *rest]
    chance.shuffle(made)
    named = []
    for number, manifest in enumerate(made):
        metadata = {"name": f"case-{number:03}"}
        whole = {"apiVersion": f"{GROUP}/{VERSION}", **with_secrets(manifest), "metadata": metadata}
        named.append(without_chosen_id(whole, number))
    return named


def without_chosen_id(manifest: Json, number: int) -> Json:
    """Job ids that random specs choose might meet; who takes whose is tested elsewhere."""
    spec = manifest.get("spec")
    if isinstance(spec, dict) and isinstance(spec.get("jobId"), str) and len(spec["jobId"]) < 100:
        return {**manifest, "spec": {**spec, "jobId": f"{spec['jobId']}_{number}"}}
    return manifest

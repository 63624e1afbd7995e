"""A job's input is fixed once it is submitted, and not how it is spelt."""

import json
import random
import zlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mljobs.api import crd
from mljobs.api.base import DURATION_PATTERN
from mljobs.api.resources import KINDS, PREDICTION_JOB, TRAINING_JOB, JobKind
from tests.e2e.crds.support_crds import Json, Kubectl, resource
from tests.strategies import kinds_and_specs

NUMBERS = ("2", [2, "02", "002"], [3, "3", None])
TIMES = ("3600s", ["3600.0s", "03600s", "3600.000000000s"], ["3601s", "3600.000000001s", None])

MACHINES: Json = {
    "scaleTier": "CUSTOM",
    "masterType": "n1-standard-8",
    **{f"{role}Type": "n1-standard-8" for role in ("worker", "parameterServer", "evaluator")},
}
GPUS: Json = {"acceleratorConfig": {"count": 2, "type": "NVIDIA_TESLA_T4"}}


def variable(kind: JobKind) -> list[str]:
    """The fields of an input that have more than one spelling for a value."""
    return [
        path
        for path, node in crd.walk(crd.schema(kind)["properties"]["spec"]["properties"][kind.input_field])
        if node.get("x-kubernetes-int-or-string") or node.get("pattern") == DURATION_PATTERN
    ]


FIELDS = [(kind, path) for kind in KINDS.values() for path in variable(kind)]


def nested(path: str, value: Any) -> Json:
    for key in reversed(path.split(".")):
        value = {key: value}
    return dict(value)


def merged(base: Any, patch: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(patch, dict):
        return patch
    return {**base, **{key: merged(base.get(key), value) for key, value in patch.items()}}


def with_field(kind: JobKind, name: str, path: str, value: Any) -> Json:
    """A resource with a value at a path of its input, and with what that needs."""
    roles = {f"{role}Config": GPUS for role in ("master", "worker", "parameterServer", "evaluator")}
    base = {TRAINING_JOB: merged(MACHINES, roles), PREDICTION_JOB: {}}[kind]
    return resource(kind, name, **merged(base, nested(path, value)))


@pytest.mark.parametrize(("kind", "path"), FIELDS, ids=[f"{kind.name}.{path}" for kind, path in FIELDS])
def test_another_spelling_is_no_change_and_another_value_is_one(
    kind: JobKind, path: str, kubectl: Kubectl
) -> None:
    first, same, others = TIMES if path.endswith("Time") else NUMBERS
    name = f"spelt-{zlib.crc32(path.encode()):x}"
    kubectl.apply(with_field(kind, name, path, first))
    kubectl.submitted(kind, name)
    for value in same:
        change = {"spec": {kind.input_field: nested(path, value)}}
        done = kubectl.patch(kind, name, change)
        assert done.returncode == 0, done.stderr
    field = f"{kind.input_field}.{path.split('.')[0]}"
    for value in others:
        done = kubectl.patch(kind, name, {"spec": {kind.input_field: nested(path, value)}})
        assert f"{field} cannot be changed once the job is submitted" in done.stderr


@given(made=kinds_and_specs(), chance=st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_spec_may_be_spelt_again(made: tuple[str, Json], chance: random.Random, kubectl: Kubectl) -> None:
    name, spec = made
    kind = KINDS[name]
    document = {**resource(kind, "again"), "spec": spec}
    kubectl.out("delete", kind.plural, "again", "--ignore-not-found")
    kubectl.apply(document)
    kubectl.submitted(kind, "again")
    node = crd.schema(kind)["properties"]["spec"]
    kubectl.apply({**document, "spec": respelt(spec, node, chance)})


def respelt(value: Any, schema: Json, chance: random.Random) -> Any:
    """The same value, perhaps in other words."""
    if isinstance(value, dict) and "properties" in schema:
        return {key: respelt(item, schema["properties"][key], chance) for key, item in value.items()}
    if schema.get("x-kubernetes-int-or-string"):
        return chance.choice([int(value), str(int(value)), f"0{int(value)}"])
    if schema.get("pattern") == DURATION_PATTERN:
        whole, _, fraction = value.removesuffix("s").partition(".")
        return f"0{whole}.{fraction:0<9}s"
    return value


INT64_FIELDS = [(kind, path) for kind, path in FIELDS if not path.endswith("Time")]


@pytest.mark.parametrize(("kind", "path"), INT64_FIELDS, ids=[path for _, path in INT64_FIELDS])
@pytest.mark.parametrize("number", [2**53 + 1, 2**63 - 1])
def test_an_int64_is_kept_to_the_digit(kind: JobKind, path: str, number: int, kubectl: Kubectl) -> None:
    for value in (number, str(number)):
        text = kubectl.out(
            "create",
            "--dry-run=server",
            "-o=json",
            "-f=-",
            stdin=json.dumps(with_field(kind, "int64", path, value)),
        )
        found = json.loads(text)["spec"][kind.input_field]
        for key in path.split("."):
            found = found[key]
        assert found == value


@pytest.mark.parametrize(("kind", "path"), INT64_FIELDS, ids=[path for _, path in INT64_FIELDS])
@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**20])
def test_what_is_beyond_int64_is_refused(kind: JobKind, path: str, number: int, kubectl: Kubectl) -> None:
    for value in (number, str(number)):
        assert f"spec.{kind.input_field}.{path}: " in kubectl.refuse(with_field(kind, "int64", path, value))

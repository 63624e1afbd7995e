"""Any valid spec is refused, or becomes a request of Vertex AI that loses nothing without a word."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from mljobs.api.resources import KINDS
from mljobs.backends.vertex.facts import VertexFacts
from mljobs.backends.vertex.refuse import review
from mljobs.backends.vertex.tables import shipped
from mljobs.backends.vertex.translate import Translation, request, translate
from mljobs.domain import errors
from mljobs.domain.port import Order
from mljobs.domain.spec.problems import Severity
from mljobs.domain.spec.validate import validate
from tests.strategies import specs
from tests.unit.backends.vertex.portable import TABLES, portable
from tests.unit.backends.vertex.schema import mistakes

Spec = dict[str, Any]
SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=200)

DEFAULTS: dict[str, Any] = {
    "scaleTier": "BASIC",
    "goal": "MAXIMIZE",
    "maxTrials": 1,
    "maxParallelTrials": 1,
    "outputDataFormat": "JSON",
    "maxWorkerCount": "1",
}
"""Values that say what is so without them; for maxWorkerCount, on Vertex AI."""

NOTHING = ("ACCELERATOR_TYPE_UNSPECIFIED", "ALGORITHM_UNSPECIFIED", "GOAL_TYPE_UNSPECIFIED", "NONE", "0")


def canonical(kind: str, spec: Spec) -> Spec:
    return KINDS[kind].spec.model_validate(spec).document()


def refused(made: Translation) -> bool:
    return any(problem.severity is Severity.ERROR for problem in made.problems)


@pytest.mark.parametrize("kind", KINDS)
@SLOW
@given(st.data())
def test_a_valid_spec_is_refused_or_fits_the_discovery_document(kind: str, data: st.DataObject) -> None:
    spec = canonical(kind, data.draw(specs(kind)))
    facts = VertexFacts()
    order = Order(kind, spec, facts.scope("p", facts.location(spec)), "nightly", {"mljobs-uid": "u"})
    problems = review(kind, spec, shipped(), "us-central1")
    wrong = [problem for problem in problems if problem.severity is Severity.ERROR]
    if wrong:
        with pytest.raises(errors.Rejected) as caught:
            request(order, shipped())
        assert caught.value.status == 0
        assert all(problem.path in caught.value.message for problem in wrong[:9])
        return
    collection, body = request(order, shipped())
    assert mistakes(collection, body) == []
    assert body["displayName"] == "nightly"
    assert body["labels"] == {**spec.get("labels", {}), "mljobs-uid": "u"}


@pytest.mark.parametrize("kind", KINDS)
@SLOW
@given(st.data())
def test_what_is_refused_elsewhere_is_not_refused_when_it_is_put_right(
    kind: str, data: st.DataObject
) -> None:
    made = translate(kind, canonical_portable(kind, data.draw(portable(kind))), TABLES)
    assert [problem.text for problem in made.problems if problem.severity is Severity.ERROR] == []
    assert mistakes(made.collection, {"displayName": "x", **made.body}) == []


@pytest.mark.parametrize("kind", KINDS)
@SLOW
@given(st.data())
def test_no_value_is_lost_without_a_word(kind: str, data: st.DataObject) -> None:
    spec = canonical_portable(kind, data.draw(portable(kind)))
    made = translate(kind, spec, TABLES)
    assume(not refused(made))
    # What has no effect on ml v1 either is told by the rules of the spec.
    told = {problem.path for problem in validate(kind, spec).warnings}
    field = KINDS[kind].input_field
    for path, value in leaves(spec[field], f"spec.{field}"):
        name = path.rpartition(".")[2]
        if name == "region" or not value or value in NOTHING or DEFAULTS.get(name) == value:
            continue
        others = (without(spec, path), with_another(spec, path, value))
        if all(told_apart(translate(kind, other, TABLES)) == told_apart(made) for other in others):
            assert any(_covers(place, path) for place in told), f"{path}: {value!r}"


def canonical_portable(kind: str, spec: Spec) -> Spec:
    vertex = {"vertex": spec["vertex"]} if "vertex" in spec else {}
    return {**canonical(kind, {key: value for key, value in spec.items() if key != "vertex"}), **vertex}


def leaves(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Each scalar and each list of scalars, with its path."""
    if isinstance(node, dict):
        for key, item in node.items():
            yield from leaves(item, f"{path}.{key}")
    elif isinstance(node, list) and any(isinstance(item, dict) for item in node):
        for index, item in enumerate(node):
            yield from leaves(item, f"{path}[{index}]")
    else:
        yield path, node


def told_apart(made: Translation) -> tuple[Any, ...]:
    return made.collection, made.body, made.problems


def with_another(spec: Spec, path: str, value: Any) -> Spec:
    """A copy with another value at a path."""
    if isinstance(value, list):
        return _changed(spec, path, [*value, value[0]])
    if isinstance(value, str):
        return _changed(spec, path, str(int(value) + 1) if value.isdecimal() else f"{value}x")
    return _changed(spec, path, not value if isinstance(value, bool) else value + 1)


def without(spec: Spec, path: str) -> Spec:
    """A copy that has not got the value at a path."""
    return _changed(spec, path, None)


def _changed(spec: Spec, path: str, value: Any) -> Spec:
    copied: Any = copy.deepcopy(spec)
    node = copied
    *parents, last = path.removeprefix("spec.").replace("[", ".").replace("]", "").split(".")
    for key in parents:
        node = node[int(key)] if key.isdecimal() else node[key]
    if value is None:
        del node[last]
    else:
        node[last] = value
    result: Spec = copied
    return result


def _covers(place: str, path: str) -> bool:
    """Whether a problem at `place` speaks of the value at `path`."""
    return path == place or path.startswith((f"{place}.", f"{place}["))

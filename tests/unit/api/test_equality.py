"""The rules that compare what values mean: what they look like, and what they compare to the letter."""

import pytest

from mljobs.api.base import DURATION_PATTERN
from mljobs.api.equality import SHORT, same

COUNT = {"x-kubernetes-int-or-string": True}
TIME = {"type": "string", "pattern": DURATION_PATTERN}
TEXT = {"type": "string"}


def test_what_has_one_spelling_is_compared_as_it_is() -> None:
    assert same("a", "b", TEXT) == "a == b"
    assert same("a", "b", {"properties": {"x": TEXT, "y": {"items": TEXT}}}) == "a == b"


def test_what_has_several_is_compared_by_its_meaning() -> None:
    assert same("a", "b", COUNT) == "a == b || (int(a) == int(b))"
    assert same("a", "b", TIME) == "a == b || (duration(a) == duration(b))"


def test_members_may_be_absent() -> None:
    schema = {"properties": {"x": TEXT, "y": {"properties": {"z": COUNT}}}}
    assert same("a", "b", schema) == (
        "a == b || (has(a.x) == has(b.x) && (!has(a.x) || a.x == b.x) && "
        "has(a.y) == has(b.y) && (!has(a.y) || "
        "has(a.y.z) == has(b.y.z) && (!has(a.y.z) || int(a.y.z) == int(b.y.z))))"
    )


def test_the_items_of_a_short_list_are_compared_one_by_one() -> None:
    schema = {"items": {"properties": {"x": COUNT, "y": {"items": COUNT, "maxItems": 1}}}, "maxItems": 2}
    assert same("a", "b", schema) == (
        "a == b || (size(a) == size(b) && [0, 1].all(i0, i0 >= size(a) || ("
        "has(a[i0].x) == has(b[i0].x) && (!has(a[i0].x) || int(a[i0].x) == int(b[i0].x)) && "
        "has(a[i0].y) == has(b[i0].y) && (!has(a[i0].y) || size(a[i0].y) == size(b[i0].y) && "
        "[0].all(i1, i1 >= size(a[i0].y) || (int(a[i0].y[i1]) == int(b[i0].y[i1])))))))"
    )


@pytest.mark.parametrize(
    "schema",
    [
        {"items": COUNT, "maxItems": SHORT + 1},
        {"additionalProperties": TIME},
        {"properties": {"x": COUNT, "any": {"x-kubernetes-preserve-unknown-fields": True}}},
    ],
)
def test_what_has_several_spellings_out_of_reach_is_compared_to_the_letter(schema: dict[str, object]) -> None:
    assert same("a", "b", schema) == "a == b"
    assert same("a", "b", {"properties": {"x": schema, "y": COUNT}}) == "a == b"


def test_a_long_list_with_one_spelling_is_no_hindrance() -> None:
    schema = {"properties": {"x": {"items": TEXT, "maxItems": SHORT + 1}, "y": COUNT}}
    assert same("a", "b", schema) == (
        "a == b || (has(a.x) == has(b.x) && (!has(a.x) || a.x == b.x) && "
        "has(a.y) == has(b.y) && (!has(a.y) || int(a.y) == int(b.y)))"
    )

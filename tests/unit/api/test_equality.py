"""The rules that compare what values mean: what they look like, and what they cannot compare."""

import pytest

from mljobs.api.base import DURATION_PATTERN
from mljobs.api.equality import same

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


@pytest.mark.parametrize("schema", [{"items": COUNT}, {"additionalProperties": TIME}])
def test_what_is_within_a_list_or_a_map_is_not_compared(schema: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"a\.x: .* in a list or a map"):
        same("a", "b", {"properties": {"x": schema}})

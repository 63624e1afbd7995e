from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mljobs.backends.mlv1.iam_policy import merged

WHEN = {"title": "office hours", "expression": "request.time.getHours() < 18"}


def binding(role: str, *members: str, **more: Any) -> dict[str, Any]:
    return {"role": role, "members": list(members), **more}


@pytest.mark.parametrize(
    ("before", "wanted", "applied", "after"),
    [
        ([], [binding("r", "a")], [], [binding("r", "a")]),
        ([binding("r", "x")], [binding("r", "a")], [], [binding("r", "x", "a")]),
        (
            [binding("r", "x"), binding("s", "y")],
            [binding("s", "b")],
            [],
            [binding("r", "x"), binding("s", "y", "b")],
        ),
        ([binding("r", "x", "a")], [], [binding("r", "a")], [binding("r", "x")]),
        ([binding("r", "a")], [], [binding("r", "a")], []),
        (
            [binding("r", "a", "b")],
            [binding("r", "b", "c")],
            [binding("r", "a", "b")],
            [binding("r", "b", "c")],
        ),
        (
            [binding("r", "a")],
            [binding("r", "a", condition=WHEN)],
            [],
            [binding("r", "a"), binding("r", "a", condition=WHEN)],
        ),
        ([binding("r", "a")], [binding("r", "a")], [], None),
        ([binding("r", "x")], [], [binding("r", "a")], None),
        (
            [binding("r", "a", condition=WHEN)],
            [binding("r", "a", condition={**WHEN, "location": ""})],
            [],
            None,
        ),
    ],
)
def test_only_our_members_come_and_go(before: Any, wanted: Any, applied: Any, after: Any) -> None:
    got = merged({"etag": "e", "bindings": before}, wanted, applied)
    assert (None if got is None else got["bindings"]) == after
    if got is not None:
        assert got["etag"] == "e"
        assert ("version" in got) == any("condition" in row for row in after)


BINDINGS = st.lists(
    st.builds(
        lambda role, members: binding(role, *members),
        st.sampled_from("rst"),
        st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True),
    ),
    max_size=3,
)


def pairs(rows: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(row["role"], member) for row in rows for member in row["members"]}


@given(before=BINDINGS, wanted=BINDINGS, applied=BINDINGS)
def test_the_policy_has_what_is_wanted_and_what_is_foreign(before: Any, wanted: Any, applied: Any) -> None:
    got = merged({"bindings": before}, wanted, applied)
    after = pairs(before if got is None else list(got["bindings"]))
    assert after == (pairs(before) - pairs(applied)) | pairs(wanted)
    again = merged({"bindings": before} if got is None else got, wanted, wanted)
    assert again is None

"""The ids of jobs: legal, the same each time, and another for each attempt of each resource."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mljobs.backends.mlv1.facts import JOB_ID_LIMIT, MlV1Facts
from mljobs.domain.port import Owner

LEGAL = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,127}")
CHOSEN = st.from_regex(LEGAL, fullmatch=True)
ATTEMPTS = st.integers(1, 1000)
PLACES = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", fullmatch=True)


def job_id(namespace: str, name: str, uid: str, attempt: int, chosen: str | None = None) -> str:
    return MlV1Facts().job_id(Owner(namespace, name, uid), attempt, chosen)


def chosen_id(chosen: str, attempt: int) -> str:
    return job_id("team-a", "census", "uid-1", attempt, chosen)


@pytest.mark.parametrize(
    ("chosen", "attempt", "name"),
    [
        ("census", 1, "census"),
        ("census", 2, "census_2"),
        ("x" * 128, 1, "x" * 128),
        ("x" * 126, 9, "x" * 126 + "_9"),
        ("x" * 125, 10, "x" * 125 + "_10"),
        ("x" * 126, 10, "x" * 108 + "_19981abaa977c9ab_10"),
        ("x" * 127, 2, "x" * 109 + "_70156a14adbabf98_2"),
    ],
)
def test_an_id_that_was_chosen(chosen: str, attempt: int, name: str) -> None:
    """These are written down: an operator of another version has to name the same job."""
    assert chosen_id(chosen, attempt) == name


def test_an_id_that_was_derived() -> None:
    assert job_id("team-a", "census.v2", "uid-1", 2) == "team_a_census_v2_4a49acf8a6bd7277_2"
    assert job_id("1", "2", "uid-1", 1) == "j_1_2_4a49acf8a6bd7277_1"


@pytest.mark.parametrize("attempt", [2, 10, 1000])
def test_long_ids_that_differ_only_at_their_ends_stay_apart(attempt: int) -> None:
    alike = [f"{'x' * (JOB_ID_LIMIT - 1)}{end}" for end in "abc012"]
    assert len({chosen_id(chosen, attempt) for chosen in alike}) == len(alike)


@given(CHOSEN, CHOSEN, ATTEMPTS)
def test_an_attempt_of_another_id_has_another_name(one: str, other: str, attempt: int) -> None:
    assert (chosen_id(one, attempt) == chosen_id(other, attempt)) == (one == other)


@given(CHOSEN | st.none(), PLACES, PLACES, st.text(), ATTEMPTS)
def test_every_name_is_legal(chosen: str | None, namespace: str, name: str, uid: str, attempt: int) -> None:
    assert LEGAL.fullmatch(job_id(namespace, name, uid, attempt, chosen))

"""Whose turn it is: limits hold, namespaces are fair, and nobody is starved."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mljobs.api.jobclass import Amounts, Limits
from mljobs.domain.classes.turns import (
    Used,
    Waiter,
    beyond,
    estimate,
    explained,
    give_turns,
    limited,
)

START = datetime(2026, 1, 2, tzinfo=UTC)


def waiter(namespace: str, number: int, accelerators: int = 0, priority: int = 0) -> Waiter:
    since = START + timedelta(seconds=number)
    return Waiter(f"{namespace}{number}", namespace, since, accelerators, priority)


def of(active: int | None = None, accelerators: int | None = None) -> Limits:
    return Limits(active_jobs=active, accelerators=accelerators)


OWN = Limits(per_namespace=Amounts(active_jobs=1))

A = [waiter("a", number) for number in range(5)]
B = [waiter("b", number + 100) for number in range(5)]

# limits, used, waiting in any order, who gets a turn, and the order of the others
TABLE: dict[str, tuple[Limits, Mapping[str, Used], list[Waiter], list[str], list[str]]] = {
    "all fit": (of(5), {}, A[:2], ["a0", "a1"], []),
    "the oldest first": (of(2), {}, A[2::-1], ["a0", "a1"], ["a2"]),
    "none fits": (of(2), {"a": Used(2)}, A[:2], [], ["a0", "a1"]),
    "the newcomer before the many": (
        of(4),
        {"a": Used(3)},
        [*A, B[0]],
        ["b100"],
        ["a0", "a1", "a2", "a3", "a4"],
    ),
    "in turn": (of(4), {}, [*A[:3], *B[:3]], ["a0", "b100", "a1", "b101"], ["a2", "b102"]),
    "a priority counts in its namespace": (
        of(2),
        {},
        [*A[:2], waiter("a", 9, priority=7), B[0]],
        ["a9", "b100"],
        ["a0", "a1"],
    ),
    "and in no other": (
        of(1),
        {"a": Used(1), "b": Used(0)},
        [waiter("a", 9, priority=1000), B[0]],
        [],
        ["b100", "a9"],
    ),
    "a namespace's own limit keeps out nobody else": (
        OWN,
        {"a": Used(1)},
        [*A[:2], *B[:2]],
        ["b100"],
        ["a0", "b101", "a1"],
    ),
    "accelerators": (
        of(accelerators=8),
        {},
        [waiter("a", 1, 4), waiter("a", 2, 4), waiter("a", 3, 4)],
        ["a1", "a2"],
        ["a3"],
    ),
    "a large job is not starved by small ones": (
        of(accelerators=8),
        {"b": Used(1, 4)},
        [waiter("a", 1, 8), waiter("a", 2, 1), waiter("c", 3, 1)],
        [],
        ["a1", "c3", "a2"],
    ),
    "who wants no accelerators passes": (
        of(5, 8),
        {"b": Used(1, 4)},
        [waiter("a", 1, 8), waiter("a", 2)],
        ["a2"],
        ["a1"],
    ),
    "a namespace's own accelerators": (
        Limits(per_namespace=Amounts(accelerators=2)),
        {"a": Used(1, 2)},
        [waiter("a", 1, 1), waiter("a", 2), waiter("b", 3, 2)],
        ["b3", "a2"],
        ["a1"],
    ),
    "the larger share counts": (
        of(10, 10),
        {"a": Used(1, 9), "b": Used(3, 0)},
        [waiter("a", 1, 1), waiter("b", 2, 1)],
        ["b2"],
        ["a1"],
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_whose_turn_it_is(name: str) -> None:
    limits, used, waiting, given_to, rest = TABLE[name]
    turns = give_turns(limits, used, waiting)
    assert [one.uid for one in turns.given] == given_to
    assert [one.uid for one in turns.waiting] == rest


amounts = st.none() | st.integers(1, 12)
limits_ = st.builds(of, amounts, st.none() | st.integers(0, 12)) | st.builds(
    lambda active, accelerators, own_active, own_accelerators: Limits(
        active_jobs=active,
        accelerators=accelerators,
        per_namespace=Amounts(active_jobs=own_active, accelerators=own_accelerators),
    ),
    amounts,
    st.none() | st.integers(0, 12),
    amounts,
    st.none() | st.integers(0, 12),
)
waiters = st.lists(
    st.builds(waiter, st.sampled_from("abcd"), st.integers(0, 99), st.integers(0, 4), st.integers(0, 3)),
    max_size=25,
    unique_by=lambda one: one.uid,
)
usages = st.dictionaries(st.sampled_from("abcd"), st.builds(Used, st.integers(1, 6), st.integers(0, 6)))


def within(limits: Limits, used: Mapping[str, Used]) -> bool:
    own = limits.per_namespace or Amounts()
    total = Used(sum(one.jobs for one in used.values()), sum(one.accelerators for one in used.values()))
    pairs = [(limits.active_jobs, total.jobs), (limits.accelerators, total.accelerators)]
    for one in used.values():
        pairs += [(own.active_jobs, one.jobs), (own.accelerators, one.accelerators)]
    return all(most is None or amount <= most for most, amount in pairs)


def after(used: Mapping[str, Used], more: list[Waiter]) -> dict[str, Used]:
    found = dict(used)
    for one in more:
        found[one.namespace] = found.get(one.namespace, Used()).plus(one.accelerators)
    return found


@given(limits_, usages, waiters)
def test_no_turn_exceeds_a_limit(limits: Limits, used: dict[str, Used], waiting: list[Waiter]) -> None:
    turns = give_turns(limits, used, waiting)
    assert sorted([*turns.given, *turns.waiting], key=lambda one: one.uid) == sorted(
        waiting, key=lambda one: one.uid
    )
    done: list[Waiter] = []
    for one in turns.given:
        before, now = after(used, done), after(used, [*done, one])
        # limits may have been lowered meanwhile: what exceeds them is then not given more
        assert within(limits, now) or not within(limits, before)
        done.append(one)
    if within(limits, used):
        assert within(limits, after(used, list(turns.given)))


@given(limits_, usages, waiters, st.randoms(use_true_random=False))
def test_the_order_of_arrival_in_memory_does_not_matter(
    limits: Limits, used: dict[str, Used], waiting: list[Waiter], random: Random
) -> None:
    shuffled = list(waiting)
    random.shuffle(shuffled)
    assert give_turns(limits, used, shuffled) == give_turns(limits, used, waiting)


@given(limits_, usages, waiters)
def test_no_room_is_wasted(limits: Limits, used: dict[str, Used], waiting: list[Waiter]) -> None:
    """Who still waits does not fit, or wants what somebody before it waits for."""
    turns = give_turns(limits, used, waiting)
    now = after(used, list(turns.given))
    fits = [one for one in turns.waiting if within(limits, after(now, [one])) and within(limits, now)]
    for one in fits:
        assert one.accelerators, f"{one} could go"
        assert any(other.accelerators > one.accelerators for other in turns.waiting)


@given(st.integers(1, 20), waiters)
def test_a_namespace_takes_the_highest_priority_then_the_oldest(most: int, waiting: list[Waiter]) -> None:
    alike = [replace(one, accelerators=0) for one in waiting]
    turns = give_turns(of(most), {}, alike)
    for name in "abcd":
        mine = [one for one in [*turns.given, *turns.waiting] if one.namespace == name]
        assert mine == sorted(mine, key=lambda one: one.rank)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 40), st.integers(0, 3))
def test_one_job_of_another_namespace_waits_for_no_thousand(most: int, wanted: int) -> None:
    """1,000 jobs of one namespace and one job of another: it has one of the next two turns."""
    crowd = [waiter("crowd", number, wanted, priority=1000) for number in range(1000)]
    limits = of(most, most * max(wanted, 1))
    lone = waiter("lone", 5000, wanted)
    turns = give_turns(limits, {"crowd": Used(most, most * wanted)}, [*crowd, lone])
    assert not turns.given
    assert turns.waiting[0] == lone
    once = give_turns(limits, {"crowd": Used(most - 1, (most - 1) * wanted)}, [*crowd, lone])
    assert lone in [*once.given, *once.waiting][:2]
    assert list(once.given) == [lone] or most == 1


def test_nobody_waits_for_ever() -> None:
    """As jobs end one after the other, everybody has a turn, a job that wants everything included."""
    waiting = [*A, *B, waiter("c", 50, 8), waiter("d", 60, 1)]
    limits = of(3, 8)
    running: list[Waiter] = []
    served: list[str] = []
    while waiting or running:
        turns = give_turns(limits, after({}, running), waiting)
        running += turns.given
        served += [one.uid for one in turns.given]
        waiting = list(turns.waiting)
        assert running, "nothing runs, and somebody waits"
        running.pop(0)
    assert len(served) == 12


@pytest.mark.parametrize(
    ("limits", "expected"),
    [(Limits(), False), (Limits(creates_per_minute=1), False), (of(1), True), (OWN, True)],
)
def test_who_has_limits(limits: Limits, expected: bool) -> None:
    assert limited(limits) is expected


@pytest.mark.parametrize(
    ("limits", "accelerators", "said"),
    [
        (of(1), 99, ""),
        (of(accelerators=8), 8, ""),
        (of(accelerators=8), 9, "limits.accelerators is 8"),
        (Limits(per_namespace=Amounts(accelerators=0)), 1, "limits.perNamespace.accelerators is 0"),
    ],
)
def test_what_could_never_start(limits: Limits, accelerators: int, said: str) -> None:
    assert beyond(limits, accelerators) == said


def test_what_is_said_to_who_waits() -> None:
    limits = Limits(active_jobs=4, accelerators=8, per_namespace=Amounts(active_jobs=2))
    used = {"a": Used(2, 4), "b": Used(2, 2)}
    assert explained("gpu", limits, used, waiter("a", 1, 4), 2, 7) == (
        "The JobClass gpu is full: limits.activeJobs, 4 of 4 in use; limits.accelerators, 6 of 8 in use and "
        "4 asked for; limits.perNamespace.activeJobs of a, 2 of 2 in use. Position 2 of 7"
    )
    assert explained("gpu", of(9), used, waiter("a", 1), 1, 1) == (
        "The JobClass gpu is full: others are before it. Position 1 of 1"
    )


@pytest.mark.parametrize(
    ("position", "turns", "minutes", "said"),
    [
        (1, 2, 30, "too few jobs have ended lately to say how long that takes"),
        (1, 99, 4, "too few jobs have ended lately to say how long that takes"),
        (1, 30, 30, "a minute or two at the pace of the last 30 minutes"),
        (10, 30, 30, "about 5 minutes at the pace of the last 30 minutes"),
        (30, 30, 30, "about half an hour at the pace of the last 30 minutes"),
        (1000, 3, 30, "days at the pace of the last 30 minutes"),
    ],
)
def test_how_long_it_takes(position: int, turns: int, minutes: int, said: str) -> None:
    assert estimate(position, turns, timedelta(minutes=minutes)) == said

"""Tests that mostly wait are told several at once."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import pytest

T = TypeVar("T")

ALL = os.environ.get("MLJOBS_FAULTS") == "all"
"""Whether every point is tried, or a sample."""


def grouped(cases: Sequence[T], name: Callable[[T], str], *, size: int, apart: bool = False) -> list[Any]:
    """Parameters of a test that takes a list of cases: so many each.

    Args:
        cases: all of them.
        name: for test ids.
        size: cases of one test.
        apart: whether each is a test of its own where every point is tried.
    """
    chunk = 1 if ALL and apart else size
    groups = [list(cases[start : start + chunk]) for start in range(0, len(cases), chunk)]
    return [
        pytest.param(group, id=name(group[0]) + (f" and {len(group) - 1} more" if group[1:] else ""))
        for group in groups
    ]


async def together(
    tell: Callable[[T], Awaitable[None]], cases: Sequence[T], name: Callable[[T], str]
) -> None:
    """Do all cases at the same time; fails with all that failed.

    Raises:
        BaseExceptionGroup: at least one has failed.
    """

    async def one(case: T) -> None:
        try:
            await tell(case)
        except BaseException as error:
            error.add_note(f"in {name(case)}")
            raise

    outcomes = await asyncio.gather(*map(one, cases), return_exceptions=True)
    failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise BaseExceptionGroup("several failed", failures)

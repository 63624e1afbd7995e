"""Quotas, on a loop whose clock jumps from timer to timer: exact and at once."""

import asyncio
import itertools
import selectors
from collections.abc import Coroutine
from itertools import pairwise
from typing import Any

import pytest
from aiolimiter import AsyncLimiter
from hypothesis import given, settings
from hypothesis import strategies as st

from mljobs.backends import Access, open_job_service
from mljobs.backends.google import limits as module
from mljobs.backends.google.limits import WINDOW, Limits, ProjectLimits, QuotaGroup, bucket
from mljobs.domain.errors import Throttled
from mljobs.domain.job.observation import retry_delay
from tests.unit.backends.raw_server import RawServer, answer


class _JumpingSelector(selectors.SelectSelector):
    """Where the loop would sleep, the clock jumps; each turn takes a nanosecond, so that it never stands."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        self.now += (timeout or 0.0) + 1e-9
        return super().select(0)


class JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.clock = _JumpingSelector()
        super().__init__(self.clock)

    def time(self) -> float:
        return self.clock.now


def run(main: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(main)


async def _admissions(limits: ProjectLimits, count: int, project: str = "p") -> list[float]:
    loop, times = asyncio.get_running_loop(), []

    async def one() -> None:
        await limits.admit(project, "create", background=True)
        times.append(loop.time())

    await asyncio.gather(*(one() for _ in range(count)))
    return times


def _most_in_a_window(times: list[float]) -> int:
    return max(sum(start <= time < start + WINDOW - 1e-6 for time in times) for start in times)


@settings(deadline=None, max_examples=40)
@given(quota=st.integers(1, 400), rounds=st.integers(2, 4))
def test_no_window_holds_more_than_the_quota(quota: int, rounds: int) -> None:
    limits = ProjectLimits(Limits(creates_per_minute=quota), longest_wait=2, longest_pause=30)
    times = run(_admissions(limits, min(rounds * quota, 600)))
    assert times == sorted(times)
    assert _most_in_a_window(times) <= quota
    # … and no more than the burst's share of it is given away in the long run
    assert times[-1] <= WINDOW * len(times) / (quota * (1 - module.BURST_SHARE))


def test_the_obvious_bucket_would_pass_the_quota() -> None:
    """Why `bucket` exists."""

    async def main() -> list[float]:
        limits = ProjectLimits(Limits(creates_per_minute=60), longest_wait=2, longest_pause=30)
        gate = limits._gate("p", "create")
        gate.bucket = AsyncLimiter(60, 60)
        return await _admissions(limits, 200)

    assert _most_in_a_window(run(main())) > 110


def test_what_goes_out_at_once() -> None:
    times = run(_admissions(ProjectLimits(Limits(), longest_wait=2, longest_pause=30), 60))
    assert times[:6] == pytest.approx([0.0] * 6, abs=1e-3)
    assert times[59] == pytest.approx(WINDOW * 54 / 55)


def test_a_fraction_of_a_request_a_minute() -> None:
    times = run(
        _admissions(ProjectLimits(Limits(creates_per_minute=0.5), longest_wait=2, longest_pause=30), 3)
    )
    assert [b - a for a, b in pairwise(times)] == pytest.approx([120.0, 120.0])


@pytest.mark.parametrize("none", [None, 0])
def test_no_limit(none: float | None) -> None:
    assert (
        run(
            _admissions(ProjectLimits(Limits(creates_per_minute=none), longest_wait=2, longest_pause=30), 500)
        )[-1]
        < 1e-3
    )


def test_projects_and_groups_have_buckets_of_their_own() -> None:
    async def main() -> float:
        limits = ProjectLimits(
            Limits(creates_per_minute=1, others_per_minute=1), longest_wait=2, longest_pause=30
        )
        for project in ("p", "q"):
            assert await limits.admit(project, "create") < 1e-3
            assert await limits.admit(project, "other") < 1e-3
        return await limits.admit("p", "other", background=True)

    assert run(main()) == pytest.approx(60.0)


def test_a_pause_holds_back_and_is_told() -> None:
    async def main() -> None:
        limits = ProjectLimits(
            Limits(creates_per_minute=0, others_per_minute=0), longest_wait=2, longest_pause=30
        )
        limits.pause("p", "create", 20)
        limits.pause("p", "create", 5)  # a shorter one does not shorten it
        limits.pause("q", "create", None)
        assert await limits.admit("p", "other") < 1e-3
        assert await limits.admit("q", "create") < 1e-3
        assert await limits.admit("p", "create", background=True) == pytest.approx(20)
        assert await limits.admit("p", "create") < 1e-3

    run(main())


def test_a_pause_longer_than_patience_refuses_at_once() -> None:
    async def main() -> None:
        limits = ProjectLimits(Limits(), longest_wait=2, longest_pause=30)
        limits.pause("p", "create", 3600)
        for background in (False, True):
            with pytest.raises(Throttled, match=r"project p: .* is not over; nothing was sent") as caught:
                await limits.admit("p", "create", background=background)
            assert caught.value.retry_after == pytest.approx(3600)

    run(main())


def test_those_who_wait_for_the_bucket_do_not_break_out_of_a_pause_together() -> None:
    async def main() -> list[float]:
        limits = ProjectLimits(Limits(creates_per_minute=60), longest_wait=2, longest_pause=100)
        waiting = asyncio.create_task(_admissions(limits, 60))
        await asyncio.sleep(2)
        limits.pause("p", "create", 50)
        return await waiting

    times = run(main())
    before, after = [t for t in times if t < 52], [t for t in times if t >= 52]
    assert len(before) == 7
    assert _most_in_a_window(times) <= 60
    assert sum(t == pytest.approx(52) for t in after) <= 7


@pytest.mark.parametrize(("group", "calls"), [("create", "creates"), ("other", "calls other than create")])
def test_a_crowd_does_not_wait_and_the_background_does(group: QuotaGroup, calls: str) -> None:
    async def main() -> None:
        limits = ProjectLimits(Limits(60, 60), longest_wait=2, longest_pause=30)
        results = await asyncio.gather(*(limits.admit("p", group) for _ in range(20)), return_exceptions=True)
        refused = [result for result in results if isinstance(result, Throttled)]
        assert len(results) - len(refused) == 7  # six at once, one within two seconds
        assert str(refused[0]) == f"project p: its quota of 60 {calls} a minute is used up; nothing was sent"
        await asyncio.gather(*(limits.admit("p", group, background=True) for _ in range(20)))

    run(main())


def test_most_of_a_crowd_is_refused_at_once() -> None:
    async def main() -> list[float]:
        loop, limits = (
            asyncio.get_running_loop(),
            ProjectLimits(Limits(60, 300), longest_wait=2, longest_pause=30),
        )
        refused: list[float] = []

        async def one() -> None:
            try:
                await limits.admit("p", "other")
            except Throttled:
                refused.append(loop.time())

        await asyncio.gather(*(one() for _ in range(500)))
        return refused

    refused = run(main())
    assert (
        sum(moment < 0.01 for moment in refused) == 500 - 30 - module.WAITING_LIMIT
    )  # the burst went out at once


@pytest.mark.parametrize(("group", "quota", "count"), [("create", 60, 200), ("other", 300, 500)])
def test_a_crowd_that_comes_back_when_it_is_told_to_uses_the_whole_quota(
    group: QuotaGroup, quota: int, count: int
) -> None:
    async def main() -> tuple[float, int]:
        limits = ProjectLimits(Limits(quota, quota), longest_wait=2, longest_pause=30)
        tries = 0

        async def one() -> None:
            nonlocal tries
            for failures in itertools.count(1):
                tries += 1
                try:
                    await limits.admit("p", group)
                except Throttled as error:
                    await asyncio.sleep(retry_delay(error, failures, 0.5).total_seconds())
                else:
                    return

        await asyncio.gather(*(one() for _ in range(count)))
        return asyncio.get_running_loop().time(), tries

    seconds, tries = run(main())
    limiter = bucket(quota)
    assert seconds < (count - limiter.max_rate) * limiter.time_period / limiter.max_rate * 1.02
    assert tries <= 2 * count


def test_turns_that_nobody_takes_are_not_waited_for() -> None:
    async def main() -> list[float]:
        limits = ProjectLimits(Limits(60, 60), longest_wait=2, longest_pause=30)

        async def crowd(count: int) -> list[float]:
            calls = (limits.admit("p", "create") for _ in range(count))
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            return [error.retry_after or 0.0 for error in outcomes if isinstance(error, Throttled)]

        assert max(await crowd(1000)) > 900  # and they are all deleted before their turn
        await asyncio.sleep(60)
        return await crowd(20)

    assert max(run(main())) < 20


def test_a_cancelled_waiter_takes_no_place() -> None:
    async def main() -> float:
        limits = ProjectLimits(Limits(creates_per_minute=1), longest_wait=2, longest_pause=30)
        await limits.admit("p", "create")
        waiter = asyncio.create_task(limits.admit("p", "create", background=True))
        await asyncio.sleep(1)
        waiter.cancel()
        return await limits.admit("p", "create", background=True)

    assert run(main()) == pytest.approx(59.0)


def test_the_number_of_buckets_is_bounded() -> None:
    async def main() -> None:
        limits = ProjectLimits(Limits(), longest_wait=2, longest_pause=30)
        await limits.admit("busy", "create")
        busy = limits._gates["busy", "create"]
        for number in range(module.PROJECTS_LIMIT + 50):
            await limits.admit("busy", "create") if number % 300 == 0 else None
            await limits.admit(f"p{number}", "create")
        assert len(limits._gates) == module.PROJECTS_LIMIT
        assert limits._gates["busy", "create"] is busy
        assert ("p0", "create") not in limits._gates

    run(main())


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["creates_per_minute", "others_per_minute"])
def test_a_limit_that_cannot_work_is_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name}: {value}"):
        Limits(**{name: value})


def test_the_bucket_of_the_default() -> None:
    assert bucket(60).max_rate == 6


@pytest.mark.parametrize("group", ["create", "other"])
def test_a_crowd_does_not_wait_for_the_end_of_a_pause_either(group: QuotaGroup) -> None:
    async def main() -> None:
        limits = ProjectLimits(Limits(), longest_wait=2, longest_pause=30)
        limits.pause("p", group, 20)
        with pytest.raises(Throttled) as caught:
            await limits.admit("p", group)
        assert caught.value.retry_after == pytest.approx(20)
        assert await limits.admit("p", group, background=True) == pytest.approx(20)

    run(main())


@pytest.mark.parametrize("background", [False, True])
async def test_a_client_in_the_background_waits_for_every_call(background: bool) -> None:
    with RawServer(rest=answer(200, {})) as server:
        limits = Limits(others_per_minute=36_000)  # 600 a second
        async with open_job_service(
            Access(endpoint=server.url, anonymous=True, limits=limits, background=background)
        ) as client:
            bucket = client._sender._limits._gate("p", "other").bucket
            assert bucket is not None
            await bucket.acquire(bucket.max_rate)
            calls = [client.cancel("p", f"j{n}") for n in range(100)]
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert any(isinstance(outcome, Throttled) for outcome in outcomes) is not background
    assert background is (outcomes == [None] * 100)

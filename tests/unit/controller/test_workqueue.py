import asyncio

import pytest

from mljobs.controller.loop.queue import URGENT_IN_A_ROW, WorkQueue


async def take(queue: WorkQueue[str]) -> str | None:
    return await asyncio.wait_for(queue.get(), 5)


async def test_keys_come_in_order_and_once() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for key in ("a", "b", "a", "c", "b"):
        queue.add(key)
    assert [await take(queue) for _ in range(3)] == ["a", "b", "c"]
    assert len(queue) == 0


async def test_a_key_that_is_worked_on_comes_back_only_when_that_is_done() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    assert await take(queue) == "a"
    queue.add("a")
    queue.add("b")
    assert await take(queue) == "b"
    assert len(queue) == 0
    queue.done("a")
    assert await take(queue) == "a"


async def test_a_key_that_nobody_added_meanwhile_is_done() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    await take(queue)
    queue.done("a")
    assert len(queue) == 0


async def test_a_waiting_worker_gets_a_key_that_comes_later() -> None:
    queue: WorkQueue[str] = WorkQueue()
    workers = [asyncio.create_task(take(queue)) for _ in range(2)]
    await asyncio.sleep(0)
    queue.add("a")
    queue.add("b")
    assert sorted(filter(None, await asyncio.gather(*workers))) == ["a", "b"]


async def test_of_two_delays_the_earlier_counts() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_later("a", 3600)
    queue.add_later("a", 0)
    queue.add_later("a", 3600)
    assert await take(queue) == "a"
    queue.done("a")
    assert len(queue) == 0


async def test_an_immediate_key_replaces_its_delay() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_later("a", 0)
    queue.add("a")
    assert await take(queue) == "a"
    queue.done("a")
    queue.add("b")
    assert await take(queue) == "b"
    assert len(queue) == 0


async def test_urgent_keys_go_first_and_starve_nobody() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for number in range(3):
        queue.add(f"new-{number}")
    for number in range(2 * URGENT_IN_A_ROW):
        queue.add(f"gone-{number}", urgent=True)
    order = [await take(queue) for _ in range(len(queue))]
    gone = [f"gone-{number}" for number in range(2 * URGENT_IN_A_ROW)]
    first, second = gone[:URGENT_IN_A_ROW], gone[URGENT_IN_A_ROW:]
    assert order == [*first, "new-0", *second, "new-1", "new-2"]


async def test_a_waiting_key_that_becomes_urgent_moves_and_comes_once() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for key in ("a", "b", "c"):
        queue.add(key)
    queue.add("b", urgent=True)
    queue.add("b")
    assert len(queue) == 3
    assert [await take(queue) for _ in range(3)] == ["b", "a", "c"]
    assert len(queue) == 0


async def test_what_became_urgent_during_the_work_is_urgent_afterwards() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    assert await take(queue) == "a"
    queue.add("b")
    queue.add("a", urgent=True)
    queue.done("a")
    assert [await take(queue) for _ in range(2)] == ["a", "b"]


@pytest.mark.parametrize("waiting", [0, 3])
async def test_a_closed_queue_lets_all_workers_go(waiting: int) -> None:
    queue: WorkQueue[str] = WorkQueue()
    workers = [asyncio.create_task(take(queue)) for _ in range(waiting)]
    await asyncio.sleep(0)
    queue.close()
    queue.add("a")
    queue.add_later("b", 0)
    assert await asyncio.gather(*workers) == [None] * waiting
    assert await take(queue) is None


async def test_a_closed_queue_hands_out_nothing_that_came_during_the_work() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    assert await take(queue) == "a"
    queue.add("a")
    queue.close()
    queue.done("a")
    assert await take(queue) is None


async def test_what_is_of_no_concern_is_not_queued() -> None:
    queue: WorkQueue[str] = WorkQueue(takes=lambda key: key.startswith("mine/"))
    for key in ("mine/a", "other/b"):
        queue.add(key, urgent=True)
        queue.add_later(key, 0)
    assert await take(queue) == "mine/a"
    assert len(queue) == 0

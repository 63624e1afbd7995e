"""A controller of schedules that dies, at each of its calls and at random: no run twice, and none lost."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mljobs.controller.kinds import schedule as handler
from mljobs.controller.loop.store import Key
from mljobs.domain.schedule import decide as rules
from tests.model.schedules import SCHEDULE, Schedules
from tests.model.wire import Outcome

TEN = 600.0
POLICIES = ("Allow", "Forbid", "Replace")


@pytest.fixture
def world() -> Iterator[Schedules]:
    made = Schedules()
    yield made
    made.close()


def play_jobs(world: Schedules, *, succeeded: bool = True) -> None:
    """Let all jobs go on: what is new is submitted, what was submitted ends, what is deleted is released."""
    for key, run in world.runs.items():
        if run.deleting:
            world.cluster.release(key)
        elif not run.held:
            world.cluster.submit(key)
        elif run.active:
            world.cluster.end(key, succeeded=succeeded)


def story(world: Schedules, **spec: Any) -> Iterator[None]:
    """A schedule with a run every ten minutes, whose jobs take as long; a step at a time."""
    world.cluster.schedule(successfulJobsHistoryLimit=1, **spec)
    yield
    for _ in range(4):
        play_jobs(world)
        yield


def run_through(world: Schedules, killed_at: int = 0, how: str = "", **spec: Any) -> int:
    """Play the story; at the call of this number the operator dies, and another one starts.

    Args:
        world: a fresh one.
        killed_at: counts the calls that change something, from 1; 0 for none.
        how: what becomes of that call: `before`, it takes no effect; `after`, it takes effect and is not
            answered; `later`, it takes effect while the next operator is at work.
        spec: of the schedule.

    Returns:
        How many such calls there were.
    """
    calls = 0
    for _ in story(world, **spec):
        until = world.loop.now + TEN
        while world.loop.now < until:
            while call := world.call():
                calls += not call.reads
                if calls == killed_at and not call.reads:
                    _die(world, how)
                    killed_at = 0
                    continue
                world.wire.answer(call)
                if world.operator:
                    world.operator.watch()
            world.loop.advance(until - world.loop.now, to_timer=True)
    world.work(5)
    return calls


def _die(world: Schedules, how: str) -> None:
    world.told.append(f"--- killed {how}")
    world.kill()
    if how == "after":
        world.land()
    elif how == "before":
        world.wire.late.clear()
    world.start()
    if how == "later":
        world.work(2)
        world.land()
        world.work(2)


def test_a_story_without_deaths(world: Schedules) -> None:
    calls = run_through(world)
    world.check()
    assert len(world.started) == 5
    assert calls == world.cluster.writes
    # of a run: it is made, settled with an Event, seen to end, and in the end deleted
    assert calls <= 5 * 5 + 2


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("how", ["before", "after", "later"])
def test_killed_at_every_call(policy: str, how: str) -> None:
    """At each call that changes something, one world for each."""
    whole = Schedules()
    calls = run_through(whole, concurrencyPolicy=policy)
    expected = set(whole.started)
    whole.close()
    for number in range(1, calls + 1):
        world = Schedules()
        try:
            run_through(world, number, how, concurrencyPolicy=policy)
            world.check()
            assert set(world.started) == expected, f"killed {how} call {number}\n" + "\n".join(
                world.told[-60:]
            )
        finally:
            world.close()


Act = tuple[str, float]
OUTCOMES: list[Outcome] = ["ok", "ok", "ok", "lost", "failed", "late", "rejected"]
ACTS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "pass",
                "pass",
                "jobs",
                "jobs",
                "fail jobs",
                "kill",
                "start",
                "land",
                "watch",
                "delete",
                "calls",
                "calls",
            ]
        ),
        st.floats(0, 1),
    ),
    max_size=60,
)
SPECS = st.fixed_dictionaries(
    {"concurrencyPolicy": st.sampled_from(POLICIES)},
    optional={
        "startingDeadlineSeconds": st.sampled_from([30, 300, 3000]),
        "successfulJobsHistoryLimit": st.sampled_from([0, 1, 3]),
        "failedJobsHistoryLimit": st.sampled_from([0, 1]),
        "timeZone": st.sampled_from(["Europe/Berlin", "Asia/Kolkata"]),
        "schedule": st.sampled_from(["*/10 * * * *", "* * * * *", "7,37 * * * *"]),
    },
)


def act(world: Schedules, what: str, number: float) -> None:
    """One thing that happens."""
    match what:
        case "pass":
            world.loop.advance(1 + number * 1200)
            world.wire.expire()
        case "jobs" | "fail jobs":
            play_jobs(world, succeeded=what == "jobs")
        case "delete" if world.runs:
            world.user_deletes(sorted(world.runs)[int(number * 0.999 * len(world.runs))])
        case "calls":
            for step in range(12):
                if call := world.call():
                    world.wire.answer(call, OUTCOMES[int(number * 1000 + step * 7) % len(OUTCOMES)])
        case "kill" | "start" | "land" | "watch":
            ACTIONS[what](world)


ACTIONS: dict[str, Callable[[Schedules], None]] = {
    "kill": lambda world: world.kill(),
    "start": lambda world: None if world.operator else world.start(),
    "land": lambda world: world.land(),
    "watch": lambda world: world.operator.watch() if world.operator else None,
}


@settings(max_examples=120, deadline=None)
@given(spec=SPECS, acts=ACTS)
def test_whatever_happens(spec: dict[str, Any], acts: list[Act]) -> None:
    world = Schedules()
    try:
        world.cluster.schedule(**spec)
        for what, number in acts:
            act(world, what, number)
            world.check()
        _converges(world)
    finally:
        world.close()


def _converges(world: Schedules) -> None:
    """Without faults each time is settled; then nothing is written until the next one."""
    world.wire.late.clear()
    if world.operator is None:
        world.start()
    for _ in range(4):  # what waits for a job that has to end
        world.work(200)
        play_jobs(world)
    world.work(100)
    world.check()
    due = world.due()
    if due is not None:  # it waits for one that was started a moment ago
        assert any(run.active for run in world.runs.values())
    limits = world.cluster.objects[SCHEDULE]["spec"]
    for succeeded, name in ((True, "successfulJobsHistoryLimit"), (False, "failedJobsHistoryLimit")):
        kept = [
            run
            for run in world.runs.values()
            if run.succeeded is succeeded
            and not run.deleting
            and run.created < world.now() - rules.KEPT - timedelta(seconds=1)
        ]
        assert len(kept) <= limits.get(name, 3 if succeeded else 1)
    world.cluster.change(SCHEDULE, suspend=True)
    world.work(400)
    writes = world.cluster.writes
    world.work(900)
    assert world.cluster.writes == writes, "\n".join(world.told[-20:])


def test_an_outage_of_a_day_costs_all_runs_but_the_latest(world: Schedules) -> None:
    world.cluster.schedule(schedule="* * * * *")
    world.work(60)
    assert len(world.started) == 1
    world.kill()
    world.wire.late.clear()
    world.loop.advance(86_400)
    world.start()
    world.work(1)
    assert len(world.started) == 2
    (missed,) = [event.message for _, event, _ in world.cluster.events if event.reason == "RunMissed"]
    assert "more than 100 earlier run(s)" in missed
    world.work(60)
    assert len(world.started) == 3
    world.check()


def test_a_thousand_schedules_are_due_in_the_same_second(world: Schedules) -> None:
    for number in range(1000):
        world.cluster.schedule(f"s{number}", schedule="0 * * * *")
    world.work(1)
    writes = world.cluster.writes
    world.work(3600)
    world.check()
    assert len(world.started) == 1000
    assert {times[0] for times in world.started.values()} == {world.now().replace(minute=0, second=0)}
    assert world.cluster.writes - writes == 3000  # of each: the run, the status and an Event
    settled = {
        body["status"]["lastScheduleTime"]
        for key, body in world.cluster.objects.items()
        if key.kind == SCHEDULE.kind
    }
    assert settled == {"2026-01-01T01:00:00Z"}


def test_suspended_and_resumed(world: Schedules) -> None:
    key = world.cluster.schedule(schedule="*/10 * * * *")
    world.work(TEN)
    world.cluster.change(key, suspend=True)
    world.work(1)
    assert "nextScheduleTime" not in world.status()
    world.work(6 * TEN)
    assert len(world.started) == 1
    world.cluster.change(key, suspend=False)
    world.work(1)
    assert len(world.started) == 2  # the latest that was missed meanwhile, as a CronJob does
    world.cluster.change(key, suspend=True, startingDeadlineSeconds=60)
    world.work(2.5 * TEN)
    world.cluster.change(key, suspend=False)
    world.work(1)
    assert len(world.started) == 2  # it is too late for that one
    world.work(TEN)
    assert len(world.started) == 3
    world.check()


def test_another_time_zone_starts_nothing_at_once_and_skips_nothing(world: Schedules) -> None:
    key = world.cluster.schedule(schedule="0 6 * * *", timeZone="Europe/Berlin")
    world.work(5 * 3600)  # 06:00 in Berlin is 05:00 UTC
    assert [f"{times[0]:%H:%M}" for times in world.started.values()] == ["05:00"]
    world.cluster.change(key, timeZone="Asia/Kolkata")  # where 06:00 is 00:30 UTC
    world.work(60)
    assert len(world.started) == 1
    assert world.status()["nextScheduleTime"] == "2026-01-02T00:30:00Z"
    world.work(86_400)
    assert [f"{times[0]:%d %H:%M}" for times in world.started.values()] == ["01 05:00", "02 00:30"]
    world.check()


@pytest.mark.parametrize("hours", [-3, 3])
def test_the_clock_is_set(world: Schedules, hours: int) -> None:
    """Forwards it is as after an outage; backwards nothing is started twice."""
    world.cluster.schedule(schedule="0 * * * *")
    world.work(3600)
    world.set_by = timedelta(hours=hours)
    world.work(handler.LONGEST_SLEEP + 1)
    world.check()
    assert len(world.started) == (2 if hours > 0 else 1)
    world.work(3600 * (1 if hours > 0 else 4))
    assert len(world.started) == (3 if hours > 0 else 2)


@pytest.mark.parametrize("policy", ["Forbid", "Replace"])
def test_a_run_that_never_ends(world: Schedules, policy: Literal["Forbid", "Replace"]) -> None:
    world.cluster.schedule(concurrencyPolicy=policy)
    world.work(TEN)
    ((key, _),) = world.runs.items()
    world.cluster.submit(key)
    world.work(3 * TEN)
    assert len(world.started) == 1
    assert world.runs[key].deleting == (policy == "Replace")
    if policy == "Replace":
        world.cluster.release(key)
    else:
        world.cluster.end(key, succeeded=True)
    world.work(1)
    assert len(world.started) == 2  # the latest that is due
    world.check()


def test_a_run_whose_name_another_resource_has(world: Schedules) -> None:
    key = world.cluster.schedule()
    world.work(1)
    slot = world.now().replace(minute=10, second=0)
    name = f"{key.name}-{int(slot.timestamp()) // 60}"
    world.cluster.create("TrainingJob", name, {}, creationTimestamp="2026-01-01T00:00:00Z")
    world.started.clear()
    world.work(TEN)
    rows = {row["type"]: row["reason"] for row in world.status()["conditions"]}
    assert rows == {"Suspended": "NotSuspended", "Due": "NameTaken", "Stalled": "NameTaken"}
    world.cluster.delete(Key("TrainingJob", key.namespace, name))
    world.work(61)
    assert list(world.started) == [name]
    assert world.status()["lastScheduleTime"] == "2026-01-01T00:10:00Z"
    assert "Stalled" not in {row["type"] for row in world.status()["conditions"]}


# --- an operator that is made worse breaks something, and the model says what ------------------------------


def test_worse_runs_are_deleted_before_they_are_recorded(
    world: Schedules, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why a run is kept for a while: a create call that lingers would find its name free."""
    monkeypatch.setattr(rules, "KEPT", timedelta())
    world.cluster.schedule(successfulJobsHistoryLimit=0)
    world.loop.advance(TEN - 30)
    call = None
    while (call := world.call()) and call.method != "create":
        world.wire.answer(call)
    assert call
    world.kill()
    world.start()
    world.work(2)
    play_jobs(world)
    play_jobs(world)
    world.work(2)
    play_jobs(world)
    assert not world.runs
    world.land()
    with pytest.raises(AssertionError, match="twice"):
        world.check()

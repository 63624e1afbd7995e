import asyncio
import logging
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from mljobs.backends.mlv1.facts import PAGES_FROM
from mljobs.controller.loop.poller import (
    AT_ONCE,
    FAILURES,
    LOST_PER_ROUND,
    POOR_PAGES,
    READS_PER_ROUND,
    Poller,
)
from mljobs.controller.loop.store import Key, Store
from mljobs.controller.process.metrics import Metrics
from mljobs.domain import errors
from mljobs.domain.decide import Polled
from mljobs.domain.job.observation import Call
from mljobs.domain.port import Backend, Job, Reference
from tests.unit.controller.conftest import Cloud
from tests.unit.domain.world import NOW, START, target

INPUT = {"region": "us-central1", "masterConfig": {"imageUri": "gcr.io/p/i:1"}}


class Watched:
    """Some resources whose jobs a poller watches."""

    def __init__(self, cloud: Cloud, *, believe_missing: bool = False) -> None:
        self.cloud = cloud
        self.now = NOW
        self.metrics = Metrics()
        self.store = Store(START)
        self.woken: list[str] = []
        self.poller = Poller(
            cloud.backend,
            self.store,
            lambda key: self.woken.append(key.name),
            interval=1,
            lost_interval=600,
            believe_missing=believe_missing,
            clock=lambda: self.now,
            metrics=self.metrics,
        )

    def watch(self, name: str, job_id: str | None = None, *, lost: bool = False) -> Key:
        key = Key("TrainingJob", "team-a", name)
        meta = {"namespace": "team-a", "name": name, "uid": f"uid-{name}", "resourceVersion": "1"}
        self.store.put({"kind": "TrainingJob", "metadata": meta})
        self.poller.follow(key, Polled(target("p", job_id or name, 1), lost=lost))
        return key

    def missing(self) -> float | None:
        """What the metric says."""
        return self.metrics.registry.get_sample_value("mljobs_missing_jobs")

    async def create(self, name: str) -> Key:
        await self.cloud.backend.client.create("p", {"jobId": name, "trainingInput": INPUT})
        return self.watch(name)

    async def round(self) -> list[str]:
        """Poll once; the names of the resources that have something new."""
        self.woken.clear()
        await asyncio.gather(*self.poller.round())
        return sorted(self.woken)


@pytest.fixture
async def watched(cloud: Cloud) -> Watched:
    return Watched(cloud)


def state(watched: Watched, key: Key) -> str:
    job = watched.store.observation(key).job
    return job.state if job else ""


async def test_only_what_has_changed_wakes_its_resource(watched: Watched) -> None:
    await watched.cloud.control(
        "POST", "scripts", {"jobId": "^a$", "timeline": {"QUEUED": 1, "PREPARING": 1, "RUNNING": 1}}
    )
    await watched.cloud.control(
        "POST", "scripts", {"jobId": "^b$", "timeline": {"QUEUED": 50, "PREPARING": 1, "RUNNING": 1}}
    )
    a, b = await watched.create("a"), await watched.create("b")
    assert await watched.round() == ["a", "b"]
    assert await watched.round() == []
    watched.cloud.clock.seconds = 1.5
    assert await watched.round() == ["a"]
    assert (state(watched, a), state(watched, b)) == ("PREPARING", "QUEUED")


async def test_few_jobs_are_read_one_by_one_and_many_in_pages(watched: Watched) -> None:
    names = [f"j{n}" for n in range(PAGES_FROM)]
    for name in names:
        await watched.create(name)
    before = len(await watched.cloud.effects())
    assert await watched.round() == sorted(names)
    assert (await watched.cloud.effects())[before:] == [("list", "")]
    watched.poller.follow(Key("TrainingJob", "team-a", "j0"), None)
    before = len(await watched.cloud.effects())
    assert await watched.round() == []
    assert {row[0] for row in (await watched.cloud.effects())[before:]} == {"get"}


async def test_a_job_that_no_page_has_is_read_by_itself_before_it_counts_as_absent(watched: Watched) -> None:
    keys = [await watched.create(f"j{n}") for n in range(PAGES_FROM)]
    gone = watched.watch("gone")
    assert "gone" in await watched.round()
    assert ("get", "gone") in await watched.cloud.effects()
    assert watched.store.observation(gone).absences == 1
    assert all(state(watched, key) for key in keys)
    await watched.round()
    assert watched.store.observation(gone).absences == 2


async def test_pages_end_where_reading_the_rest_alone_is_cheaper(watched: Watched) -> None:
    for n in range(130):
        await watched.cloud.backend.client.create("p", {"jobId": f"other{n}", "trainingInput": INPUT})
    for n in range(PAGES_FROM):
        watched.watch(f"missing{n}")
    before = len(await watched.cloud.effects())
    await watched.round()
    methods = [row[0] for row in (await watched.cloud.effects())[before:]]
    assert methods.count("list") == 2
    assert methods.count("get") == PAGES_FROM


@pytest.mark.parametrize(("there", "gone"), [(0, 3), (3, 3), (4, 4), (PAGES_FROM, PAGES_FROM + 1)])
async def test_where_many_jobs_of_a_project_are_missing_nothing_is_learned_but_that(
    watched: Watched, caplog: pytest.LogCaptureFixture, there: int, gone: int
) -> None:
    caplog.set_level(logging.INFO)
    for n in range(there):
        await watched.create(f"there{n}")
    missing = [watched.watch(f"gone{n}") for n in range(gone)]
    for _ in range(3):
        await watched.round()
        assert {watched.store.observation(key).absences for key in missing} == {0}
        assert watched.missing() == gone
    (warning,) = [row.getMessage() for row in caplog.records if row.levelname == "WARNING"]
    assert f"{gone} of {there + gone} active jobs of projects/p do not exist" in warning
    assert "endpoint" in warning
    await watched.cloud.backend.client.create("p", {"jobId": "gone0", "trainingInput": INPUT})
    for key in missing[gone // 2 + 1 :]:
        await watched.cloud.backend.client.create("p", {"jobId": key.name, "trainingInput": INPUT})
    assert "gone0" in await watched.round()
    assert watched.missing() == 0
    assert "no longer missing" in caplog.text
    assert watched.store.observation(missing[1]).absences == 1


@pytest.mark.parametrize(("there", "gone"), [(0, 1), (0, 2), (4, 3), (9, 8)])
async def test_a_few_missing_jobs_are_missing_each_by_itself(watched: Watched, there: int, gone: int) -> None:
    for n in range(there):
        await watched.create(f"there{n}")
    missing = [watched.watch(f"gone{n}") for n in range(gone)]
    for absences in (1, 2):
        await watched.round()
        assert {watched.store.observation(key).absences for key in missing} == {absences}
    assert watched.missing() == 0


async def test_a_service_that_forgets_can_be_believed(cloud: Cloud) -> None:
    watched = Watched(cloud, believe_missing=True)
    missing = [watched.watch(f"gone{n}") for n in range(9)]
    await watched.round()
    assert {watched.store.observation(key).absences for key in missing} == {1}
    assert watched.missing() == 0


async def test_a_project_whose_jobs_nobody_watches_any_more_misses_none(watched: Watched) -> None:
    keys = [watched.watch(f"gone{n}") for n in range(3)]
    await watched.round()
    assert watched.missing() == 3
    for key in keys:
        watched.poller.follow(key, Polled(target("p", key.name, 1), lost=True))
    await watched.round()
    assert watched.missing() == 0


async def test_lost_jobs_are_looked_for_seldom_and_taken_back(watched: Watched) -> None:
    lost = watched.watch("lost", lost=True)
    active = await watched.create("active")
    assert await watched.round() == ["active", "lost"]
    known = watched.store.observation(lost)
    assert (known.absences, known.absent_at) == (1, NOW)
    for seconds, asked in ((1, False), (599, False), (600, True), (1199, False), (1200, True)):
        before = len(await watched.cloud.effects())
        watched.now = NOW + timedelta(seconds=seconds)
        await watched.round()
        assert (("get", "lost") in (await watched.cloud.effects())[before:]) is asked, seconds
    await watched.cloud.backend.client.create("p", {"jobId": "lost", "trainingInput": INPUT})
    watched.now = NOW + timedelta(seconds=1800)
    assert await watched.round() == ["lost"]
    assert state(watched, lost) == state(watched, active) == "QUEUED"


async def test_thousands_of_lost_jobs_are_looked_for_a_few_at_a_time_and_hide_nothing(
    watched: Watched,
) -> None:
    for n in range(3 * LOST_PER_ROUND):
        watched.watch(f"lost{n}", lost=True)
    active = await watched.create("active")
    seen = set()
    for _ in range(3):
        before = len(await watched.cloud.effects())
        await watched.round()
        asked = {job_id for method, job_id in (await watched.cloud.effects())[before:] if method == "get"}
        assert len(asked) == LOST_PER_ROUND + 1
        seen |= asked - {"active"}
    assert len(seen) == 3 * LOST_PER_ROUND
    assert state(watched, active) == "QUEUED"
    assert watched.missing() == 0


async def test_a_failed_list_falls_back_to_single_reads(watched: Watched) -> None:
    keys = [await watched.create(f"j{n}") for n in range(PAGES_FROM)]
    await watched.cloud.fault(method="ml.projects.jobs.list", action="error", status=503)
    await watched.round()
    assert all(state(watched, key) == "QUEUED" for key in keys)


def asked(rows: list[tuple[str, str]], method: str) -> list[str]:
    return [job_id for word, job_id in rows if word == method]


async def test_a_failed_list_of_many_jobs_costs_a_bounded_number_of_reads_and_one_line(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    """The rest waits for the next round, which goes on with those that have waited longest."""
    many = 2 * READS_PER_ROUND + 5
    for n in range(many):
        await watched.create(f"j{n}")
    await watched.cloud.fault(method="ml.projects.jobs.list", action="error", status=503)
    seen: set[str] = set()
    for round_number in (1, 2, 3):
        before = len(await watched.cloud.effects())
        caplog.clear()
        await watched.round()
        rows = (await watched.cloud.effects())[before:]
        assert len(asked(rows, "list")) == 1
        assert len(asked(rows, "get")) == READS_PER_ROUND
        (warning,) = [row.getMessage() for row in caplog.records if row.levelname == "WARNING"]
        assert (
            f"of {many} jobs, {READS_PER_ROUND} were seen and {many - READS_PER_ROUND} were left" in warning
        )
        seen |= set(asked(rows, "get"))
        assert len(seen) == min(many, round_number * READS_PER_ROUND)


async def test_a_service_that_answers_nothing_is_left_alone_until_the_next_round(watched: Watched) -> None:
    for n in range(2 * READS_PER_ROUND):
        await watched.create(f"j{n}")
    await watched.cloud.fault(action="error", status=503)
    before = len(await watched.cloud.effects())
    assert len(await watched.round()) <= AT_ONCE + FAILURES
    assert len((await watched.cloud.effects())[before:]) <= AT_ONCE + FAILURES


async def test_a_pause_that_the_service_asks_for_wakes_no_resource(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    for n in range(PAGES_FROM):
        await watched.create(f"j{n}")
    await watched.cloud.fault(method="ml.projects.jobs.list", action="error", status=429, retryAfter=60)
    assert await watched.round() == []
    (warning,) = [row.getMessage() for row in caplog.records if row.levelname == "WARNING"]
    assert "Throttled" in warning


async def test_pages_of_the_jobs_of_others_are_not_read_forever(watched: Watched) -> None:
    """What lies behind them is read by itself."""
    keys = [await watched.create(f"old{n}") for n in range(PAGES_FROM)]
    for n in range(900):
        await watched.cloud.backend.client.create("p", {"jobId": f"other{n}", "trainingInput": INPUT})
    before = len(await watched.cloud.effects())
    await watched.round()
    rows = (await watched.cloud.effects())[before:]
    assert len(asked(rows, "list")) == POOR_PAGES
    assert len(asked(rows, "get")) == PAGES_FROM
    assert {state(watched, key) for key in keys} == {"QUEUED"}


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"action": "error", "status": 503}, errors.Unavailable),
        ({"action": "error", "status": 403}, errors.Denied),
        ({"action": "error", "status": 429, "retryAfter": 60}, errors.Throttled),
        ({"action": "dropAfter"}, errors.Unavailable),
        ({"action": "truncate"}, errors.Unavailable),
    ],
)
async def test_a_read_that_fails_is_remembered_and_tried_later(
    watched: Watched, fault: dict[str, Any], error: type[errors.JobServiceError]
) -> None:
    key = await watched.create("a")
    await watched.cloud.fault(method="ml.projects.jobs.get", times=1, **fault)
    assert await watched.round() == ["a"]
    trouble = watched.store.observation(key).failed_calls[Call.GET]
    assert isinstance(trouble.error, error)
    calls = len(await watched.cloud.effects())
    assert await watched.round() == []
    assert len(await watched.cloud.effects()) == calls
    watched.now = trouble.retry_at + timedelta(seconds=1)
    if not isinstance(
        trouble.error, errors.Throttled
    ):  # the client itself keeps the pause that was asked for
        assert await watched.round() == ["a"]
        assert state(watched, key) == "QUEUED"
        assert not watched.store.observation(key).failed_calls


async def test_an_answer_that_was_overtaken_is_dropped(watched: Watched) -> None:
    key = await watched.create("a")
    before = watched.store.moment
    job = await watched.cloud.backend.get(Reference("projects/p/jobs/a"))
    newer = watched.store.observation(key).about(target("p", "a", 1)).accepted_cancel()
    watched.store.observe(key, "uid-a", newer)
    watched.poller._learn(key, before, job.reference, lambda known: known.saw(job, NOW))
    assert watched.store.observation(key) is newer


async def test_what_is_no_longer_watched_is_not_polled(watched: Watched) -> None:
    key = await watched.create("a")
    watched.poller.follow(key, None)
    before = await watched.cloud.effects()
    assert await watched.round() == []
    assert await watched.cloud.effects() == before


class Held:
    """A service that answers nothing about one project."""

    def __init__(self, backend: Backend, project: str) -> None:
        self.facts = backend.facts
        self._backend = backend
        self._project = project
        self.asked = 0

    async def get(self, reference: Reference, *, background: bool) -> Job:
        if reference.startswith(f"projects/{self._project}/"):
            self.asked += 1
            await asyncio.Event().wait()
        return await self._backend.get(reference, background=background)


async def test_a_project_that_gets_no_answers_holds_no_other_up(watched: Watched) -> None:
    key = await watched.create("a")
    stuck = Key("TrainingJob", "team-a", "stuck")
    watched.poller.follow(stuck, Polled(target("stuck", "j", 1)))
    held: Any = Held(watched.cloud.backend, "stuck")
    watched.poller._backend = held
    watched.poller._interval = 0.01
    running = asyncio.create_task(watched.poller.run())
    async with asyncio.timeout(20):
        for wanted in ("PREPARING", "RUNNING", "SUCCEEDED"):
            await watched.cloud.control("POST", "jobs/p/a", {"state": wanted})
            while state(watched, key) != wanted:  # noqa: ASYNC110 (the loop that is tested sets no event)
                await asyncio.sleep(0.001)
    assert held.asked == 1
    assert 0 < watched.poller.silence() < 20
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert watched.poller.silence() == 0

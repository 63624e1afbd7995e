"""A service whose lists show only a part of each job: what has changed is read whole, and nothing else is."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from mljobs.backends.vertex.facts import VertexFacts
from mljobs.controller.loop.poller import Poller
from mljobs.controller.loop.store import Key, Store
from mljobs.controller.process.metrics import Metrics
from mljobs.domain import errors
from mljobs.domain.decide import Polled
from mljobs.domain.job.observation import Call
from mljobs.domain.job.resource import Target
from mljobs.domain.port import Extent, Job, JobPage, Reference, Scope
from tests.unit.domain.world import NOW, START

OAUTH_SCOPE = Scope("projects/p/locations/us-central1")
MANY = VertexFacts.polling.pages_from


class Lists:
    """A service of custom and tuning jobs; of the latter no list shows what changes."""

    facts = VertexFacts()

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.outputs: dict[str, str] = {}
        self.gets: list[str] = []
        self.pages = 0

    def job(self, name: str, extent: Extent) -> Job:
        document: Mapping[str, Any] = {"jobId": name, "state": self.states[name]}
        whole = {**document, "trainingOutput": {"x": self.outputs.get(name, "")}}
        return Job(
            job_id=name,
            state=self.states[name],
            document=whole if extent is Extent.WHOLE else document,
            reference=Reference(f"{OAUTH_SCOPE}/customJobs/{name}"),
            extent=extent,
        )

    async def get(self, reference: Reference, *, background: bool = False) -> Job:  # noqa: ARG002
        name = reference.rpartition("/")[2]
        self.gets.append(name)
        return self.job(name, Extent.WHOLE)

    async def active(self, scope: Scope, *, page_token: str = "") -> JobPage:  # noqa: ARG002
        self.pages += 1
        extents = {name: Extent.OUTLINE if name.startswith("t") else Extent.PART for name in self.states}
        return JobPage([self.job(name, extent) for name, extent in extents.items()])


class Watched:
    def __init__(self, outline_interval: float = 0.0) -> None:
        self.service = Lists()
        self.store = Store(START)
        self.woken: list[str] = []
        self.poller = Poller(
            self.service,  # type: ignore[arg-type]  # it only lists and reads
            self.store,
            lambda key: self.woken.append(key.name),
            interval=1,
            lost_interval=600,
            clock=lambda: NOW,
            metrics=Metrics(),
            outline_interval=outline_interval,
        )

    def watch(self, name: str) -> Key:
        self.service.states[name] = "RUNNING"
        key = Key("TrainingJob", "team-a", name)
        meta = {"namespace": "team-a", "name": name, "uid": f"uid-{name}", "resourceVersion": "1"}
        self.store.put({"kind": "TrainingJob", "metadata": meta})
        target = Target("p", name, 1, OAUTH_SCOPE, Reference(f"{OAUTH_SCOPE}/customJobs/{name}"))
        self.poller.follow(key, Polled(target))
        return key

    async def round(self) -> tuple[list[str], list[str]]:
        """Poll once: which resources have something new, and which jobs were read by themselves."""
        self.woken.clear()
        self.service.gets.clear()
        await asyncio.gather(*self.poller.round())
        return sorted(self.woken), sorted(self.service.gets)


@pytest.fixture
def watched() -> Watched:
    return Watched()


async def test_what_a_page_shows_of_a_job_is_enough_until_it_changes(watched: Watched) -> None:
    names = [f"j{number:02}" for number in range(MANY)]
    for name in names:
        watched.watch(name)
    assert await watched.round() == (names, names)
    assert await watched.round() == ([], [])
    watched.service.states["j03"], watched.service.outputs["j03"] = "SUCCEEDED", "model"
    assert await watched.round() == (["j03"], ["j03"])
    seen = watched.store.observation(Key("TrainingJob", "team-a", "j03")).job
    assert seen is not None
    assert seen.document["trainingOutput"] == {"x": "model"}
    assert watched.service.pages == 3


async def test_a_job_of_which_no_page_shows_what_changes_is_read_once_in_a_while() -> None:
    """In between only what the page does show makes a read worth while."""
    watched = Watched(outline_interval=3600)
    names = [f"j{number:02}" for number in range(MANY)]
    for name in [*names, "tuned"]:
        watched.watch(name)
    await watched.round()
    watched.service.outputs["tuned"] = "two trials"
    assert await watched.round() == ([], [])
    watched.service.states["tuned"] = "CANCELLING"
    assert await watched.round() == (["tuned"], ["tuned"])
    seen = watched.store.observation(Key("TrainingJob", "team-a", "tuned")).job
    assert seen is not None
    assert seen.document["trainingOutput"] == {"x": "two trials"}


async def test_a_job_that_is_followed_anew_is_read_at_once() -> None:
    watched = Watched(outline_interval=3600)
    for number in range(MANY):
        watched.watch(f"j{number:02}")
    key = watched.watch("tuned")
    await watched.round()
    watched.poller.follow(key, None)
    watched.watch("tuned")
    assert await watched.round() == ([], ["tuned"])


async def test_a_job_of_which_no_page_shows_what_changes_is_read_as_often_as_that_is_wanted(
    watched: Watched,
) -> None:
    names = [f"j{number:02}" for number in range(MANY)]
    for name in [*names, "tuned"]:
        watched.watch(name)
    await watched.round()
    assert await watched.round() == ([], ["tuned"])
    watched.service.outputs["tuned"] = "two trials"
    assert await watched.round() == (["tuned"], ["tuned"])


async def test_a_job_that_was_seen_in_a_list_alone_is_read(watched: Watched) -> None:
    keys = [watched.watch(f"j{number:02}") for number in range(MANY)]
    await watched.round()
    part = watched.service.job("j00", Extent.PART)
    known = watched.store.observation(keys[0])
    watched.store.observe(keys[0], "uid-j00", known.saw(part, NOW))
    assert await watched.round() == (["j00"], ["j00"])


async def test_a_page_that_shows_a_job_ends_its_troubles_and_forgets_nothing(watched: Watched) -> None:
    keys = [watched.watch(f"j{number:02}") for number in range(MANY)]
    await watched.round()
    known = watched.store.observation(keys[0])
    failed = known.failed(Call.GET, errors.Unavailable("cut"), generation=0, now=START, jitter=0)
    watched.store.observe(keys[0], "uid-j00", failed)
    assert await watched.round() == (["j00"], [])
    after = watched.store.observation(keys[0])
    assert after.job == known.job
    assert not after.failed_calls

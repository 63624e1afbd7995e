"""Polls the active jobs of each project together, once per interval."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime

from mljobs.controller.loop.store import Key, Store
from mljobs.controller.process.metrics import Metrics
from mljobs.domain import errors
from mljobs.domain.job.observation import Method, Observation
from mljobs.domain.job.resource import Target
from mljobs.domain.port import Job, JobService
from mljobs.domain.spec.problems import printable_lines

logger = logging.getLogger(__name__)

PAGE_SIZE = 100
"""Jobs in a page of `list`: the most that the API gives (discovery document)."""

LIST_FROM = 25
"""So many jobs of one project make pages of `list` cheaper than a `get` for each."""


class Poller:
    """Keeps the observations of watched jobs fresh, and says which resources have something new.

    Args:
        service: the port.
        store: where observations are kept.
        changed: called with the key of each resource whose job has changed.
        interval: seconds from the start of one round to the start of the next.
        clock: the time, with a zone.
        metrics: counts and lag.
    """

    def __init__(
        self,
        service: JobService,
        store: Store,
        changed: Callable[[Key], None],
        *,
        interval: float,
        clock: Callable[[], datetime],
        metrics: Metrics,
    ) -> None:
        self._service = service
        self._store = store
        self._changed = changed
        self._interval = interval
        self._clock = clock
        self._metrics = metrics
        self._watched: dict[Key, Target] = {}
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._heard = 0.0
        self._spent: dict[str, float] = {}

    def follow(self, key: Key, target: Target | None) -> None:
        """Poll this job for a resource from the next round on; None: poll nothing for it any more."""
        if target is None:
            self._watched.pop(key, None)
        else:
            self._watched[key] = target
        self._metrics.watched.set(len(self._watched))

    async def run(self) -> None:
        """Poll until cancelled."""
        try:
            while True:
                self.round()
                await asyncio.sleep(self._interval)
        finally:
            under_way = list(self._under_way.values())
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    def round(self) -> list[asyncio.Task[None]]:
        """Begin to poll each project whose last poll has ended, so that none waits for another.

        Returns:
            The polls that have begun.
        """
        projects: dict[str, dict[str, list[Key]]] = {}
        for key, target in self._watched.items():
            if self._due(key, target):
                projects.setdefault(target.project, {}).setdefault(target.job_id, []).append(key)
        self._spent = {project: spent for project, spent in self._spent.items() if project in projects}
        slowest = max(self._spent.values(), default=0.0)
        self._metrics.poll_lag.set(max(0.0, slowest - self._interval))
        if not self._under_way:
            self._heard = time.monotonic()
        begun = projects.keys() - self._under_way.keys()
        for project in begun:
            self._under_way[project] = asyncio.create_task(self._poll(project, projects[project]))
        return [self._under_way[project] for project in begun]

    def silence(self) -> float:
        """Seconds for which no poll has got an answer, whatever it was; 0 without polls under way."""
        return time.monotonic() - self._heard if self._under_way else 0.0

    async def _poll(self, project: str, jobs: dict[str, list[Key]]) -> None:
        started = time.monotonic()
        try:
            await self._project(project, jobs)
        except Exception:
            logger.exception("polling %s failed; tried again in %s s", project, self._interval)
        finally:
            del self._under_way[project]
            self._spent[project] = time.monotonic() - started

    def _due(self, key: Key, target: Target) -> bool:
        return self._store.observation(key).about(target).waiting(self._clock(), Method.GET) is None

    async def _project(self, project: str, jobs: dict[str, list[Key]]) -> None:
        left = dict(jobs)
        if len(left) >= LIST_FROM:
            await self._pages(project, left)
        await asyncio.gather(*(self._get(project, job_id, keys) for job_id, keys in left.items()))

    async def _pages(self, project: str, left: dict[str, list[Key]]) -> None:
        """Take jobs out of `left` as pages show them; what stays is read one by one."""
        token = ""
        for _ in range(len(left) // 2):
            before = {key: self._store.observation(key) for keys in left.values() for key in keys}
            try:
                page = await self._service.list_page(project, page_size=PAGE_SIZE, page_token=token)
            except errors.JobServiceError as error:
                logger.warning(
                    "listing the jobs of %s failed, each is read by itself: %s",
                    project,
                    printable_lines(error.message),
                )
                return
            finally:
                self._heard = time.monotonic()
            for job in page.jobs:
                for key in left.pop(job.job_id, ()):
                    self._seen(key, before[key], project, job)
            token = page.next_page_token
            if not token or not left:
                return

    async def _get(self, project: str, job_id: str, keys: list[Key]) -> None:
        before = {key: self._store.observation(key) for key in keys}
        try:
            job = await self._service.get(project, job_id, patient=True)
        except errors.NotFound:
            for key in keys:
                self._learn(key, before[key], project, job_id, lambda known: known.missed(self._clock()))
        except errors.JobServiceError as error:
            message = printable_lines(error.message)
            logger.warning("reading projects/%s/jobs/%s failed: %s", project, job_id, message)
            for key in keys:
                self._learn(key, before[key], project, job_id, self._failure(error))
        else:
            for key in keys:
                self._seen(key, before[key], project, job)
        finally:
            self._heard = time.monotonic()

    def _seen(self, key: Key, before: Observation, project: str, job: Job) -> None:
        target = self._watched.get(key)
        old = before.about(target)
        if (
            old.job
            and old.job.document == job.document
            and Method.GET not in old.troubles
            and not old.absences
        ):
            return
        self._learn(key, before, project, job.job_id, lambda known: known.saw(job, self._clock()))

    def _failure(self, error: errors.JobServiceError) -> Callable[[Observation], Observation]:
        # a failed poll changes no spec's prospects, so that it belongs to no generation
        return lambda known: known.failed(Method.GET, error, generation=0, now=self._clock(), jitter=1)

    def _learn(
        self,
        key: Key,
        before: Observation,
        project: str,
        job_id: str,
        change: Callable[[Observation], Observation],
    ) -> None:
        """Add an answer to an observation, unless another call has changed it meanwhile."""
        target = self._watched.get(key)
        if target is None or (target.project, target.job_id) != (project, job_id):
            return
        if self._store.observation(key) is not before:
            return
        self._store.observe(key, self._store.uid(key), change(before.about(target)))
        self._changed(key)

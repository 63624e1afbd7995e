"""Polls the active jobs of each scope of a service together, once per interval."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from mljobs.controller.loop.store import Key, Store
from mljobs.controller.process.metrics import Metrics
from mljobs.domain import errors
from mljobs.domain.decide import Polled
from mljobs.domain.job.observation import Call, Observation
from mljobs.domain.policies.lost import service_is_wrong
from mljobs.domain.port import Backend, Extent, Job, Reference, Scope
from mljobs.domain.spec.problems import printable_lines

logger = logging.getLogger(__name__)

LOST_PER_ROUND = 5
"""Lost jobs of one scope that are read in one round, at most: thousands must not use up the quota of
others."""

Jobs = dict[Reference, list[Key]]
"""The jobs of one scope, with the resources that they are watched for."""


class Poller:
    """Keeps the observations of watched jobs up to date, and enqueues the resources whose jobs have changed.

    Args:
        backend: the port.
        store: where observations are kept.
        changed: called with the key of each resource whose job has changed.
        interval: seconds from the start of one round to the start of the next.
        lost_interval: seconds between two reads of a job that counts as lost.
        believe_missing: whether many jobs of a scope may be lost at once.
        clock: the time, with a zone.
        metrics: counts and lag.
    """

    def __init__(
        self,
        backend: Backend,
        store: Store,
        changed: Callable[[Key], None],
        *,
        interval: float,
        lost_interval: float,
        believe_missing: bool = False,
        clock: Callable[[], datetime],
        metrics: Metrics,
    ) -> None:
        self._backend = backend
        self._store = store
        self._changed = changed
        self._interval = interval
        self._lost_interval = timedelta(seconds=lost_interval)
        self._believe_missing = believe_missing
        self._clock = clock
        self._metrics = metrics
        self._watched: dict[Key, Polled] = {}
        self._missing: dict[Scope, int] = {}
        self._under_way: dict[Scope, asyncio.Task[None]] = {}
        self._last_answer = 0.0
        self._spent: dict[Scope, float] = {}
        self._answered: dict[Key, float] = {}

    def follow(self, key: Key, polled: Polled | None) -> None:
        """Poll this job for a resource from the next round on; None: stop polling for it."""
        if polled is None:
            self._watched.pop(key, None)
            self._answered.pop(key, None)
        else:
            self._watched[key] = polled
            self._answered.setdefault(key, time.monotonic())
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
        """Start to poll each scope whose last poll has ended, so that none waits for another.

        Returns:
            The polls that were started.
        """
        scopes: dict[Scope, tuple[Jobs, Jobs]] = {}
        active: set[Scope] = set()
        for key, polled in self._watched.items():
            scope = self._backend.facts.scope_of(polled.reference)
            frequent, infrequent = scopes.setdefault(scope, ({}, {}))
            jobs = infrequent if polled.lost else frequent
            if not polled.lost:
                active.add(scope)
            room = not polled.lost or polled.reference in jobs or len(jobs) < LOST_PER_ROUND
            if room and self._due(key, polled):
                jobs.setdefault(polled.reference, []).append(key)
        self._trust_again(self._missing.keys() - active)
        scopes = {scope: due for scope, due in scopes.items() if any(due)}
        self._spent = {scope: spent for scope, spent in self._spent.items() if scope in scopes}
        slowest = max(self._spent.values(), default=0.0)
        self._metrics.poll_lag.set(max(0.0, slowest - self._interval))
        if not self._under_way:
            self._last_answer = time.monotonic()
        begun = scopes.keys() - self._under_way.keys()
        for scope in begun:
            self._under_way[scope] = asyncio.create_task(self._poll(scope, *scopes[scope]))
        return [self._under_way[scope] for scope in begun]

    def silence(self) -> float:
        """Seconds since any poll got an answer of any kind; 0 if no poll is in flight."""
        return time.monotonic() - self._last_answer if self._under_way else 0.0

    def oldest(self) -> float:
        """The longest time, in seconds, since the service answered about an active job."""
        now = time.monotonic()
        active = (self._answered[key] for key, polled in self._watched.items() if not polled.lost)
        return now - min(active, default=now)

    async def _poll(self, scope: Scope, active: Jobs, lost: Jobs) -> None:
        started = time.monotonic()
        try:
            await asyncio.gather(self._active(scope, active), self._lost(lost))
        except Exception:
            logger.exception("polling %s failed; tried again in %s s", scope, self._interval)
        finally:
            del self._under_way[scope]
            self._spent[scope] = time.monotonic() - started

    def _due(self, key: Key, polled: Polled) -> bool:
        known, now = self._store.observation(key).about(polled.target), self._clock()
        if polled.lost and known.absent_at and now - known.absent_at < self._lost_interval:
            return False
        return known.waiting(now, Call.GET) is None

    async def _active(self, scope: Scope, jobs: Jobs) -> None:
        left = dict(jobs)
        if len(left) >= self._backend.facts.polling.pages_from:
            await self._pages(scope, left)
        missing = await self._gets(left)
        if not self._believe_missing and service_is_wrong(asked=len(jobs), missing=len(missing)):
            self._distrust(scope, asked=len(jobs), missing=len(missing))
            return
        if jobs:
            self._trust_again({scope})
        self._miss(missing)

    async def _lost(self, jobs: Jobs) -> None:
        """Read jobs that count as lost; their absence says nothing new about the service."""
        self._miss(await self._gets(jobs))

    async def _gets(self, jobs: Jobs) -> dict[Reference, Mapping[Key, Observation]]:
        """Read jobs one by one.

        Returns:
            Those that the service does not have, each with what was known before the request.
        """
        answers = await asyncio.gather(*(self._get(reference, keys) for reference, keys in jobs.items()))
        return {reference: before for reference, before in zip(jobs, answers, strict=True) if before}

    def _miss(self, missing: Mapping[Reference, Mapping[Key, Observation]]) -> None:
        for reference, before in missing.items():
            for key, known in before.items():
                self._learn(key, known, reference, lambda known: known.missed(self._clock()))

    def _distrust(self, scope: Scope, *, asked: int, missing: int) -> None:
        if scope not in self._missing:
            logger.warning(
                "the service reports that %s of %s active jobs of %s do not exist. With so many at once "
                "the service is assumed wrong: nothing is changed for them. Check the setting endpoint, "
                "and that the project exists; if they are really gone, set believeMissing",
                missing,
                asked,
                scope,
            )
        self._missing[scope] = missing
        self._metrics.missing.set(sum(self._missing.values()))

    def _trust_again(self, scopes: Iterable[Scope]) -> None:
        for scope in scopes:
            if self._missing.pop(scope, None):
                logger.info("%s: its jobs are no longer missing all at once", scope)
        self._metrics.missing.set(sum(self._missing.values()))

    async def _pages(self, scope: Scope, left: Jobs) -> None:
        """Remove jobs from `left` as pages list them; the rest is read one by one."""
        token = ""
        for _ in range(len(left) // 2):
            before = {key: self._store.observation(key) for keys in left.values() for key in keys}
            try:
                page = await self._backend.active(scope, page_token=token)
            except errors.JobServiceError as error:
                logger.warning(
                    "listing the jobs of %s failed, each is read individually: %s",
                    scope,
                    printable_lines(error.message),
                )
                return
            finally:
                self._last_answer = time.monotonic()
            for job in page.jobs:
                if not self._needs_a_get(job, left.get(job.reference, ()), before):
                    for key in left.pop(job.reference, ()):
                        self._seen(key, before[key], job)
            token = page.next_page_token
            if not token or not left:
                return

    def _needs_a_get(self, job: Job, keys: Iterable[Key], before: Mapping[Key, Observation]) -> bool:
        """Whether a page tells too little of a job that has changed, or may have."""
        if job.extent is Extent.WHOLE:
            return False
        watched = [(before[key], self._watched[key].target) for key in keys if key in self._watched]
        return any(job.is_news_to(known.about(target).job) for known, target in watched)

    async def _get(self, reference: Reference, keys: list[Key]) -> Mapping[Key, Observation] | None:
        """Read one job.

        Returns:
            What was known of it before the request, if the service does not have it.
        """
        before = {key: self._store.observation(key) for key in keys}
        try:
            job = await self._backend.get(reference, patient=True)
        except errors.NotFound:
            self._record_answer(keys)
            return before
        except errors.JobServiceError as error:
            message = printable_lines(error.message)
            logger.warning("reading %s failed: %s", reference, message)
            for key in keys:
                self._learn(key, before[key], reference, self._failure(error))
        else:
            for key in keys:
                self._seen(key, before[key], job)
        finally:
            self._last_answer = time.monotonic()
        return None

    def _record_answer(self, keys: Iterable[Key]) -> None:
        """The service has answered about the job of each of these."""
        self._answered.update((key, time.monotonic()) for key in keys if key in self._answered)

    def _seen(self, key: Key, before: Observation, job: Job) -> None:
        self._record_answer([key])
        polled = self._watched.get(key)
        old = before.about(polled.target if polled else None)
        news = job.is_news_to(old.job)
        if not news and Call.GET not in old.failed_calls and not old.absences:
            return
        whole = old.job if old.job and not news else job
        self._learn(key, before, job.reference, lambda known: known.saw(whole, self._clock()))

    def _failure(self, error: errors.JobServiceError) -> Callable[[Observation], Observation]:
        # a failed poll says nothing about a spec, so that it belongs to no generation
        return lambda known: known.failed(Call.GET, error, generation=0, now=self._clock(), jitter=1)

    def _learn(
        self,
        key: Key,
        before: Observation,
        reference: Reference,
        change: Callable[[Observation], Observation],
    ) -> None:
        """Add an answer to an observation, unless another call has changed it meanwhile."""
        polled = self._watched.get(key)
        if polled is None or polled.reference != reference:
            return
        if self._store.observation(key) is not before:
            return
        self._store.observe(key, self._store.uid(key), change(before.about(polled.target)))
        self._changed(key)

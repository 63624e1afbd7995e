"""Polls the active jobs of each scope of a service together, once per interval.

A round can't collapse: pages go on only while they find what is watched, a scope's round ends with its
failures, and what no page has shown is read singly, a bounded number a round, the longest unseen first.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mljobs.controller.loop.store import Key, Store
from mljobs.controller.loop.watchlist import Jobs, Watchlist
from mljobs.controller.process.metrics import PollGauges
from mljobs.domain import errors
from mljobs.domain.decide import Polled
from mljobs.domain.job.observation import Call, Observation
from mljobs.domain.policies.lost import service_is_wrong
from mljobs.domain.port import Backend, Extent, Job, Reference, Scope
from mljobs.domain.show.gauges import only_moved
from mljobs.domain.spec.problems import printable_lines

logger = logging.getLogger(__name__)

LOST_PER_ROUND = 5
"""Lost jobs of one scope that are read in one round, at most: thousands must not use up the quota of
others."""

READS_PER_ROUND = 30
"""Jobs of one scope that are read singly in one round because no page has shown them, at most."""

POOR_PAGES = 3
"""Pages may outnumber the watched jobs that they have shown by so many: a page costs as much as a read."""

FAILURES = 3
"""Requests of one round of a scope that get no answer before the rest waits for the next round."""

AT_ONCE = 8
"""Reads of one scope that are under way at once."""


@dataclass
class _Round:
    """One round of polls of a scope: what it has brought so far.

    Attributes:
        since: the store's moment before the first request whose answers are about to be used.
        paged: jobs that pages have shown.
        read: reads that got an answer about the job.
        failed: requests without one.
        unanswered: those of them that may succeed at once when they are repeated.
        last_error: of the last of these.
        skipped: jobs that were not asked about.
        missing: jobs that the service does not have, with the store's moment before the request.
    """

    since: int
    paged: int = 0
    read: int = 0
    failed: int = 0
    unanswered: int = 0
    last_error: errors.JobServiceError | None = None
    skipped: int = 0
    missing: dict[Reference, int] = field(default_factory=dict)

    def note(self, error: errors.JobServiceError) -> None:
        """A request has failed."""
        self.failed += 1
        self.unanswered += isinstance(error, errors.Unavailable)
        self.last_error = error

    @property
    def over(self) -> bool:
        """Whether the service should be left alone until the next round."""
        return self.unanswered >= FAILURES or isinstance(self.last_error, errors.Throttled)


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
        outline_interval: seconds between two reads of a job whose rest changes unseen, while lists show
            nothing new of it.
        moved: called instead of `changed` with the key of a resource of whose job nothing but gauges has
            changed.
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
        metrics: PollGauges,
        outline_interval: float = 0.0,
        moved: Callable[[Key], None] | None = None,
    ) -> None:
        self._backend = backend
        self._store = store
        self._changed = changed
        self._moved = moved or changed
        self._interval = interval
        self._lost_interval = timedelta(seconds=lost_interval)
        self._believe_missing = believe_missing
        self._clock = clock
        self._metrics = metrics
        self._outline_interval = outline_interval
        self._watched = Watchlist(backend.facts.scope_of)
        self._missing: dict[Scope, int] = {}
        self._under_way: dict[Scope, asyncio.Task[None]] = {}
        self._last_answer = 0.0
        self._spent: dict[Scope, float] = {}
        self._answered: dict[Key, float] = {}
        self._read_whole: dict[Key, float] = {}

    def follow(self, key: Key, polled: Polled | None) -> None:
        """Poll this job for a resource from the next round on; None: stop polling for it."""
        self._watched.put(key, polled)
        if polled is None:
            self._answered.pop(key, None)
            self._read_whole.pop(key, None)
        else:
            self._answered.setdefault(key, time.monotonic())
        self._metrics.watched.set(len(self._watched))

    def __len__(self) -> int:
        """How many resources have a job that is polled."""
        return len(self._watched)

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
        active, lost = self._watched.active(), self._watched.lost()
        self._trust_again(self._missing.keys() - active.keys())
        due = {
            scope: (self._due_active(active.get(scope, {})), self._due_lost(lost.get(scope, {})))
            for scope in active.keys() | lost.keys()
        }
        scopes = {scope: jobs for scope, jobs in due.items() if any(jobs)}
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
        return now - min((self._answered[key] for key in self._watched.active_keys()), default=now)

    def _due_active(self, jobs: Jobs) -> Jobs:
        """The jobs to ask about; all of many, since pages cost the same however many of them are due."""
        if len(jobs) >= self._backend.facts.polling.pages_from:
            return {reference: [*keys] for reference, keys in jobs.items()}
        due = {reference: self._due(keys) for reference, keys in jobs.items()}
        return {reference: keys for reference, keys in due.items() if keys}

    def _due_lost(self, jobs: Jobs) -> Jobs:
        due: Jobs = {}
        for reference, keys in jobs.items():
            if found := self._due(keys):
                due[reference] = found
                if len(due) == LOST_PER_ROUND:
                    break
        return due

    async def _poll(self, scope: Scope, active: Jobs, lost: Jobs) -> None:
        started = time.monotonic()
        try:
            await asyncio.gather(self._poll_active(scope, active), self._poll_lost(scope, lost))
        except Exception:
            logger.exception("polling %s failed; tried again in %s s", scope, self._interval)
        finally:
            del self._under_way[scope]
            self._spent[scope] = time.monotonic() - started

    def _due(self, keys: Iterable[Key]) -> list[Key]:
        """Those of a job's resources for which it is to be read now."""
        now, due = self._clock(), []
        for key in keys:
            polled = self._watched.get(key)
            if polled is None:
                continue
            known = self._store.observation(key).about(polled.target)
            seldom = polled.lost and known.absent_at and now - known.absent_at < self._lost_interval
            if not seldom and known.waiting(now, Call.GET) is None:
                due.append(key)
        return due

    async def _poll_active(self, scope: Scope, jobs: Jobs) -> None:
        made, left, unsure = _Round(self._store.moment), dict(jobs), Jobs()
        if len(left) >= self._backend.facts.polling.pages_from:
            await self._pages(scope, left, unsure, made)
        await self._read(unsure, made)
        await self._read(self._some(left, made), made)
        self._summarize(scope, made, len(jobs))
        asked = made.paged + made.read
        if not self._believe_missing and service_is_wrong(asked=asked, missing=len(made.missing)):
            self._distrust(scope, asked=asked, missing=len(made.missing))
            return
        if jobs and asked:
            self._trust_again({scope})
        self._miss(jobs, made)

    async def _poll_lost(self, scope: Scope, jobs: Jobs) -> None:
        """Read jobs that count as lost; their absence says nothing new about the service."""
        made = _Round(self._store.moment)
        await self._read(jobs, made)
        self._summarize(scope, made, len(jobs))
        self._miss(jobs, made)

    def _some(self, left: Jobs, made: _Round) -> Jobs:
        """Those that are read singly: all of a few, else the ones that have waited longest."""
        due = {reference: keys for reference, mine in left.items() if (keys := self._due(mine))}
        if len(due) <= READS_PER_ROUND:
            return due
        now = time.monotonic()
        ranked = sorted(due, key=lambda reference: self._answered.get(due[reference][0], now))
        made.skipped += len(due) - READS_PER_ROUND
        return {reference: due[reference] for reference in ranked[:READS_PER_ROUND]}

    async def _read(self, jobs: Jobs, made: _Round) -> None:
        """Read jobs one by one until the service should be left alone."""
        turns = iter(jobs.items())
        await asyncio.gather(*(self._reader(turns, made) for _ in range(min(AT_ONCE, len(jobs)))))

    async def _reader(self, turns: Iterator[tuple[Reference, list[Key]]], made: _Round) -> None:
        for reference, keys in turns:
            if made.over:
                made.skipped += 1
            else:
                await self._get(reference, keys, made)

    def _summarize(self, scope: Scope, made: _Round, jobs: int) -> None:
        """Say in one line what a round could not do."""
        if made.last_error is None:
            return
        logger.warning(
            "polling %s: of %s jobs, %s were seen and %s were left for the next round; %s requests failed, "
            "the last one with %s: %s",
            scope,
            jobs,
            made.paged + made.read,
            jobs - made.paged - made.read,
            made.failed,
            type(made.last_error).__name__,
            printable_lines(made.last_error.message),
        )

    def _miss(self, jobs: Jobs, made: _Round) -> None:
        for reference, since in made.missing.items():
            for key in jobs[reference]:
                self._learn(key, since, reference, lambda known: known.missed(self._clock()))

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

    async def _pages(self, scope: Scope, left: Jobs, unsure: Jobs, made: _Round) -> None:
        """Move jobs out of `left` as pages show them, while the pages show enough.

        Args:
            scope: whose pages.
            left: the jobs that no page has shown.
            unsure: gets those of which a page tells too little.
            made: gets what is seen, and the failure that ends the pages.
        """
        token, pages = "", 0
        while len(left) >= self._backend.facts.polling.pages_from and pages < made.paged + POOR_PAGES:
            since = self._store.moment
            try:
                page = await self._backend.active(scope, page_token=token)
            except errors.JobServiceError as error:
                made.note(error)
                return
            finally:
                self._last_answer = time.monotonic()
            pages += 1
            for job in page.jobs:
                keys = left.pop(job.reference, None)
                if keys is None:
                    continue
                if self._needs_a_get(job, keys):
                    unsure[job.reference] = keys
                    continue
                made.paged += 1
                for key in keys:
                    self._seen(key, since, job)
            token = page.next_page_token
            if not token:
                return

    def _needs_a_get(self, job: Job, keys: Iterable[Key]) -> bool:
        """Whether a page tells too little of a job that has changed, or may have."""
        if job.extent is Extent.WHOLE:
            return False
        watched = ((key, self._watched.get(key)) for key in keys)
        return any(
            job.is_news_to(self._store.observation(key).about(polled.target).job)
            or (job.extent is Extent.OUTLINE and self._read_long_ago(key))
            for key, polled in watched
            if polled is not None
        )

    def _read_long_ago(self, key: Key) -> bool:
        """Whether what no list shows of a job may have become worth a read: its gauges are due again."""
        before = self._read_whole.get(key)
        return before is None or time.monotonic() - before >= self._outline_interval

    async def _get(self, reference: Reference, keys: list[Key], made: _Round) -> None:
        """Read one job."""
        since = self._store.moment
        try:
            job = await self._backend.get(reference, background=True)
        except errors.NotFound:
            made.read += 1
            made.missing[reference] = since
            self._record_answer(keys)
        except errors.JobServiceError as error:
            made.note(error)
            for key in keys:
                self._learn(key, since, reference, self._failure(error))
        else:
            made.read += 1
            self._read_whole.update((key, time.monotonic()) for key in keys if key in self._answered)
            for key in keys:
                self._seen(key, since, job)
        finally:
            self._last_answer = time.monotonic()

    def _record_answer(self, keys: Iterable[Key]) -> None:
        """The service has answered about the job of each of these."""
        self._answered.update((key, time.monotonic()) for key in keys if key in self._answered)

    def _seen(self, key: Key, since: int, job: Job) -> None:
        self._record_answer([key])
        polled = self._watched.get(key)
        if polled is None:
            return
        old = self._store.observation(key).about(polled.target)
        news = job.is_news_to(old.job)
        if not news and Call.GET not in old.failed_calls and not old.absences:
            return
        whole = old.job if old.job and not news else job
        self._learn(key, since, job.reference, lambda known: known.saw(whole, self._clock()))

    def _failure(self, error: errors.JobServiceError) -> Callable[[Observation], Observation]:
        # a failed poll says nothing about a spec, so that it belongs to no generation
        return lambda known: known.failed(Call.GET, error, generation=0, now=self._clock(), jitter=1)

    def _learn(
        self, key: Key, since: int, reference: Reference, change: Callable[[Observation], Observation]
    ) -> None:
        """Add an answer to an observation, unless another call has changed it since before the request."""
        polled = self._watched.get(key)
        if polled is None or polled.reference != reference or not self._store.unchanged(key, since):
            return
        known = self._store.observation(key).about(polled.target)
        learned = change(known)
        self._store.observe(key, self._store.uid(key), learned)
        quiet = not (known.failed_calls or known.absences or learned.failed_calls or learned.absences)
        if quiet and learned.job and only_moved(known.job, learned.job):
            self._moved(key)
        else:
            self._changed(key)

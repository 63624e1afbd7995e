"""The lines of classes with limits: who may submit, who waits, and what everybody uses.

What is used is counted from the records of the resources, which no user can write, and from the create calls
that are under way or may have been made. Nothing is given before all resources were listed once, so that a
restart exceeds no limit; whether two processes act at once is the Lease's affair.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mljobs.api.jobclass import Limits
from mljobs.controller.kube.errors import KubeError
from mljobs.controller.loop.store import Key
from mljobs.domain.classes.job_class import JobClass, Turn
from mljobs.domain.classes.turns import Used, Waiter, estimate, explained, give_turns, limited
from mljobs.domain.decide.decisions import Decision, Finish, Hold
from mljobs.domain.decide.plan import in_placement
from mljobs.domain.decide.turns import priority_of, settled
from mljobs.domain.job.resource import Resource
from mljobs.domain.port import Order

logger = logging.getLogger(__name__)

PAUSE = 0.2
"""Seconds between two rounds of a line, at least."""

REST = 20
"""How many times as long as the last round the time until the next one is, at least."""

ROUND = 5.0
"""Seconds between two rounds while somebody waits, at most."""

RETRY = 5.0
"""Seconds between two tries to list all resources."""

REFRESH = timedelta(seconds=60)
"""Between two messages of one resource about its position, at least."""

WRITES_PER_SECOND = 10
"""Messages about positions that may change in a second, at most."""

WINDOW = timedelta(minutes=30)
"""The time whose turns an estimate is made from."""


@dataclass
class _Waiting:
    """One who waits.

    Attributes:
        name: of the class.
        waiter: as the line sees it.
        message: what it waits for; empty until a round has looked at it.
    """

    name: str
    waiter: Waiter
    message: str = ""


@dataclass(frozen=True)
class _Use:
    """What one resource uses, or may use.

    Attributes:
        name: of the class.
        namespace: of the resource.
        accelerators: of its job.
    """

    name: str
    namespace: str
    accelerators: int


class TurnKeeper:
    """Keeps the lines of all classes.

    Args:
        classes: all of them, by name, as last read.
        resources: reads all resources that are known.
        changed: called with each key that has to be reconciled again.
        clock: the time, with a zone.
    """

    def __init__(
        self,
        classes: Callable[[], Mapping[str, JobClass]],
        resources: Callable[[], Iterable[tuple[Key, Resource]]],
        changed: Callable[[Key], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._classes = classes
        self._resources = resources
        self._changed = changed
        self._clock = clock
        self._since = clock()
        self._complete = False
        self._noted: set[Key] = set()
        self._uses: dict[Key, _Use] = {}
        self._used: defaultdict[str, dict[str, Used]] = defaultdict(dict)
        self._given: dict[Key, _Use] = {}
        self._waiting: dict[Key, _Waiting] = {}
        self._lines: Counter[str] = Counter()
        self._turns: defaultdict[str, deque[datetime]] = defaultdict(deque)
        self._refreshed: dict[str, datetime] = {}
        self._wake = asyncio.Event()

    # --- asked by reconciliations ---------------------------------------------------------------------------

    def seat(self, key: Key, resource: Resource, order: Order) -> Resource | None:
        """Say whether it is a resource's turn to create this job.

        Args:
            key: of the resource.
            resource: whose next step leads to the call.
            order: the job.

        Returns:
            The resource with its turn; None if that is found out in the next round, which queues the key.
        """
        given, facts = resource.job_class, resource.facts
        if given is None or given.own or facts is None:
            return resource
        use = self._given.get(key)
        if use is None or use.name != given.name:
            accelerators = facts.claims(order.kind, order.spec).accelerators
            use = _Use(given.name, resource.namespace, accelerators)
        turn = None
        if limited(given.limits):
            turn = self._turn(key, resource, given.limits, use, priority_of(order))
        if turn is not None and not (turn.given or turn.message):
            return None
        standing = replace(resource.standing, accelerators=use.accelerators, turn=turn)
        return replace(resource, standing=standing)

    def _turn(self, key: Key, resource: Resource, limits: Limits, use: _Use, priority: int) -> Turn:
        if key in self._given and self._given[key].name == use.name:
            return Turn(given=True)
        waiter = Waiter(resource.uid, use.namespace, resource.created, use.accelerators, priority)
        entry = self._waiting.get(key)
        if entry is None or entry.name != use.name or entry.waiter != waiter:
            if self._complete and not self.waiting(use.name) and self._fits(use.name, limits, waiter):
                self._give(key, use)
                return Turn(given=True)
            self._queue(key, entry := _Waiting(use.name, waiter))
        self._wake.set()
        return Turn(given=False, message=entry.message, again=self._clock() + 10 * REFRESH)

    def _fits(self, name: str, limits: Limits, waiter: Waiter) -> bool:
        return bool(give_turns(limits, self.used(name), [waiter]).given)

    def _give(self, key: Key, use: _Use) -> None:
        self._queue(key, None)
        self._given[key] = use
        self._use(key, use)

    def _queue(self, key: Key, entry: _Waiting | None) -> None:
        """Put a resource into a line; None: out of all of them."""
        before = self._waiting.pop(key, None)
        if before is not None:
            self._lines[before.name] -= 1
        if entry is not None:
            self._waiting[key] = entry
            self._lines[entry.name] += 1

    def _use(self, key: Key, use: _Use | None) -> None:
        """Count what a resource uses; None: nothing any more."""
        before = self._uses.pop(key, None)
        for one, sign in ((before, -1), (use, 1)):
            if one is not None:
                used = self._used[one.name].get(one.namespace, Used())
                used = Used(used.jobs + sign, used.accelerators + sign * one.accelerators)
                if used.jobs:
                    self._used[one.name][one.namespace] = used
                else:
                    del self._used[one.name][one.namespace]
        if use is not None:
            self._uses[key] = use
        elif before is not None and self._waiting:
            self._wake.set()

    def note(self, key: Key, resource: Resource, decision: Decision) -> None:
        """Take note of what a resource uses after a decision about it."""
        self._noted.add(key)
        if key in self._waiting and not _waits(resource, decision):
            self._queue(key, None)
        use = _recorded(resource)
        if use is not None and not isinstance(decision, Finish | Hold):
            self._given.pop(key, None)
            self._use(key, use)
        elif use is not None or settled(decision):
            self._leave(key)
        elif key not in self._uses and resource.held and resource.intent:
            self._use(key, _reserved(resource))

    def see(self, key: Key, resource: Resource) -> None:
        """Take note of what a resource uses that another operator reconciles."""
        self._noted.add(key)
        self._use(key, _use_of(resource))

    def forget(self, key: Key) -> None:
        """A resource is gone."""
        self._queue(key, None)
        self._noted.discard(key)
        self._leave(key)

    def _leave(self, key: Key) -> None:
        self._given.pop(key, None)
        self._use(key, None)

    # --- what is shown --------------------------------------------------------------------------------------

    def used(self, name: str) -> Mapping[str, Used]:
        """What the jobs of a class use, by namespace."""
        return self._used[name]

    def usage(self, name: str) -> tuple[str, Used, int, Limits]:
        """A class, what its jobs use together, how many wait, and its limits."""
        given = self._classes()[name]
        used = self.used(name).values()
        total = Used(sum(one.jobs for one in used), sum(one.accelerators for one in used))
        return name, total, self.waiting(name), given.limits

    def waiting(self, name: str) -> int:
        """How many wait in a class."""
        return self._lines[name]

    # --- the rounds -----------------------------------------------------------------------------------------

    async def run(self, complete: Callable[[], Awaitable[None]]) -> None:
        """Hold rounds until cancelled.

        Args:
            complete: lists all resources once, so that none is missing; raises a KubeError if it cannot.
        """
        await self._wake.wait()
        while not self._complete:
            try:
                await complete()
            except KubeError as error:
                logger.warning("nothing is submitted in classes with limits: %s", error)
                self._tell_all(
                    f"what the jobs of the class use is not known, and nothing is submitted: {error}"
                )
                await asyncio.sleep(RETRY)
            else:
                self.begin()
        while True:
            began = time.monotonic()
            self.round()
            await asyncio.sleep(max(PAUSE, REST * (time.monotonic() - began)))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), ROUND if self._waiting else None)
            self._wake.clear()

    def begin(self) -> None:
        """Count what nobody has decided on yet; all resources are known."""
        for key, resource in self._resources():
            if key not in self._noted:
                use = _use_of(resource)
                if use is not None:
                    self._use(key, use)
        self._complete = True

    def _tell_all(self, text: str) -> None:
        """Say the same to all that wait."""
        for key, entry in self._waiting.items():
            message = f"The JobClass {entry.name} has limits: {text}."
            if entry.message != message:
                entry.message = message
                self._changed(key)

    def round(self) -> None:
        """Give the turns that can be given, and say to the others what they wait for."""
        classes = self._classes()
        for name in {entry.name for entry in self._waiting.values()}:
            if name in classes and limited(classes[name].limits):
                self._hold(name, classes[name].limits)
            else:
                self._dissolve(name)

    def _dissolve(self, name: str) -> None:
        """The class has no limits any more, or is gone."""
        for key in [key for key, entry in self._waiting.items() if entry.name == name]:
            self._queue(key, None)
            self._changed(key)

    def _hold(self, name: str, limits: Limits) -> None:
        keys = {entry.waiter.uid: key for key, entry in self._waiting.items() if entry.name == name}
        line = give_turns(limits, self.used(name), [self._waiting[key].waiter for key in keys.values()])
        for waiter in line.given:
            key = keys[waiter.uid]
            self._give(key, _Use(name, waiter.namespace, waiter.accelerators))
            self._turns[name].append(self._clock())
            self._changed(key)
        self._say(name, limits, [keys[waiter.uid] for waiter in line.waiting])

    def _say(self, name: str, limits: Limits, line: list[Key]) -> None:
        """Tell those who wait for how long; again only now and then."""
        now = self._clock()
        pause = max(REFRESH, timedelta(seconds=len(line) / WRITES_PER_SECOND))
        due = now - self._refreshed.get(name, self._since) >= pause
        if due:
            self._refreshed[name] = now
        used = self.used(name)
        for position, key in enumerate(line, 1):
            entry = self._waiting[key]
            if entry.message and not due:
                continue
            said = explained(name, limits, used, entry.waiter, position, len(line))
            message = f"{said}; {self._estimate(name, position, now)}."
            if message != entry.message:
                entry.message = message
                self._changed(key)

    def _estimate(self, name: str, position: int, now: datetime) -> str:
        turns, window = self._turns[name], min(WINDOW, now - self._since)
        while turns and now - turns[0] > WINDOW:
            turns.popleft()
        return estimate(position, len(turns), window)


def _use_of(resource: Resource) -> _Use | None:
    """What a resource's job uses, or may use, as far as can be seen; None without a job, or a class."""
    may_exist = resource.held and resource.intent and not (resource.submitted or resource.ended)
    return _reserved(resource) if may_exist else _recorded(resource)


def _recorded(resource: Resource) -> _Use | None:
    """What a resource's job uses, by its record; None without a job, or a class."""
    if not resource.submitted or resource.ended:
        return None
    recorded = resource.recorded_class
    if not recorded.get("name"):
        return None
    return _Use(str(recorded["name"]), resource.namespace, int(recorded.get("accelerators") or 0))


def _reserved(resource: Resource) -> _Use:
    """What a job may use that an earlier process may have created."""
    given, facts, intent = resource.job_class, resource.facts, resource.intent
    try:
        there = in_placement(resource, intent.target.attempt) if facts and intent else resource
        accelerators = facts.claims(resource.kind, there.spec).accelerators if facts else 0
    except (ValueError, TypeError, AttributeError, KeyError):  # the spec is not valid by now
        accelerators = 0
    return _Use(given.name if given else "", resource.namespace, accelerators)


def _waits(resource: Resource, decision: Decision) -> bool:
    """Whether a decision leaves a resource in the line."""
    turn = resource.standing.turn
    return turn is not None and not turn.given and not isinstance(decision, Finish | Hold)

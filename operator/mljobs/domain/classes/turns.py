"""Whose turn it is in a class whose limits are reached: fair between namespaces, and pure.

The namespace that uses the smallest part of the class is next (dominant resource fairness, Ghodsi et al.,
2011: of its shares of jobs and of accelerators the larger one counts); in a namespace the highest priority
is, then the oldest. What does not fit holds back all that want the same after it, so that large jobs are not
starved by small ones; what wants nothing of that passes it.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mljobs.api.jobclass import Amounts, Limits


@dataclass(frozen=True)
class Used:
    """What active jobs use together.

    Attributes:
        jobs: how many there are.
        accelerators: of all their machines.
    """

    jobs: int = 0
    accelerators: int = 0

    def plus(self, accelerators: int) -> "Used":
        """With one job more."""
        return Used(self.jobs + 1, self.accelerators + accelerators)


@dataclass(frozen=True)
class Waiter:
    """A job that is to be submitted.

    Attributes:
        uid: of its resource.
        namespace: of its resource.
        since: when the resource was created.
        accelerators: that it would use.
        priority: of its spec; it counts within the namespace alone, since anybody may give himself any.
    """

    uid: str
    namespace: str
    since: datetime
    accelerators: int = 0
    priority: int = 0

    @property
    def rank(self) -> tuple[int, datetime, str]:
        """The order within a namespace."""
        return -self.priority, self.since, self.uid


@dataclass(frozen=True)
class Turns:
    """What follows for those who wait.

    Attributes:
        given: those that may be submitted now.
        waiting: the others, in the order in which they will be, as far as that is known now.
    """

    given: Sequence[Waiter]
    waiting: Sequence[Waiter]


def limited(limits: Limits) -> bool:
    """Whether jobs of a class may have to wait."""
    own = limits.per_namespace or Amounts()
    return any(
        amount is not None
        for amount in (limits.active_jobs, limits.accelerators, own.active_jobs, own.accelerators)
    )


def beyond(limits: Limits, accelerators: int) -> str:
    """The limit that a single job exceeds, so that its turn would never come; empty for none."""
    own = limits.per_namespace or Amounts()
    for name, most in (
        ("limits.accelerators", limits.accelerators),
        ("limits.perNamespace.accelerators", own.accelerators),
    ):
        if most is not None and accelerators > most:
            return f"{name} is {most}"
    return ""


def give_turns(limits: Limits, used: Mapping[str, Used], waiting: Iterable[Waiter]) -> Turns:
    """Choose who may be submitted now, and in which order the others will be.

    Args:
        limits: of the class.
        used: by the active jobs of each namespace.
        waiting: all that wait, in any order.
    """
    line = _Line(limits, used, waiting)
    given = []
    while (waiter := line.next_that_fits()) is not None:
        given.append(waiter)
    return Turns(given, line.rest())


@dataclass
class _Namespace:
    """Those of one namespace who wait: with and without accelerators, the first of each at the end."""

    used: Used
    wanting: list[Waiter] = field(default_factory=list)
    others: list[Waiter] = field(default_factory=list)
    starved: bool = False
    """Whether one of them waits for accelerators of the namespace's own limit."""

    def head(self, *, starved: bool) -> Waiter | None:
        """Who is next; `starved`: none that wants accelerators."""
        wanting = self.wanting if not (starved or self.starved) else []
        heads = [line[-1] for line in (wanting, self.others) if line]
        return min(heads, key=lambda one: one.rank, default=None)

    def take(self, waiter: Waiter) -> None:
        """One of them gets its turn."""
        (self.wanting if waiter.accelerators else self.others).pop()
        self.used = self.used.plus(waiter.accelerators)


class _Line:
    def __init__(self, limits: Limits, used: Mapping[str, Used], waiting: Iterable[Waiter]) -> None:
        self._limits = limits
        self._own = limits.per_namespace or Amounts()
        self._total = Used(
            sum(one.jobs for one in used.values()), sum(one.accelerators for one in used.values())
        )
        self._namespaces = _by_namespace(used, waiting)
        self._starved = False
        self._heap = [self._entry(name) for name, one in self._namespaces.items() if self._head(one)]
        heapq.heapify(self._heap)

    def next_that_fits(self) -> Waiter | None:
        """Who is submitted next; None if nobody can be."""
        while self._heap:
            _, _, name = heapq.heappop(self._heap)
            namespace = self._namespaces[name]
            waiter = self._head(namespace)
            if waiter is None:
                continue
            if _full(self._limits.active_jobs, self._total.jobs, 1):
                return None
            if _full(self._own.active_jobs, namespace.used.jobs, 1):
                continue  # the namespace is out, until one of its jobs ends
            if self._lacks(namespace, waiter):
                self._push(name)  # who wants no accelerators may pass
                continue
            namespace.take(waiter)
            self._total = self._total.plus(waiter.accelerators)
            self._push(name)
            return waiter
        return None

    def rest(self) -> Sequence[Waiter]:
        """All others in the order of their turns, if there was room for one after the other."""
        self._starved = False
        for namespace in self._namespaces.values():
            namespace.starved = False
        self._heap = [self._entry(name) for name, one in self._namespaces.items() if self._head(one)]
        heapq.heapify(self._heap)
        rest = []
        while self._heap:
            _, _, name = heapq.heappop(self._heap)
            namespace = self._namespaces[name]
            waiter = self._head(namespace)
            if waiter is not None:
                namespace.take(waiter)
                rest.append(waiter)
                self._push(name)
        return rest

    def _lacks(self, namespace: _Namespace, waiter: Waiter) -> bool:
        """Whether there are too few accelerators, which then are kept for it."""
        if not waiter.accelerators:
            return False
        if _full(self._limits.accelerators, self._total.accelerators, waiter.accelerators):
            self._starved = True
            return True
        if _full(self._own.accelerators, namespace.used.accelerators, waiter.accelerators):
            namespace.starved = True
            return True
        return False

    def _head(self, namespace: _Namespace) -> Waiter | None:
        return namespace.head(starved=self._starved)

    def _push(self, name: str) -> None:
        if self._head(self._namespaces[name]):
            heapq.heappush(self._heap, self._entry(name))

    def _entry(self, name: str) -> tuple[float, tuple[datetime, str], str]:
        namespace = self._namespaces[name]
        head = self._head(namespace)
        since = (head.since, head.uid) if head else (datetime.max, "")
        return self._share(namespace.used), since, name

    def _share(self, used: Used) -> float:
        """The part of the class that a namespace uses: of jobs or of accelerators, the larger one."""
        shares = [
            amount / most
            for amount, most in (
                (used.jobs, self._limits.active_jobs),
                (used.accelerators, self._limits.accelerators),
            )
            if most
        ]
        return max(shares, default=float(used.jobs))


def _by_namespace(used: Mapping[str, Used], waiting: Iterable[Waiter]) -> dict[str, _Namespace]:
    found: defaultdict[str, list[Waiter]] = defaultdict(list)
    for waiter in waiting:
        found[waiter.namespace].append(waiter)
    namespaces = {}
    for name in sorted(found):
        made = namespaces[name] = _Namespace(used.get(name, Used()))
        for waiter in sorted(found[name], key=lambda one: one.rank, reverse=True):
            (made.wanting if waiter.accelerators else made.others).append(waiter)
    return namespaces


def _full(most: int | None, used: int, more: int) -> bool:
    return most is not None and used + more > most


# --- what is said to people ---------------------------------------------------------------------------------

FEWEST = 3
"""Turns that an estimate is based on, at least."""

SHORTEST = timedelta(minutes=5)
"""The shortest time that an estimate is made from."""

ROUGH = (
    (timedelta(minutes=2), "a minute or two"),
    (timedelta(minutes=10), "about 5 minutes"),
    (timedelta(minutes=25), "about 15 minutes"),
    (timedelta(minutes=45), "about half an hour"),
    (timedelta(minutes=90), "about an hour"),
    (timedelta(hours=4), "about 2 to 3 hours"),
    (timedelta(hours=12), "several hours"),
    (timedelta(days=2), "about a day"),
)
"""How long something takes, at most, and the words for it: rough, so that they seldom change."""


def explained(
    name: str, limits: Limits, used: Mapping[str, Used], waiter: Waiter, position: int, of: int
) -> str:
    """Say what a job waits for, and how many are before it.

    Args:
        name: of the class.
        limits: of the class.
        used: by the active jobs of each namespace.
        waiter: the job.
        position: of it, from 1.
        of: how many wait.
    """
    reached = _reached(limits, used, waiter)
    what = f"{'; '.join(reached)}" if reached else "others are before it"
    return f"The JobClass {name} is full: {what}. Position {position} of {of}"


def _reached(limits: Limits, used: Mapping[str, Used], waiter: Waiter) -> list[str]:
    own = limits.per_namespace or Amounts()
    mine = used.get(waiter.namespace, Used())
    jobs, accelerators = (
        sum(one.jobs for one in used.values()),
        sum(one.accelerators for one in used.values()),
    )
    rows = (
        ("limits.activeJobs", limits.active_jobs, jobs, 1),
        ("limits.accelerators", limits.accelerators, accelerators, waiter.accelerators),
        (f"limits.perNamespace.activeJobs of {waiter.namespace}", own.active_jobs, mine.jobs, 1),
        (
            f"limits.perNamespace.accelerators of {waiter.namespace}",
            own.accelerators,
            mine.accelerators,
            waiter.accelerators,
        ),
    )
    return [
        f"{field}, {in_use} of {most} in use" + (f" and {more} asked for" if more > 1 else "")
        for field, most, in_use, more in rows
        if more and _full(most, in_use, more)
    ]


def estimate(position: int, turns: int, window: timedelta) -> str:
    """Say how long it takes until a job has its turn, if that can be said.

    Args:
        position: from 1.
        turns: that the class has given in the time before.
        window: that time.
    """
    if turns < FEWEST or window < SHORTEST:
        return "too few jobs have ended lately to say how long that takes"
    expected = window * position / turns
    words = next((text for most, text in ROUGH if expected <= most), "days")
    return f"{words} at the pace of the last {round(window / timedelta(minutes=1))} minutes"

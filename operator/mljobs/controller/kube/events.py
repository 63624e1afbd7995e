"""Which Events are posted as new objects, counted on an old one, or dropped: as client-go does it.

What `k8s.io/client-go/tools/record` does by default in its EventCorrelator: an Event that was posted before
is counted; of many that differ only in their message, all further ones are aggregated into one; and an object
that has had many gets new ones at a limited rate.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple, Self

from mljobs.domain.job.resource import Resource
from mljobs.domain.reasons import Reason
from mljobs.domain.show.events import Event

BURST = 25
"""Events of an object at once (client-go: `defaultSpamBurst`)."""

REFILL = 300.0
"""Seconds until an object that has had these may have one more (client-go: `defaultSpamQPS`)."""

SIMILAR = 10
"""Messages of one reason from which on they are aggregated (client-go: `defaultAggregateMaxEvents`)."""

INTERVAL = 600.0
"""Seconds without one of a reason, after which they are separate again (client-go:
`defaultAggregateIntervalInSeconds`)."""

OBJECTS = 4096
"""Objects that are remembered, those with the newest Events (client-go: `maxLruCacheEntries`)."""

COMBINED = "(combined from similar events): "
"""The prefix of an aggregated Event's message, as everywhere in Kubernetes."""

_COMBINED = hash(COMBINED)

MESSAGE = 1024
"""Characters of an Event's message, at most (the API server's validation)."""


class ObjectReference(NamedTuple):
    """What an Event is about."""

    kind: str
    namespace: str
    name: str
    uid: str

    @classmethod
    def of(cls, resource: Resource) -> Self:
        """A reference to a resource."""
        return cls(resource.kind, resource.namespace, resource.name, resource.uid)


_Key = tuple[Reason, int]
"""A reason, which says the type too, and the hash of a message: the texts would double the memory."""


@dataclass(frozen=True, slots=True)
class Posting:
    """How to post an Event.

    Attributes:
        event: with its final message.
        name: of the Event object whose count is increased; empty: a new one.
        count: how often it has happened.
        first: when that was first.
        key: common to those that are counted on the same object.
    """

    event: Event
    name: str
    count: int
    first: datetime
    key: _Key


@dataclass(slots=True)
class _Similar:
    """The Events of one reason: when the last one was, and the hashes of their messages."""

    reason: Reason
    last: float
    messages: tuple[int, ...] = ()


@dataclass(slots=True)
class _Posted:
    """An Event object."""

    key: _Key
    name: str
    count: int
    first: datetime


@dataclass(slots=True)
class _Object:
    """The Events of one object, those posted last at the end."""

    tokens: float
    filled: float
    similar: tuple[_Similar, ...] = ()
    posted: tuple[_Posted, ...] = ()


class Correlator:
    """Bounds the Events of each object.

    Args:
        passed: seconds by a clock that never jumps.
    """

    def __init__(self, passed: Callable[[], float]) -> None:
        self._passed = passed
        self._objects: dict[str, _Object] = {}

    def correlate(self, uid: str, event: Event, now: datetime) -> Posting | None:
        """Decide how to post an Event.

        Args:
            uid: of the involved object.
            event: the Event.
            now: its timestamp.

        Returns:
            How, or None: the object has had too many.
        """
        known = self._known(uid)
        if not self._allowed(known):
            return None
        similar, said = self._similar(known, event.reason), hash(event.message)
        if said not in similar.messages:
            if len(similar.messages) + 1 >= SIMILAR:
                event, said = replace(event, message=f"{COMBINED}{event.message}"), _COMBINED
            else:
                similar.messages += (said,)
        key = (event.reason, said)
        before = next((one for one in known.posted if one.key == key), None)
        if before is None:
            return Posting(event, "", 1, now, key)
        return Posting(event, before.name, before.count + 1, before.first, key)

    def posted(self, uid: str, posting: Posting, name: str) -> None:
        """Remember that an Event was posted, and under which name."""
        known = self._known(uid)
        others = [one for one in known.posted if one.key != posting.key]
        row = _Posted(posting.key, name, posting.count, posting.first)
        known.posted = (*others, row)[-BURST:]

    def _known(self, uid: str) -> _Object:
        found = self._objects.pop(uid, None) or _Object(BURST, self._passed())
        self._objects[uid] = found
        if len(self._objects) > OBJECTS:
            del self._objects[next(iter(self._objects))]
        return found

    def _similar(self, known: _Object, reason: Reason) -> _Similar:
        at = self._passed()
        found = next((one for one in known.similar if one.reason is reason), None)
        if found is None:
            found = _Similar(reason, at)
            known.similar += (found,)
        if at - found.last > INTERVAL:
            found.messages = ()
        found.last = at
        return found

    def _allowed(self, known: _Object) -> bool:
        at = self._passed()
        known.tokens = min(BURST, known.tokens + (at - known.filled) / REFILL)
        known.filled = at
        if known.tokens < 1:
            return False
        known.tokens -= 1
        return True

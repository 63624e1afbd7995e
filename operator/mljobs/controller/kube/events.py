"""Which Events are posted as new objects, counted on an old one, or dropped: as client-go does it.

What `k8s.io/client-go/tools/record` does by default in its EventCorrelator: an Event that was posted before
is counted; of many that differ only in their message, all further ones are aggregated into one; and an object
that has had many gets new ones at a limited rate.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

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

_Group = tuple[str, str]
_Key = tuple[_Group, str]


@dataclass(frozen=True)
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


@dataclass
class _Similar:
    """The Events of one type and reason."""

    last: float
    messages: set[str] = field(default_factory=set)


@dataclass
class _Object:
    """The Events of one object."""

    tokens: float
    filled: float
    similar: dict[_Group, _Similar] = field(default_factory=dict)
    posted: dict[_Key, Posting] = field(default_factory=dict)


class Correlator:
    """Bounds the Events of each object.

    Args:
        passed: seconds by a clock that never jumps.
    """

    def __init__(self, passed: Callable[[], float]) -> None:
        self._passed = passed
        self._objects: OrderedDict[str, _Object] = OrderedDict()

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
        group = (event.type, event.reason.value)
        similar = known.similar.get(group)
        at = self._passed()
        if similar is None or at - similar.last > INTERVAL:
            similar = known.similar[group] = _Similar(at)
        similar.last = at
        key = (group, event.message)
        if event.message not in similar.messages and len(similar.messages) + 1 >= SIMILAR:
            event, key = replace(event, message=f"{COMBINED}{event.message}"), (group, COMBINED)
        else:
            similar.messages.add(event.message)
        before = known.posted.get(key)
        if before is None:
            return Posting(event, "", 1, now, key)
        return replace(before, event=event, count=before.count + 1)

    def posted(self, uid: str, posting: Posting, name: str) -> None:
        """Remember that an Event was posted, and under which name."""
        kept = self._known(uid).posted
        kept.pop(posting.key, None)
        kept[posting.key] = replace(posting, name=name)
        if len(kept) > BURST:
            del kept[next(iter(kept))]

    def _known(self, uid: str) -> _Object:
        found = self._objects.get(uid)
        if found is None:
            found = self._objects[uid] = _Object(BURST, self._passed())
            if len(self._objects) > OBJECTS:
                self._objects.popitem(last=False)
        self._objects.move_to_end(uid)
        return found

    def _allowed(self, known: _Object) -> bool:
        at = self._passed()
        known.tokens = min(BURST, known.tokens + (at - known.filled) / REFILL)
        known.filled = at
        if known.tokens < 1:
            return False
        known.tokens -= 1
        return True

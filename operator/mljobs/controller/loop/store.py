"""What the operator has in memory: the newest object of each resource, and what was seen of its job."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from mljobs.api.base import JsonObject
from mljobs.domain.job.observation import Observation
from mljobs.domain.job.resource import Resource, timestamp

GONE_KEPT = 10_000
"""Resources that are known to be gone; more than go away while one list is under way."""


_DEPARTED = "@"
"""Sets a uid apart from the name, which cannot hold this character."""


class Key(NamedTuple):
    """Names a resource in the cluster, or one that has departed; see `Store.gone`."""

    kind: str
    namespace: str
    name: str

    @property
    def departed(self) -> bool:
        """Whether the object is gone, and only its job is still to be ended."""
        return _DEPARTED in self.name

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Key":
        """The key of an object."""
        meta = body["metadata"]
        return cls(body["kind"], meta.get("namespace", ""), meta["name"])


@dataclass
class _Entry:
    body: JsonObject
    observation: Observation

    @property
    def uid(self) -> str:
        return str(self.body["metadata"]["uid"])

    @property
    def owner(self) -> str:
        """The uid of the controlling owner; empty where there is none."""
        owners = self.body["metadata"].get("ownerReferences") or ()
        return next((str(owner["uid"]) for owner in owners if owner.get("controller")), "")

    @property
    def version(self) -> int:
        return number(self.body["metadata"].get("resourceVersion"))


class Store:
    """The resources by key.

    Args:
        since: when this process began.
    """

    def __init__(self, since: datetime) -> None:
        self._since = since
        self._entries: dict[Key, _Entry] = {}
        self._gone: OrderedDict[str, None] = OrderedDict()
        self._children: dict[str, set[Key]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Key]:
        return iter(tuple(self._entries))

    def bodies(self) -> Iterator[JsonObject]:
        """The newest object of each resource that is there."""
        return (entry.body for key, entry in self._entries.items() if not key.departed)

    def body(self, key: Key) -> JsonObject | None:
        """The newest object that was read under a key."""
        entry = self._entries.get(key)
        return entry.body if entry else None

    def put(self, body: JsonObject) -> bool:
        """Keep an object unless a newer one is here already.

        The watch may bring an object that is older than the answer to our own last write; resource versions
        of one kind can be compared as numbers (the API conventions guarantee it since Kubernetes 1.35).

        Returns:
            Whether it was kept.
        """
        key = Key.of(body)
        entry = self._entries.get(key)
        fresh = _Entry(body, Observation(since=self._since))
        if fresh.uid in self._gone:
            return False
        if entry and entry.uid == fresh.uid:
            if entry.version > fresh.version:
                return False
            self._unlist(key, entry)
            entry.body = body
            self._list(key, entry)
            return True
        if entry and entry.version > fresh.version:
            return False
        if entry:
            self._unlist(key, entry)
        self._entries[key] = fresh
        self._list(key, fresh)
        return True

    def children(self, uid: str) -> Sequence[Key]:
        """The resources whose controlling owner has this uid, by key."""
        return sorted(self._children.get(uid, ()))

    def _list(self, key: Key, entry: _Entry) -> None:
        if entry.owner:
            self._children.setdefault(entry.owner, set()).add(key)

    def _unlist(self, key: Key, entry: _Entry) -> None:
        siblings = self._children.get(entry.owner)
        if siblings:
            siblings.discard(key)
            if not siblings:
                del self._children[entry.owner]

    def drop(self, key: Key, uid: str) -> bool:
        """Forget a resource that is gone, unless another has taken its name.

        Its uid is kept in mind: a list that was under way meanwhile may still have the object.
        """
        self._gone[uid] = None
        if len(self._gone) > GONE_KEPT:
            self._gone.popitem(last=False)
        entry = self._entries.get(key)
        if entry is None or entry.uid != uid:
            return False
        self._unlist(key, entry)
        del self._entries[key]
        return True

    def gone(self, key: Key, uid: str, now: datetime, last: JsonObject | None = None) -> Key | None:
        """Forget a resource that is gone, unless it went past our finalizer: its job must end all the same.

        The API server does not see a finalizer that is set while it carries out a delete call. Such a
        resource stays under a key of its own, as one that is being deleted and whose create call may be
        under way.

        Args:
            key: of the resource.
            uid: of the object that is gone.
            now: the time.
            last: how the object was at its end, where that is known.

        Returns:
            The key to work on; None where nothing is left to do.
        """
        entry = self._entries.get(key)
        known = entry if entry and entry.uid == uid else None
        self.drop(key, uid)
        if known is None or key.departed:
            return None
        return self._depart(last or known.body, known.observation, now)

    def recall(self, last: JsonObject, now: datetime) -> Key | None:
        """Take in a resource that was deleted before this process knew it, if it went past our finalizer.

        Args:
            last: how it was at its end.
            now: the time.

        Returns:
            The key to work on; None where nothing is left to do.
        """
        if last["metadata"]["uid"] in self._gone:
            return None
        self.drop(Key.of(last), last["metadata"]["uid"])
        return self._depart(last, Observation(since=self._since), now)

    def _depart(self, body: JsonObject, known: Observation, now: datetime) -> Key | None:
        resource, key = Resource.parse(body), Key.of(body)
        if resource.deleting or not resource.held:
            return None
        left = key._replace(name=f"{key.name}{_DEPARTED}{resource.uid}")
        metadata = {**body["metadata"], "deletionTimestamp": timestamp(now)}
        observation = replace(known.about(resource.target), outcome_unknown_at=now)
        self._entries[left] = _Entry({**body, "metadata": metadata}, observation)
        return left

    @property
    def any_departed(self) -> bool:
        """Whether the job of a resource whose object is gone is still to be ended."""
        return any(key.departed for key in self._entries)

    def displaced(self, body: Mapping[str, Any], now: datetime) -> Key | None:
        """Forget a resource whose name a newer object has, so that it must be gone; see `gone`."""
        entry, fresh = self._entries.get(key := Key.of(body)), body["metadata"]
        if entry is None or entry.uid == fresh["uid"] or entry.version > number(fresh["resourceVersion"]):
            return None
        return self.gone(key, entry.uid, now)

    def observation(self, key: Key) -> Observation:
        """What was seen of the job of the resource under a key."""
        entry = self._entries.get(key)
        return entry.observation if entry else Observation(since=self._since)

    def observe(self, key: Key, uid: str, observation: Observation) -> None:
        """Keep what was seen, for as long as the resource with that uid is there."""
        entry = self._entries.get(key)
        if entry and entry.uid == uid:
            entry.observation = observation

    def ghosts(
        self, kind: str, namespaces: frozenset[str] | None, living: set[tuple[Key, str]], version: str
    ) -> list[Key]:
        """The resources of a kind that a complete list did not have although they are older than it."""
        listed = number(version)
        return [
            key
            for key, entry in self._entries.items()
            if key.kind == kind
            and not key.departed
            and (namespaces is None or key.namespace in namespaces)
            and entry.version <= listed
            and (key, entry.uid) not in living
        ]

    def uid(self, key: Key) -> str:
        """The uid of the resource under a key; empty where there is none."""
        entry = self._entries.get(key)
        return entry.uid if entry else ""


def take(
    event: str | None, body: JsonObject, store: Store, changed: Callable[[Key], None], now: datetime
) -> None:
    """Take in one event of the watch.

    Args:
        event: `DELETED`, or anything else for an object that is there.
        body: the object.
        store: keeps it.
        changed: called with each key that there is something new of.
        now: the time.
    """
    key = Key.of(body)
    if event == "DELETED":
        left = store.gone(key, body["metadata"]["uid"], now, body)
    else:
        left = store.displaced(body, now)
        store.put(body)
    for one in (key, *([left] if left else [])):
        changed(one)


def number(version: Any) -> int:
    """A resourceVersion as a number; 0 where it is none."""
    text = str(version or "")
    return int(text) if text.isascii() and text.isdigit() else 0

"""The operator's cache: the newest object of each resource, and what was observed of its job."""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from mljobs.api.base import JsonObject
from mljobs.api.json_text import decoded, encoded
from mljobs.controller.loop.rest import Shelf
from mljobs.controller.loop.shard import WHOLE, Shard
from mljobs.domain.job.observation import Observation
from mljobs.domain.job.resource import Resource
from mljobs.domain.job.timestamps import timestamp
from mljobs.domain.show.counted import Counted, counted

DELETED_KEPT = 10_000
"""Deleted resources that are remembered; more than are deleted while one list is in flight."""


_DELETED = "@"
"""Sets a uid apart from the name, which cannot hold this character."""


class Key(NamedTuple):
    """Names a resource in the cluster, or a deleted one; see `Store.forget_deleted`."""

    kind: str
    namespace: str
    name: str

    @property
    def deleted(self) -> bool:
        """Whether the object has been deleted, and only its job still has to be cancelled."""
        return _DELETED in self.name

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Key":
        """The key of an object."""
        meta = body["metadata"]
        return cls(body["kind"], meta.get("namespace", ""), meta["name"])


@dataclass(slots=True)
class _Entry:
    """What is kept of a resource.

    Attributes:
        text: the object as JSON, a fifth of the memory that its dicts and lists would take.
        shelf: what has packed that text; None while it is as it is.
        uid: of the object.
        owner: the uid of the controlling owner; empty if there is none.
        version: its resourceVersion.
        observation: of its job.
        observed: the store's moment when that was learnt.
        settled: the version on which everything was decided that can be; see `Store.settle`.
        counted: what the object counts as.
    """

    text: bytes
    shelf: Shelf | None
    uid: str
    owner: str
    version: int
    observation: Observation
    observed: int
    settled: int = -1
    counted: Counted | None = None

    @property
    def body(self) -> JsonObject:
        found: JsonObject = decoded(self.shelf.unpack(self.text) if self.shelf else self.text)
        return found

    def keep(self, body: JsonObject) -> None:
        """Keep this object instead."""
        meta = body["metadata"]
        owners = meta.get("ownerReferences") or ()
        self.text, self.shelf = encoded(body), None
        self.counted = counted(body)
        self.uid = str(meta["uid"])
        self.owner = next((str(owner["uid"]) for owner in owners if owner.get("controller")), "")
        self.version = number(meta.get("resourceVersion"))

    def rest(self, shelf: Shelf) -> None:
        """Pack the object: nobody has a use for it before something happens."""
        if self.shelf is None:
            self.text, self.shelf = shelf.pack(self.text), shelf


class Store:
    """The resources by key.

    Args:
        since: when this process began.
        shard: the namespaces whose resources this process reconciles.

    Attributes:
        moment: a number that grows with each change of any observation; see `unchanged`.
    """

    def __init__(self, since: datetime, shard: Shard = WHOLE) -> None:
        self._since = since
        self._shard = shard
        self.moment = 0
        self._entries: dict[Key, _Entry] = {}
        self._deleted_uids: OrderedDict[str, None] = OrderedDict()
        self._children: dict[str, set[Key]] = {}
        self._deciding: set[Key] = set()
        self._shelves: defaultdict[str, Shelf] = defaultdict(Shelf)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Key]:
        return iter(tuple(self._entries))

    def bodies(self) -> Iterator[JsonObject]:
        """The newest object of each existing resource, each made when it is asked for."""
        return (entry.body for key, entry in self._entries.items() if not key.deleted)

    def counted(self, shard: Shard) -> Iterator[Counted]:
        """What each existing resource of a shard counts as; no object is made for that."""
        for key, entry in self._entries.items():
            if entry.counted and not key.deleted and shard.has(key.namespace):
                yield entry.counted

    def body(self, key: Key) -> JsonObject | None:
        """The newest object that was read under a key."""
        entry = self._entries.get(key)
        return entry.body if entry else None

    def put(self, body: JsonObject) -> bool:
        """Keep an object unless a newer one is already cached.

        The watch may deliver an object that is older than the response to our own last write; the resource
        versions of a kind can be compared as numbers (the API conventions guarantee it since 1.35).

        Returns:
            Whether it was kept.
        """
        key = Key.of(body)
        entry, uid = self._entries.get(key), str(body["metadata"]["uid"])
        if uid in self._deleted_uids:
            return False
        if entry:
            version = number(body["metadata"].get("resourceVersion"))
            if entry.version > version:
                return False
            if entry.uid == uid:
                if entry.version < version:
                    self._unlist(key, entry)
                    entry.keep(body)
                    self._list(key, entry)
                return True
            self._unlist(key, entry)
        fresh = self._entry(body, Observation(since=self._since))
        self._entries[key] = fresh
        self._list(key, fresh)
        return True

    def begin(self, key: Key) -> None:
        """A worker decides on a resource, and goes on until it has decided on the newest object."""
        self._deciding.add(key)

    def settle(self, key: Key, version: int | None) -> None:
        """The worker is done; all that follows from this version of the object was done, or waits for news.

        Args:
            key: of the resource.
            version: None if something is left to do.
        """
        self._deciding.discard(key)
        entry = self._entries.get(key)
        if entry and version is not None:
            entry.settled = version
            if entry.version == version:
                entry.rest(self._shelves[key.kind])

    def is_echo(self, body: Mapping[str, Any]) -> bool:
        """Whether an object tells nothing new: it, or a newer one, was decided on or is being decided on.

        Mostly the answer to our own write has brought it before the watch does.
        """
        key, meta = Key.of(body), body["metadata"]
        entry = self._entries.get(key)
        if entry is None or entry.uid != meta["uid"] or entry.version < number(meta["resourceVersion"]):
            return False
        return entry.settled == entry.version or key in self._deciding

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
        """Remove a deleted resource, unless another one has its name by now.

        Its uid is remembered: a list that was in flight meanwhile may still hold the object.
        """
        self._deleted_uids[uid] = None
        if len(self._deleted_uids) > DELETED_KEPT:
            self._deleted_uids.popitem(last=False)
        entry = self._entries.get(key)
        if entry is None or entry.uid != uid:
            return False
        self._unlist(key, entry)
        del self._entries[key]
        return True

    def forget_deleted(self, key: Key, uid: str, now: datetime, last: JsonObject | None = None) -> Key | None:
        """Remove a deleted resource, unless it bypassed our finalizer: its job must end all the same.

        The API server does not see a finalizer that is set while it processes a delete call. Such a resource
        is kept under a key of its own, as one that is being deleted and whose create call may be in flight.

        Args:
            key: of the resource.
            uid: of the deleted object.
            now: the time.
            last: the object's last state, where that is known.

        Returns:
            The key to reconcile; None if there is nothing left to do.
        """
        entry = self._entries.get(key)
        known = entry if entry and entry.uid == uid else None
        self.drop(key, uid)
        if known is None or key.deleted:
            return None
        return self._keep_deleted(last or known.body, known.observation, now)

    def recover(self, last: JsonObject, now: datetime) -> Key | None:
        """Add a resource that was deleted before this process knew it, if it bypassed our finalizer.

        Args:
            last: its last state.
            now: the time.

        Returns:
            The key to reconcile; None if there is nothing left to do.
        """
        if last["metadata"]["uid"] in self._deleted_uids:
            return None
        self.drop(Key.of(last), last["metadata"]["uid"])
        return self._keep_deleted(last, Observation(since=self._since), now)

    def _keep_deleted(self, body: JsonObject, known: Observation, now: datetime) -> Key | None:
        resource, key = Resource.parse(body), Key.of(body)
        if resource.deleting or not resource.held or not self._shard.has(key.namespace):
            return None
        left = key._replace(name=f"{key.name}{_DELETED}{resource.uid}")
        metadata = {**body["metadata"], "deletionTimestamp": timestamp(now)}
        observation = replace(known.about(resource.target), outcome_unknown_at=now)
        self._entries[left] = self._entry({**body, "metadata": metadata}, observation)
        return left

    def annotate_deleted(self, key: Key, annotations: Mapping[str, str]) -> None:
        """Set annotations of a deleted resource, whose object exists nowhere else."""
        entry = self._entries.get(key)
        if entry and key.deleted:
            body = entry.body
            metadata = body["metadata"]
            kept = {**(metadata.get("annotations") or {}), **annotations}
            entry.keep({**body, "metadata": {**metadata, "annotations": kept}})

    @property
    def any_deleted(self) -> bool:
        """Whether the job of any deleted resource still has to be cancelled."""
        return any(key.deleted for key in self._entries)

    def recreated(self, body: Mapping[str, Any], now: datetime) -> Key | None:
        """Remove a resource that was deleted and recreated under the same name; see `forget_deleted`."""
        entry, fresh = self._entries.get(key := Key.of(body)), body["metadata"]
        if entry is None or entry.uid == fresh["uid"] or entry.version > number(fresh["resourceVersion"]):
            return None
        return self.forget_deleted(key, entry.uid, now)

    def observation(self, key: Key) -> Observation:
        """What was observed of a resource's job."""
        entry = self._entries.get(key)
        return entry.observation if entry else Observation(since=self._since)

    def observe(self, key: Key, uid: str, observation: Observation) -> None:
        """Keep an observation while the resource with that uid exists."""
        entry = self._entries.get(key)
        if entry and entry.uid == uid:
            self.moment += 1
            entry.observation, entry.observed = observation, self.moment

    def unchanged(self, key: Key, since: int) -> bool:
        """Whether a resource was there at that moment, and nothing was observed of its job afterwards."""
        entry = self._entries.get(key)
        return entry is not None and entry.observed <= since

    def _entry(self, body: JsonObject, observation: Observation) -> _Entry:
        self.moment += 1
        made = _Entry(b"", None, "", "", 0, observation, self.moment)
        made.keep(body)
        return made

    def unlisted(
        self, kind: str, namespaces: frozenset[str] | None, living: set[tuple[Key, str]], version: str
    ) -> list[Key]:
        """The resources of a kind that are older than a complete list and missing from it."""
        listed = number(version)
        return [
            key
            for key, entry in self._entries.items()
            if key.kind == kind
            and not key.deleted
            and (namespaces is None or key.namespace in namespaces)
            and entry.version <= listed
            and (key, entry.uid) not in living
        ]

    def version(self, key: Key) -> int:
        """The resourceVersion of the newest object under a key; -1 if there is none."""
        entry = self._entries.get(key)
        return entry.version if entry else -1

    def uid(self, key: Key) -> str:
        """The uid of the resource under a key; empty if there is none."""
        entry = self._entries.get(key)
        return entry.uid if entry else ""


def take(
    event: str | None, body: JsonObject, store: Store, changed: Callable[[Key], None], now: datetime
) -> None:
    """Handle one watch event.

    Args:
        event: `DELETED`, or anything else for an object that exists.
        body: the object.
        store: keeps it.
        changed: called with each key that has changed.
        now: the time.
    """
    key = Key.of(body)
    if event == "DELETED":
        remove(key, body["metadata"]["uid"], store, changed, now, body)
    elif not store.is_echo(body):
        keep(body, store, changed, now)
        changed(key)


def keep(body: JsonObject, store: Store, changed: Callable[[Key], None], now: datetime) -> bool:
    """Keep an object that exists; what it replaces under the same name may have a job to cancel.

    Args:
        body: the object.
        store: keeps it.
        changed: called with the key of a deleted resource that bypassed our finalizer.
        now: the time.

    Returns:
        Whether it differs from the newest one that was cached.
    """
    if left := store.recreated(body, now):
        changed(left)
    key = Key.of(body)
    same = store.version(key) == number(body["metadata"]["resourceVersion"])
    return store.put(body) and not same


def remove(
    key: Key,
    uid: str,
    store: Store,
    changed: Callable[[Key], None],
    now: datetime,
    last: JsonObject | None = None,
) -> None:
    """Remove an object that has been deleted; see `Store.forget_deleted`.

    Args:
        key: of the object.
        uid: of the object.
        store: has it.
        changed: called with its key, and with that of a resource that bypassed our finalizer.
        now: the time.
        last: the object's last state, where that is known.
    """
    left = store.forget_deleted(key, uid, now, last)
    for one in (key, *([left] if left else [])):
        changed(one)


def number(version: Any) -> int:
    """A resourceVersion as a number; 0 if it is not one."""
    text = str(version or "")
    return int(text) if text.isascii() and text.isdigit() else 0

"""A model of the API server: objects, versions, finalizers, preconditions, and the watch."""

import copy
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from mljobs.api.base import JsonObject
from mljobs.api.resources import API_VERSION, KINDS
from mljobs.controller.kube.client import Kube
from mljobs.controller.kube.errors import Conflict, ObjectNotFound, Refused
from mljobs.controller.kube.events import ObjectReference, Posting
from mljobs.controller.loop.resync import NEW
from mljobs.controller.loop.store import Key
from mljobs.domain.job.resource import FINALIZER, Resource
from mljobs.domain.show.events import Event
from tests.model.wire import Wire

NAMESPACE = "team"
OTHERS = "example.com/hold"
"""The finalizer of another controller."""

WatchEvent = tuple[str, JsonObject]


def merge(target: JsonObject, patch: Mapping[str, Any]) -> JsonObject:
    """A JSON merge patch (RFC 7396)."""
    merged = dict(target)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping):
            before = merged.get(name)
            merged[name] = merge(before if isinstance(before, dict) else {}, value)
        else:
            merged[name] = copy.deepcopy(value)
    return merged


class Cluster:
    """The objects.

    Attributes:
        objects: by key.
        history: everything that a watch tells, from the beginning.
        gone: the last state of each object that is no more, by uid.
        writes: how many writes of the operator have arrived.
        wiped: the uids of the objects whose status was ever taken away.
        discarded: the resources that the operator has deleted, as they were then.
        observers: told of each change: the object before and after, and whether the operator made it.
    """

    def __init__(self) -> None:
        self.objects: dict[Key, JsonObject] = {}
        self.history: list[WatchEvent] = []
        self.gone: dict[str, JsonObject] = {}
        self.writes = 0
        self.observers: list[Callable[[JsonObject, JsonObject, bool], None]] = []
        self.wiped: set[str] = set()
        self.discarded: list[Resource] = []
        self.events: list[tuple[str, Event, datetime]] = []
        self._version = 0
        self._uids = 0

    # --- users -------------------------------------------------------------------------------------------

    def create(self, kind: str, name: str, spec: JsonObject, **metadata: Any) -> JsonObject:
        """Make an object; the CRD gives it a default status."""
        key = Key(kind, NAMESPACE, name)
        assert key not in self.objects
        self._uids += 1
        meta = {"name": name, "namespace": NAMESPACE, "uid": f"uid-{self._uids}", "generation": 1, **metadata}
        body = {"apiVersion": API_VERSION, "kind": kind, "metadata": meta, "spec": copy.deepcopy(spec)}
        return self._store({**body, "status": {"observedGeneration": -1}}, "ADDED")

    def edit(
        self,
        key: Key,
        *,
        spec: Mapping[str, Any] | None = None,
        annotations: Mapping[str, Any] | None = None,
        judged: bool = True,
    ) -> bool:
        """Merge into an object's spec or annotations, unless the policy forbids it, where there is one."""
        before = self.objects[key]
        after = merge(before, {"spec": spec or {}, "metadata": {"annotations": annotations or {}}})
        fixed = ("projectId", "jobId", KINDS[key.kind].input_field)
        changed = any(before["spec"].get(name) != after["spec"].get(name) for name in fixed)
        if judged and before["status"].get("jobId") and changed:
            return False
        self._replace(key, after)
        return True

    def wipe_status(self, key: Key) -> None:
        """Take an object's status away, as clients with the permission can."""
        self.wiped.add(self.objects[key]["metadata"]["uid"])
        self._replace(key, {**self.objects[key], "status": {"observedGeneration": -1}})

    def strip(self, key: Key, *, annotations: bool, others: bool = True) -> None:
        """Take finalizers away by force, those of others too or not, and annotations if they are to go."""
        kept = [] if others else [name for name in self._finalizers(key) if name != FINALIZER]
        change: JsonObject = {"finalizers": kept, **({"annotations": None} if annotations else {})}
        self._replace(key, merge(self.objects[key], {"metadata": change}))

    def hold(self, key: Key, on: bool) -> None:
        """Put another controller's finalizer on, or take it off."""
        kept = [name for name in self._finalizers(key) if name != OTHERS]
        self._replace(key, merge(self.objects[key], {"metadata": {"finalizers": [*kept, *[OTHERS] * on]}}))

    def _finalizers(self, key: Key) -> list[str]:
        return list(self.objects[key]["metadata"].get("finalizers") or ())

    def delete(self, key: Key) -> None:
        """Ask for an object's deletion."""
        body = self.objects[key]
        if body["metadata"].get("deletionTimestamp"):
            return
        if not body["metadata"].get("finalizers"):
            self._remove(key, body)
            return
        generation = body["metadata"]["generation"] + 1
        mark = {"deletionTimestamp": "2026-01-01T00:00:00Z", "generation": generation}
        self._store(merge(body, {"metadata": mark}), "MODIFIED", before=body)

    # --- the operator ------------------------------------------------------------------------------------

    def read(self, key: Key) -> JsonObject:
        """Read an object."""
        if key not in self.objects:
            raise ObjectNotFound(f"{key} not found")
        return copy.deepcopy(self.objects[key])

    def patch_metadata(self, resource: Resource, metadata: Mapping[str, Any]) -> JsonObject:
        """Merge into an object's metadata under a precondition on uid and version."""
        self.writes += 1
        key = Key(resource.kind, resource.namespace, resource.name)
        before = self._same(key, resource)
        after = merge(before, {"metadata": metadata})
        added = set(after["metadata"].get("finalizers") or ()) - set(
            before["metadata"].get("finalizers") or ()
        )
        if before["metadata"].get("deletionTimestamp") and added:
            raise Refused(f"{key} is being deleted and takes no new finalizers")
        return self._replace(key, after, operator=True)

    def patch_status(self, resource: Resource, patch: Mapping[str, Any]) -> JsonObject:
        """Merge into an object's status under a precondition on uid and version."""
        self.writes += 1
        key = Key(resource.kind, resource.namespace, resource.name)
        before = self._same(key, resource)
        return self._replace(key, merge(before, {"status": patch}), operator=True)

    def discard(self, key: Key, uid: str, version: str) -> None:
        """Delete an object under a precondition on uid and version."""
        self.writes += 1
        body = self.objects.get(key)
        if body is None:
            raise ObjectNotFound(f"{key} not found")
        if (body["metadata"]["uid"], body["metadata"]["resourceVersion"]) != (uid, version):
            raise Conflict(f"{key} has been modified")
        self.discarded.append(Resource.parse(body))
        self.delete(key)

    def _same(self, key: Key, resource: Resource) -> JsonObject:
        body = self.objects.get(key)
        if body is None or body["metadata"]["uid"] != resource.uid:
            raise ObjectNotFound(f"{key} with uid {resource.uid} not found")
        if body["metadata"]["resourceVersion"] != resource.version:
            raise Conflict(f"{key} has been modified")
        return body

    # --- what both have in common --------------------------------------------------------------------------

    def _replace(self, key: Key, after: JsonObject, *, operator: bool = False) -> JsonObject:
        before = self.objects[key]
        if after == before:
            return copy.deepcopy(before)
        if after["spec"] != before["spec"]:
            after = merge(after, {"metadata": {"generation": before["metadata"]["generation"] + 1}})
        meta = after["metadata"]
        if meta.get("deletionTimestamp") and not meta.get("finalizers"):
            return self._remove(key, after, before=before, operator=operator)
        return self._store(after, "MODIFIED", before=before, operator=operator)

    def _store(
        self, body: JsonObject, event: str, *, before: JsonObject | None = None, operator: bool = False
    ) -> JsonObject:
        body = self._versioned(body)
        self.objects[Key.of(body)] = body
        self.history.append((event, body))
        for observer in self.observers:
            observer(before or body, body, operator)
        return copy.deepcopy(body)

    def _remove(
        self, key: Key, body: JsonObject, *, before: JsonObject | None = None, operator: bool = False
    ) -> JsonObject:
        body = self._versioned(body)
        del self.objects[key]
        self.gone[body["metadata"]["uid"]] = body
        self.history.append(("DELETED", body))
        for observer in self.observers:
            observer(before or body, body, operator)
        return copy.deepcopy(body)

    def _versioned(self, body: JsonObject) -> JsonObject:
        self._version += 1
        return merge(body, {"metadata": {"resourceVersion": str(self._version)}})

    @property
    def version(self) -> str:
        """The version of a list that is made now."""
        return str(self._version)

    def show(self) -> str:
        """The objects, for reports."""
        return "\n".join(_shown(body) for body in self.objects.values())


def _shown(body: JsonObject) -> str:
    meta = {
        name: body["metadata"].get(name)
        for name in ("name", "uid", "generation", "finalizers", "annotations", "deletionTimestamp")
    }
    status = {name: value for name, value in body["status"].items() if name != "conditions"}
    rows = [f"{row['type']}={row['status']}/{row['reason']}" for row in body["status"].get("conditions", ())]
    return json.dumps([meta, body["spec"], status, rows])


class ModelKube(Kube):
    """The operator's connection to the model.

    Args:
        cluster: the model.
        wire: carries the calls.
    """

    def __init__(self, cluster: Cluster, wire: Wire) -> None:
        self.fence = lambda: None
        self._cluster = cluster
        self._wire = wire

    async def get(self, kind: str, namespace: str, name: str) -> JsonObject:
        key = Key(kind, namespace, name)
        body: JsonObject = await self._wire.send(
            "kube", "read", key, lambda: self._cluster.read(key), reads=True
        )
        return body

    async def each(
        self, kind: str, namespace: str | None, bring: Callable[[JsonObject], object], *, where: str = ""
    ) -> str:
        assert namespace is None
        assert where in ("", NEW)

        def take() -> tuple[list[JsonObject], str]:
            bodies = [copy.deepcopy(b) for key, b in self._cluster.objects.items() if key.kind == kind]
            chosen = [body for body in bodies if not (where and (body.get("status") or {}).get("state"))]
            return chosen, self._cluster.version

        found: tuple[list[JsonObject], str] = await self._wire.send("kube", "list", kind, take, reads=True)
        bodies, version = found
        for body in bodies:
            bring(body)
        return version

    async def patch_metadata(self, resource: Resource, metadata: Mapping[str, Any]) -> JsonObject:
        what = "releases" if FINALIZER not in metadata.get("finalizers", ()) else "records"
        body: JsonObject = await self._wire.send(
            "kube",
            "patch_metadata",
            f"{resource.name} {what}",
            lambda: self._cluster.patch_metadata(resource, metadata),
        )
        return body

    async def patch_status(self, resource: Resource, patch: Mapping[str, Any]) -> JsonObject:
        body: JsonObject = await self._wire.send(
            "kube", "patch_status", resource.name, lambda: self._cluster.patch_status(resource, patch)
        )
        return body

    async def delete(self, kind: str, namespace: str, name: str, uid: str, version: str = "") -> None:
        key = Key(kind, namespace, name)
        await self._wire.send("kube", "delete", key, lambda: self._cluster.discard(key, uid, version))

    async def create_event(self, about: ObjectReference, posting: Posting, now: datetime) -> str:
        def take() -> str:
            self._cluster.writes += 1
            self._cluster.events.append((about.uid, posting.event, now))
            return f"event-{len(self._cluster.events)}"

        subject = f"{about.name} {posting.event.reason}"
        name: str = await self._wire.send("kube", "create_event", subject, take)
        return name

    async def count_event(self, about: ObjectReference, posting: Posting, now: datetime) -> None:
        def take() -> None:
            self._cluster.writes += 1
            self._cluster.events.append((about.uid, posting.event, now))

        subject = f"{about.name} {posting.event.reason} x{posting.count}"
        await self._wire.send("kube", "count_event", subject, take)

"""The Kubernetes API as the operator uses it: the calls of `deploy/`'s Role and no others.

Plain requests over a bounded connection pool. Objects are plain dicts.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from urllib.parse import quote

import aiohttp

from mljobs.api.base import JsonObject
from mljobs.api.jobclass import JOB_CLASS
from mljobs.api.json_text import decoded
from mljobs.api.kinds import ALL_KINDS
from mljobs.api.resources import API_VERSION
from mljobs.controller.kube.documents import PAGE, slim
from mljobs.controller.kube.errors import (
    Conflict,
    Forbidden,
    KubeError,
    NotServed,
    ObjectNotFound,
    Refused,
    TooLarge,
    Unreachable,
)
from mljobs.controller.kube.events import MESSAGE, ObjectReference, Posting
from mljobs.controller.kube.session import JSON, Answer, Connection, Requests
from mljobs.domain.job.resource import Resource
from mljobs.domain.job.timestamps import timestamp

COMPONENT = "mljobs-operator"
_MERGE = "application/merge-patch+json"

_TOKEN_SECONDS = 600
"""Seconds that a ServiceAccount's token lives: the least that the API server allows. It is used at once."""

_CATCH_UP = 3
"""Seconds of the watch that replays past events; the API server sends them at once."""

_LEASES = "/apis/coordination.k8s.io/v1"


class Kube:
    """A connection to one API server.

    Args:
        api: sends the requests.

    Attributes:
        fence: called right before each write of a resource or an Event; ends the process if it may no
            longer write.
    """

    def __init__(self, api: Requests) -> None:
        self.fence: Callable[[], None] = lambda: None
        self._api = api

    async def get(self, kind: str, namespace: str, name: str) -> JsonObject:
        """Read one object.

        A namespace that is being deleted loses its Role and so the right to read, while the right to patch
        may be cluster-wide: a patch that changes nothing returns the object, too.

        Raises:
            ObjectNotFound: there is none.
        """
        what, path = f"{kind} {namespace}/{name}", _path(kind, namespace, name)
        try:
            return slim(await self._call(what, "GET", path))
        except Forbidden:
            return await self._patch(what, path, {})

    async def list(self, kind: str, namespace: str | None) -> tuple[list[JsonObject], str]:
        """Read all objects of a kind.

        Returns:
            The objects, and the resourceVersion of the list.
        """
        items: list[JsonObject] = []
        version = await self.each(kind, namespace, items.append)
        return items, version

    async def each(
        self, kind: str, namespace: str | None, bring: Callable[[JsonObject], object], *, where: str = ""
    ) -> str:
        """Read all objects of a kind in pages, of which one is held at a time.

        Args:
            kind: of the objects.
            namespace: theirs; None: all.
            bring: called with each object.
            where: a field selector; empty: all objects.

        Returns:
            The resourceVersion of the list.

        Raises:
            Refused: the API server cannot select by that field.
        """
        token, version = "", ""
        while True:
            page = await self._list_page(kind, namespace, token, where=where)
            meta = page.get("metadata") or {}
            version = version or str(meta.get("resourceVersion", ""))
            items = page.get("items") or []
            for place, item in enumerate(items):
                items[place] = None  # whoever is brought an object decides how long it stays
                bring(slim({"kind": kind, "apiVersion": API_VERSION, **item}))
            token = meta.get("continue") or ""
            if not token:
                return version

    async def version(self, kind: str, namespace: str | None) -> str:
        """The resourceVersion of a list of a kind, as it would be now."""
        page = await self._list_page(kind, namespace, "", limit=1)
        return str((page.get("metadata") or {}).get("resourceVersion", ""))

    async def deletions(self, kind: str, namespace: str | None, since: str) -> Sequence[JsonObject]:
        """The objects of a kind that were deleted since a version, each in its last state.

        Raises:
            Refused: the API server no longer has the events since then (410).
        """
        what = f"{kind}, watch events"
        options = f"watch=true&resourceVersion={quote(since)}&timeoutSeconds={_CATCH_UP}"
        answer = await self._send(what, "GET", f"{_path(kind, namespace)}?{options}")
        events = [_parsed(line, what) for line in answer.body.splitlines()]
        for event in events:
            if event["type"] == "ERROR":
                status = event["object"]
                raise _error(Answer(status.get("code") or 0, status.get("message") or "", b""), kind)
        gone = [event["object"] for event in events if event["type"] == "DELETED"]
        return [slim({"kind": kind, "apiVersion": API_VERSION, **body}) for body in gone]

    async def _list_page(
        self, kind: str, namespace: str | None, token: str, limit: int = PAGE, *, where: str = ""
    ) -> JsonObject:
        token = f"&continue={quote(token)}" if token else ""
        chosen = f"&fieldSelector={quote(where)}" if where else ""
        return await self._call(kind, "GET", f"{_path(kind, namespace)}?limit={limit}{chosen}{token}")

    async def missing(self) -> Sequence[str]:
        """The plurals of our kinds whose CRDs are not installed.

        Raises:
            KubeError: the API server cannot be asked.
        """
        plurals = [kind.plural for kind in ALL_KINDS.values()]
        try:
            found = await self._call(API_VERSION, "GET", f"/apis/{API_VERSION}")
        except NotServed:
            return plurals
        served = {resource["name"] for resource in found.get("resources") or ()}
        return [plural for plural in plurals if plural not in served]

    async def create(self, body: JsonObject) -> JsonObject:
        """Make an object in the namespace that its metadata names.

        Returns:
            The object as it is stored.

        Raises:
            Conflict: there is one of this name.
        """
        self.fence()
        kind, meta = body["kind"], body["metadata"]
        path = f"{_path(kind, meta['namespace'])}?fieldManager={COMPONENT}"
        return slim(await self._call(f"{kind} {meta['namespace']}/{meta['name']}", "POST", path, body))

    async def delete(self, kind: str, namespace: str, name: str, uid: str, version: str = "") -> None:
        """Delete an object.

        Args:
            kind: its kind.
            namespace: its namespace.
            name: its name.
            uid: its uid.
            version: the resourceVersion that was decided on; empty: whatever it is by now.

        Raises:
            Conflict: another object has its name, or it has changed.
            ObjectNotFound: it does not exist any longer.
        """
        self.fence()
        what, path = f"{kind} {namespace}/{name}", _path(kind, namespace, name)
        guard = {"uid": uid, **({"resourceVersion": version} if version else {})}
        await self._call(what, "DELETE", path, {"preconditions": guard})

    async def patch_metadata(self, resource: Resource, metadata: Mapping[str, Any]) -> JsonObject:
        """Merge into an object's metadata, if it has not changed since it was read.

        Raises:
            Conflict: it has changed.
            ObjectNotFound: it does not exist any longer.
        """
        guard = {"uid": resource.uid, "resourceVersion": resource.version}
        return await self._patch(_name(resource), _path_of(resource), {"metadata": {**guard, **metadata}})

    async def patch_status(self, resource: Resource, patch: Mapping[str, Any]) -> JsonObject:
        """Merge into an object's status, if the object has not changed since it was read.

        A patch is a difference: merged into a newer status, it would mix what is known of two attempts.

        Raises:
            Conflict: it has changed, or another object has its name.
            ObjectNotFound: it does not exist any longer.
        """
        guard = {"uid": resource.uid, "resourceVersion": resource.version}
        body = {"metadata": guard, "status": dict(patch)}
        return await self._patch(_name(resource), f"{_path_of(resource)}/status", body)

    async def patch_class_status(self, body: JsonObject, patch: Mapping[str, Any]) -> JsonObject:
        """Merge into the status of a JobClass, if the class has not changed since it was read.

        Raises:
            Conflict: it has changed.
            ObjectNotFound: it does not exist any longer.
        """
        meta = body["metadata"]
        guard = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
        path = f"{_path(JOB_CLASS.name, None, meta['name'])}/status"
        return await self._patch(f"JobClass {meta['name']}", path, {"metadata": guard, "status": dict(patch)})

    async def namespace_labels(self) -> Mapping[str, Mapping[str, str]]:
        """The labels of all namespaces, by name."""
        found: dict[str, Mapping[str, str]] = {}
        token = ""
        while True:
            more = f"&continue={quote(token)}" if token else ""
            page = await self._call("namespaces", "GET", f"/api/v1/namespaces?limit={PAGE}{more}")
            metas = [item["metadata"] for item in page.get("items") or ()]
            found |= {meta["name"]: meta.get("labels") or {} for meta in metas}
            token = (page.get("metadata") or {}).get("continue") or ""
            if not token:
                return found

    async def create_event(self, about: ObjectReference, posting: Posting, now: datetime) -> str:
        """Post a Kubernetes Event about an object.

        Returns:
            The Event's name.
        """
        self.fence()
        event = posting.event
        body = {
            "metadata": {"generateName": f"{about.name[:50]}.", "namespace": about.namespace},
            "involvedObject": {"apiVersion": API_VERSION, **about._asdict()},
            "type": event.type,
            "reason": event.reason.value,
            "message": event.message[:MESSAGE],
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
            "firstTimestamp": timestamp(posting.first),
            "lastTimestamp": timestamp(now),
            "count": posting.count,
        }
        path = f"/api/v1/namespaces/{quote(about.namespace)}/events"
        made = await self._call(f"Event for {about.kind} {about.namespace}/{about.name}", "POST", path, body)
        return str((made.get("metadata") or {}).get("name", ""))

    async def count_event(self, about: ObjectReference, posting: Posting, now: datetime) -> None:
        """Increase the count of an Event that was posted before.

        Raises:
            ObjectNotFound: it has expired; the API server keeps Events for an hour.
        """
        body = {
            "message": posting.event.message[:MESSAGE],
            "count": posting.count,
            "lastTimestamp": timestamp(now),
        }
        path = f"/api/v1/namespaces/{quote(about.namespace)}/events/{quote(posting.name)}"
        await self._patch(f"Event {about.namespace}/{posting.name}", path, body)

    async def account_token(self, namespace: str, name: str, audience: str) -> str:
        """Request a token of a ServiceAccount that is good for one audience, and for no API of Kubernetes.

        Raises:
            ObjectNotFound: there is no such account.
        """
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": [audience], "expirationSeconds": _TOKEN_SECONDS},
        }
        what = f"token of ServiceAccount {namespace}/{name}"
        path = f"/api/v1/namespaces/{quote(namespace)}/serviceaccounts/{quote(name)}/token"
        made = await self._call(what, "POST", path, body)
        token = (made.get("status") or {}).get("token")
        if not token:
            raise Unreachable(f"{what}: the API server's answer holds no token")
        return str(token)

    async def get_lease(self, namespace: str, name: str) -> JsonObject:
        """Read a Lease.

        Raises:
            ObjectNotFound: there is none.
        """
        return await self._call(f"Lease {namespace}/{name}", "GET", _lease_path(namespace, name))

    async def create_lease(self, namespace: str, name: str, spec: JsonObject) -> None:
        """Create a Lease.

        Raises:
            Conflict: another process has created it first.
        """
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": name, "namespace": namespace},
            "spec": spec,
        }
        await self._call(f"Lease {namespace}/{name}", "POST", _lease_path(namespace), body)

    async def replace_lease(self, lease: JsonObject) -> None:
        """Replace a Lease that was read before.

        Raises:
            Conflict: another process has changed it since.
        """
        namespace, name = lease["metadata"]["namespace"], lease["metadata"]["name"]
        await self._call(f"Lease {namespace}/{name}", "PUT", _lease_path(namespace, name), lease)

    async def _patch(self, what: str, path: str, body: JsonObject) -> JsonObject:
        self.fence()
        path = f"{path}?fieldManager={COMPONENT}"
        return slim(await self._call(what, "PATCH", path, body, content_type=_MERGE))

    async def _call(
        self, what: str, method: str, path: str, body: JsonObject | None = None, *, content_type: str = JSON
    ) -> JsonObject:
        answer = await self._send(what, method, path, body, content_type=content_type)
        return _parsed(answer.body, what)

    async def _send(
        self, what: str, method: str, path: str, body: JsonObject | None = None, *, content_type: str = JSON
    ) -> Answer:
        try:
            answer = await self._api.send(method, path, body, content_type=content_type)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"{what}: the API server did not answer: {error!r}") from error
        if not 200 <= answer.status < 300:
            raise _error(answer, what)
        return answer


def _parsed(body: bytes, what: str) -> JsonObject:
    try:
        found = decoded(body)
    except ValueError as error:  # no JSON: a proxy answered, or the answer is truncated
        raise Unreachable(f"{what}: the API server's answer cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise Unreachable(f"{what}: something other than the API server answered: {found!r:.200}")
    return found


def _path(kind: str, namespace: str | None, name: str = "") -> str:
    """The path of an object, or of a kind's collection; the whole cluster's without a namespace."""
    place = f"/namespaces/{quote(namespace)}" if namespace is not None else ""
    path = f"/apis/{API_VERSION}{place}/{ALL_KINDS[kind].plural}"
    return f"{path}/{quote(name)}" if name else path


def _path_of(resource: Resource) -> str:
    return _path(resource.kind, resource.namespace, resource.name)


def _lease_path(namespace: str, name: str = "") -> str:
    path = f"{_LEASES}/namespaces/{quote(namespace)}/leases"
    return f"{path}/{quote(name)}" if name else path


def _name(resource: Resource) -> str:
    return f"{resource.kind} {resource.namespace}/{resource.name}"


def _error(answer: Answer, what: str) -> KubeError:
    said = answer.body.decode("utf-8", "replace")
    text = f"{what}: {answer.status} {answer.reason}: {said[:2048]}"
    match answer.status:
        case status if _is_too_large(status, said):
            return TooLarge(text)
        case 403:
            return Forbidden(text)
        case 404:
            return ObjectNotFound(text) if _names_an_object(said) else NotServed(text)
        case 409:
            return Conflict(text)
        case 429:
            return Unreachable(text)
        case status if 400 <= status < 500:
            return Refused(text)
        case _:
            return Unreachable(text)


_TOO_LARGE = ("etcdserver: request is too large", "trying to send message larger than max")
"""What etcd and the API server's connection to it say, in the message of a 500."""


def _is_too_large(status: int, said: str) -> bool:
    return status == 413 or (status == 500 and any(text in said for text in _TOO_LARGE))


def _names_an_object(said: str) -> bool:
    """Whether a 404 is about a missing object, and not about an unknown path."""
    try:
        status = json.loads(said)
    except ValueError:
        return False
    return isinstance(status, dict) and bool((status.get("details") or {}).get("name"))


@asynccontextmanager
async def connect(connection: Connection, *, connections: int = 32) -> AsyncIterator[Kube]:
    """Open an API server.

    Args:
        connection: how to reach it.
        connections: open at once, at most.
    """
    async with Requests(connection, connections=connections) as api:
        yield Kube(api)

"""The Kubernetes API as the operator uses it: the calls of `deploy/`'s Role and no others.

Built on the official client's asyncio half, with a bounded connection pool. Objects are plain dicts.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import aiohttp
from kubernetes.aio import client

from mljobs.api.base import JsonObject
from mljobs.api.resources import API_VERSION, GROUP, KINDS, VERSION
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
from mljobs.controller.kube.events import Posting
from mljobs.controller.kube.session import Client, Connection
from mljobs.domain.job.resource import Resource, timestamp

COMPONENT = "mljobs-operator"
_MERGE = "application/merge-patch+json"
_PAGE = 500
_MESSAGE = 1024
"""Characters of an Event's message, at most (the API server's validation)."""

_TOKEN_SECONDS = 600
"""Seconds that a ServiceAccount's token lives: the least that the API server allows. It is used at once."""

_CATCH_UP = 3
"""Seconds of the watch that replays past events; the API server sends them at once."""

_LEASES = {"group": "coordination.k8s.io", "version": "v1", "plural": "leases"}


class Kube:
    """A connection to one API server.

    Args:
        api: the configured client.
        timeout: seconds for one call.

    Attributes:
        fence: called right before each write of a resource or an Event; ends the process if it may no
            longer write.
    """

    def __init__(self, api: client.ApiClient, *, timeout: float = 30) -> None:
        self.fence: Callable[[], None] = lambda: None
        self._custom = client.CustomObjectsApi(api)
        self._core = client.CoreV1Api(api)
        self._timeout = timeout

    async def get(self, kind: str, namespace: str, name: str) -> JsonObject:
        """Read one object.

        A namespace that is being deleted loses its Role and so the right to read, while the right to patch
        may be cluster-wide: a patch that changes nothing returns the object, too.

        Raises:
            ObjectNotFound: there is none.
        """
        place = _place(kind, namespace, name)
        try:
            return await self._call(
                f"{kind} {namespace}/{name}", self._custom.get_namespaced_custom_object, **place
            )
        except Forbidden:
            return await self._patch(self._custom.patch_namespaced_custom_object, kind, place, {})

    async def list(self, kind: str, namespace: str | None) -> tuple[list[JsonObject], str]:
        """Read all objects of a kind, in pages.

        Returns:
            The objects, and the resourceVersion of the list.
        """
        items: list[JsonObject] = []
        token, version = "", ""
        while True:
            page = await self._list_page(kind, namespace, token)
            meta = page.get("metadata") or {}
            version = version or str(meta.get("resourceVersion", ""))
            items.extend(
                {"kind": kind, "apiVersion": API_VERSION, **item} for item in page.get("items") or ()
            )
            token = meta.get("continue") or ""
            if not token:
                return items, version

    async def version(self, kind: str, namespace: str | None) -> str:
        """The resourceVersion of a list of a kind, as it would be now."""
        page = await self._list_page(kind, namespace, "", limit=1)
        return str((page.get("metadata") or {}).get("resourceVersion", ""))

    async def deletions(self, kind: str, namespace: str | None, since: str) -> Sequence[JsonObject]:
        """The objects of a kind that were deleted since a version, each in its last state.

        Raises:
            Refused: the API server no longer has the events since then (410).
        """
        place, scope = _collection(kind, namespace)
        watch = getattr(self._custom, f"list_{scope}_custom_object_without_preload_content")

        async def read(**arguments: Any) -> JsonObject:
            answer = await watch(**arguments)
            if answer.status != 200:
                raise client.ApiException(status=answer.status, reason=answer.reason)
            return {"events": [json.loads(line) for line in (await answer.read()).splitlines()]}

        options = {"watch": True, "resource_version": since, "timeout_seconds": _CATCH_UP}
        events = (await self._call(f"{kind}, watch events", read, **place, **options))["events"]
        for event in events:
            if event["type"] == "ERROR":
                status = event["object"]
                error = client.ApiException(status=status.get("code"), reason=status.get("message"))
                raise _translated(error, kind)
        gone = [event["object"] for event in events if event["type"] == "DELETED"]
        return [{"kind": kind, "apiVersion": API_VERSION, **body} for body in gone]

    async def _list_page(
        self, kind: str, namespace: str | None, token: str, limit: int = _PAGE
    ) -> JsonObject:
        place, scope = _collection(kind, namespace)
        options = {"limit": limit, **({"_continue": token} if token else {})}
        return await self._call(
            kind, getattr(self._custom, f"list_{scope}_custom_object"), **place, **options
        )

    async def missing(self) -> Sequence[str]:
        """The plurals of our kinds whose CRDs are not installed.

        Raises:
            KubeError: the API server cannot be asked.
        """
        plurals = [kind.plural for kind in KINDS.values()]
        try:
            found: Any = await self._call(
                f"{GROUP}/{VERSION}", self._custom.get_api_resources, group=GROUP, version=VERSION
            )
        except NotServed:
            return plurals
        served = {resource.name for resource in found.resources}
        return [plural for plural in plurals if plural not in served]

    async def patch_metadata(self, resource: Resource, metadata: Mapping[str, Any]) -> JsonObject:
        """Merge into an object's metadata, if it has not changed since it was read.

        Raises:
            Conflict: it has changed.
            ObjectNotFound: it does not exist any longer.
        """
        guard = {"uid": resource.uid, "resourceVersion": resource.version}
        body = {"metadata": {**guard, **metadata}}
        place = _place(resource.kind, resource.namespace, resource.name)
        return await self._patch(self._custom.patch_namespaced_custom_object, resource.kind, place, body)

    async def patch_status(self, resource: Resource, patch: Mapping[str, Any]) -> JsonObject:
        """Merge into an object's status, if the object has not changed since it was read.

        A patch is a difference: merged into a newer status, it would mix what is known of two attempts.

        Raises:
            Conflict: it has changed, or another object has its name.
            ObjectNotFound: it does not exist any longer.
        """
        guard = {"uid": resource.uid, "resourceVersion": resource.version}
        body = {"metadata": guard, "status": dict(patch)}
        place = _place(resource.kind, resource.namespace, resource.name)
        return await self._patch(
            self._custom.patch_namespaced_custom_object_status, resource.kind, place, body
        )

    async def create_event(self, resource: Resource, posting: Posting, now: datetime) -> str:
        """Post a Kubernetes Event about an object.

        Returns:
            The Event's name.
        """
        self.fence()
        event = posting.event
        body = {
            "metadata": {"generateName": f"{resource.name[:50]}.", "namespace": resource.namespace},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": resource.kind,
                "namespace": resource.namespace,
                "name": resource.name,
                "uid": resource.uid,
            },
            "type": event.type,
            "reason": event.reason.value,
            "message": event.message[:_MESSAGE],
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
            "firstTimestamp": timestamp(posting.first),
            "lastTimestamp": timestamp(now),
            "count": posting.count,
        }
        made: Any = await self._call(
            f"Event for {resource.kind} {resource.namespace}/{resource.name}",
            self._core.create_namespaced_event,
            namespace=resource.namespace,
            body=body,
        )
        return str(made.metadata.name)

    async def count_event(self, resource: Resource, posting: Posting, now: datetime) -> None:
        """Increase the count of an Event that was posted before.

        Raises:
            ObjectNotFound: it has expired; the API server keeps Events for an hour.
        """
        self.fence()
        await self._call(
            f"Event {resource.namespace}/{posting.name}",
            self._core.patch_namespaced_event,
            namespace=resource.namespace,
            name=posting.name,
            body={
                "message": posting.event.message[:_MESSAGE],
                "count": posting.count,
                "lastTimestamp": timestamp(now),
            },
            field_manager=COMPONENT,
            _content_type=_MERGE,
        )

    async def account_token(self, namespace: str, name: str, audience: str) -> str:
        """Request a token of a ServiceAccount that is good for one audience, and for no API of Kubernetes.

        Raises:
            ObjectNotFound: there is no such account.
        """
        made: Any = await self._call(
            f"token of ServiceAccount {namespace}/{name}",
            self._core.create_namespaced_service_account_token,
            name=name,
            namespace=namespace,
            body={
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {"audiences": [audience], "expirationSeconds": _TOKEN_SECONDS},
            },
        )
        return str(made.status.token)

    async def get_lease(self, namespace: str, name: str) -> JsonObject:
        """Read a Lease.

        Raises:
            ObjectNotFound: there is none.
        """
        return await self._call(
            f"Lease {namespace}/{name}",
            self._custom.get_namespaced_custom_object,
            **_LEASES,
            namespace=namespace,
            name=name,
        )

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
        create = self._custom.create_namespaced_custom_object
        await self._call(f"Lease {namespace}/{name}", create, **_LEASES, namespace=namespace, body=body)

    async def replace_lease(self, lease: JsonObject) -> None:
        """Replace a Lease that was read before.

        Raises:
            Conflict: another process has changed it since.
        """
        namespace, name = lease["metadata"]["namespace"], lease["metadata"]["name"]
        await self._call(
            f"Lease {namespace}/{name}",
            self._custom.replace_namespaced_custom_object,
            **_LEASES,
            namespace=namespace,
            name=name,
            body=lease,
        )

    async def _patch(self, method: Any, kind: str, place: Mapping[str, str], body: JsonObject) -> JsonObject:
        self.fence()
        return await self._call(
            f"{kind} {place['namespace']}/{place['name']}",
            method,
            **place,
            body=body,
            field_manager=COMPONENT,
            _content_type=_MERGE,
        )

    async def _call(self, what: str, method: Any, **arguments: Any) -> JsonObject:
        try:
            answer: JsonObject | str | None = await method(**arguments, _request_timeout=self._timeout)
        except client.ApiException as error:
            raise _translated(error, what) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"{what}: the API server did not answer: {error!r}") from error
        except ValueError as error:  # no JSON: a proxy answered, or the answer is truncated
            raise Unreachable(f"{what}: the API server's answer cannot be read: {error}") from error
        if answer is None or isinstance(answer, str):
            raise Unreachable(f"{what}: something other than the API server answered: {answer!r:.200}")
        return answer


def _collection(kind: str, namespace: str | None) -> tuple[dict[str, str], str]:
    """The collection of a kind, and the word for its scope in the client's methods."""
    place = {"group": GROUP, "version": VERSION, "plural": KINDS[kind].plural}
    return (place, "cluster") if namespace is None else ({**place, "namespace": namespace}, "namespaced")


def _place(kind: str, namespace: str, name: str) -> dict[str, str]:
    return {
        "group": GROUP,
        "version": VERSION,
        "plural": KINDS[kind].plural,
        "namespace": namespace,
        "name": name,
    }


def _translated(error: client.ApiException, what: str) -> KubeError:
    text = f"{what}: {error.status} {error.reason}: {str(error.body or '')[:2048]}"
    match error.status:
        case _ if _is_too_large(error):
            return TooLarge(text)
        case 403:
            return Forbidden(text)
        case 404:
            return ObjectNotFound(text) if _names_an_object(error) else NotServed(text)
        case 409:
            return Conflict(text)
        case 429:
            return Unreachable(text)
        case status if status and 400 <= status < 500:
            return Refused(text)
        case _:
            return Unreachable(text)


_TOO_LARGE = ("etcdserver: request is too large", "trying to send message larger than max")
"""What etcd and the API server's connection to it say, in the message of a 500."""


def _is_too_large(error: client.ApiException) -> bool:
    said = str(error.body or "")
    return error.status == 413 or (error.status == 500 and any(text in said for text in _TOO_LARGE))


def _names_an_object(error: client.ApiException) -> bool:
    """Whether a 404 is about a missing object, and not about an unknown path."""
    try:
        status = json.loads(error.body or "")
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
    async with Client(connection, connections=connections) as api:
        yield Kube(api)

"""The resources of a cluster through the official client, with every refusal worded for a person."""

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mljobs.kubectl.failure import TROUBLE, Failure

if TYPE_CHECKING:
    from mljobs.api.resources import JobKind, ResourceKind

Json = dict[str, Any]

FIELD_MANAGER = "kubectl-mljobs"
PAGE = 500
"""Resources in one page of a list."""

_MERGE = "application/merge-patch+json"
_APPLY = "application/apply-patch+yaml"
_NO_CLUSTER = "check --kubeconfig, --context and the environment variable KUBECONFIG"
_CONNECT = 10.0
_TIMES = (_CONNECT, 60.0)
"""Seconds to open a connection, and to wait for an answer."""


class Cluster:
    """One API server and a namespace.

    Args:
        api: the client.
        namespace: of the resources.
    """

    def __init__(self, api: Any, namespace: str) -> None:
        from kubernetes import client

        self.namespace = namespace
        self._api = api
        self._custom: Any = client.CustomObjectsApi(api)

    @cached_property
    def _core(self) -> Any:
        """Loaded where it is used: it takes as long as the rest of a command."""
        from kubernetes import client

        return client.CoreV1Api(self._api)

    def get(self, kind: "ResourceKind", name: str) -> Json | None:
        """Read a resource; None if there is none.

        Raises:
            Failure: the API server refuses, or gives no answer.
        """
        from kubernetes.client import ApiException

        with worded(f"get {kind.plural}", self.namespace):
            try:
                return self._namespaced("get", kind, name)
            except ApiException as error:
                if error.status == 404 and _status(error).get("details"):
                    return None
                raise

    def items(
        self, kinds: Iterable["ResourceKind"], *, everywhere: bool = False, labels: str = "", fields: str = ""
    ) -> list[Json]:
        """Read all resources of some kinds, in the order of kinds and names.

        Args:
            kinds: which.
            everywhere: in all namespaces.
            labels: a label selector.
            fields: a field selector.
        """
        return [
            item
            for kind in kinds
            for item in self._pages(kind, everywhere, {"label_selector": labels, "field_selector": fields})
        ]

    def namespace_labels(self) -> Mapping[str, str]:
        """The labels of the namespace.

        Raises:
            Failure: it may not be read, or there is none.
        """
        with worded("get namespaces", self.namespace):
            found = self._core.read_namespace(self.namespace, _request_timeout=_TIMES)
        return found.metadata.labels or {}

    def create(self, kind: "JobKind", manifest: Mapping[str, Any], *, dry_run: bool = False) -> Json:
        """Make a resource.

        Args:
            kind: its kind.
            manifest: the resource.
            dry_run: let the API server check it only.
        """
        extra = {"dry_run": "All"} if dry_run else {}
        with worded(f"create {kind.plural}", self.namespace):
            return self._namespaced("create", kind, manifest, field_manager=FIELD_MANAGER, **extra)

    def patch(self, kind: "JobKind", name: str, change: Mapping[str, Any]) -> Json:
        """Merge a change into a resource."""
        with worded(f"patch {kind.plural}", self.namespace):
            return self._namespaced(
                "patch", kind, name, change, field_manager=FIELD_MANAGER, _content_type=_MERGE
            )

    def apply(self, kind: "JobKind", body: Mapping[str, Any], spec: Mapping[str, Any], manager: str) -> Json:
        """Own just these fields of a resource's spec under a manager's name, by server-side apply.

        What that manager has owned before and is not among them any more is taken out of the resource, unless
        somebody else owns it, too.

        Args:
            kind: its kind.
            body: the resource as it was read; one that was recreated since is not touched.
            spec: the fields; others lose those that had another value.
            manager: the name.
        """
        from mljobs.api.resources import API_VERSION

        meta = body["metadata"]
        applied = {
            "apiVersion": API_VERSION,
            "kind": kind.name,
            "metadata": {"name": meta["name"], "uid": meta["uid"]},
            **({"spec": dict(spec)} if spec else {}),
        }
        with worded(f"patch {kind.plural}"):
            return self._namespaced(
                "patch",
                kind,
                meta["name"],
                applied,
                field_manager=manager,
                force=True,
                _content_type=_APPLY,
            )

    def events(self, uid: str) -> list[Json]:
        """The events about one object, the oldest first; each has type, reason, message, count and time."""
        with worded("list events", self.namespace):
            found = self._core.list_namespaced_event(
                self.namespace, field_selector=f"involvedObject.uid={uid}", _request_timeout=_TIMES
            ).items
        found.sort(key=lambda event: int(event.metadata.resource_version))
        return [
            {
                "type": event.type,
                "reason": event.reason,
                "message": event.message,
                "count": event.count or 1,
                "time": event.last_timestamp or event.event_time or event.metadata.creation_timestamp,
            }
            for event in found
        ]

    def changes(self, kind: "JobKind", name: str, since: str, wait: float) -> Iterator[Json | None]:
        """Watch a resource from a version on, for some seconds at most.

        Yields:
            The resource after each change, and None once it is gone. The end means only that nobody knows
            more for now: read the resource again.
        """
        import urllib3
        from kubernetes import client, watch

        from mljobs.api.resources import GROUP, VERSION

        try:
            for event in watch.Watch().stream(  # type: ignore[no-untyped-call]
                self._custom.list_namespaced_custom_object,
                GROUP,
                VERSION,
                self.namespace,
                kind.plural,
                field_selector=f"metadata.name={name}",
                resource_version=since,
                timeout_seconds=max(1, round(wait)),
                _request_timeout=(_CONNECT, wait + _CONNECT),
            ):
                yield None if event["type"] == "DELETED" else event["object"]
        except client.ApiException as error:
            if error.status in (401, 403):
                raise _refusal(f"watch {kind.plural}", self.namespace, error) from None
        except urllib3.exceptions.HTTPError:
            return  # the connection broke: the next read shows whether the server is reachable

    def _namespaced(self, verb: str, kind: "ResourceKind", *args: Any, **kwargs: Any) -> Json:
        from mljobs.api.resources import GROUP, VERSION

        call = getattr(self._custom, f"{verb}_namespaced_custom_object")
        answer: Json = call(
            GROUP, VERSION, self.namespace, kind.plural, *args, _request_timeout=_TIMES, **kwargs
        )
        return answer

    def _pages(self, kind: "ResourceKind", everywhere: bool, selectors: Mapping[str, str]) -> Iterator[Json]:
        from mljobs.api.resources import GROUP, VERSION

        query: Json = {name: text for name, text in selectors.items() if text} | {"limit": PAGE}
        while True:
            with worded(f"list {kind.plural}", "" if everywhere else self.namespace):
                page: Json = (
                    self._custom.list_cluster_custom_object(
                        GROUP, VERSION, kind.plural, _request_timeout=_TIMES, **query
                    )
                    if everywhere
                    else self._namespaced("list", kind, **query)
                )
            yield from page["items"]
            query["_continue"] = page["metadata"].get("continue")
            if not query["_continue"]:
                return


def open_cluster(
    namespace: str | None = None, context: str | None = None, kubeconfig: str | None = None
) -> Cluster:
    """Open the cluster that kubectl would take: a kubeconfig's, or the one that this runs in.

    Args:
        namespace: None for the context's own.
        context: None for the current one.
        kubeconfig: a file; None for KUBECONFIG or the default file.

    Raises:
        Failure: there is no such cluster.
    """
    from mljobs.controller.kube.blocking import Client
    from mljobs.controller.kube.errors import KubeError
    from mljobs.controller.kube.kubeconfig import find_access
    from mljobs.kubectl.acting import acting

    logging.getLogger("urllib3").setLevel(logging.ERROR)  # it would log its retries to stderr
    try:
        access = find_access(kubeconfig, context)
    except KubeError as error:
        raise Failure(f"no cluster: {error}", hint=_NO_CLUSTER, code=TROUBLE) from None
    return Cluster(Client(acting(access), FIELD_MANAGER), namespace or access.namespace)


@contextmanager
def worded(what: str, namespace: str = "") -> Iterator[None]:
    """Turn every refusal and every missing answer into a Failure.

    Args:
        what: was asked of the API server, `get trainingjobs`.
        namespace: where; empty for all.
    """
    import urllib3
    from kubernetes.client import ApiException

    from mljobs.controller.kube.errors import KubeError

    try:
        yield
    except ApiException as error:
        raise _refusal(what, namespace, error) from None
    except KubeError as error:
        raise Failure(f"{what}: {error}", hint=_NO_CLUSTER, code=TROUBLE) from None
    except urllib3.exceptions.HTTPError as error:
        reason = getattr(error, "reason", None) or error
        raise Failure(
            f"{what}: the API server gave no answer: {reason}", hint=_NO_CLUSTER, code=TROUBLE
        ) from None


def _status(error: Any) -> Json:
    """The `Status` object of a refusal; empty if there is none."""
    try:
        found = json.loads(error.body or "")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _refusal(what: str, namespace: str, error: Any) -> Failure:
    status = _status(error)
    causes = (status.get("details") or {}).get("causes") or ()
    if status.get("reason") == "Invalid" and causes:
        lines = [_cause(cause) for cause in causes]
        return Failure(lines[0], *lines[1:])
    message = str(status.get("message") or error.reason or error.status)
    match error.status:
        case 401:
            return Failure(
                f"{what}: {message}", hint="the kubeconfig's credentials are not valid", code=TROUBLE
            )
        case 403:
            return Failure(message, hint=_forbidden(status, message, namespace))
        case 404 if not status.get("details"):
            return Failure(
                f"{what}: the cluster does not know the kinds of mljobs.dev, or not all of them",
                hint="install them: `mljobs crds | kubectl apply --server-side -f -`",
                code=TROUBLE,
            )
        case 409 if status.get("reason") == "AlreadyExists":
            return Failure(message, hint=_taken(status, message, namespace))
        case code if code and code >= 500:
            return Failure(f"{what}: {message}", hint="the API server is in trouble: try again", code=TROUBLE)
        case _:
            return Failure(message)


_UNAUTHORIZED = re.compile(r'cannot (?P<verb>\w+) resource "(?P<what>[^"]+)" in API group "(?P<group>[^"]*)"')
"""How the API server words that the caller lacks a right; other refusals are an admission's."""


def _forbidden(status: Json, message: str, namespace: str) -> str:
    """What to do about a 403, which may be a missing right, a quota or an admission's."""
    where = f"-n {namespace}" if namespace else "-A"
    causes = (status.get("details") or {}).get("causes") or ()
    if any(cause.get("reason") == "NamespaceTerminating" for cause in causes):
        return "choose another namespace, or wait until this one is deleted and create it again"
    if "exceeded quota:" in message:
        return f"see `kubectl describe resourcequota {where}`: delete what is not needed, or have it raised"
    match = _UNAUTHORIZED.search(message)
    if not match:
        return ""
    resource = ".".join(part for part in (match["what"], match["group"]) if part)
    return f"see `kubectl auth can-i {match['verb']} {resource} {where}`"


def _taken(status: Json, message: str, namespace: str) -> str:
    """What to do about a name that is in use."""
    if not message.startswith("object is being deleted"):
        return "choose another name, or delete that one first"
    details = status.get("details") or {}
    which = f"{details.get('kind')}.{details.get('group')}/{details.get('name')}"
    return (
        "that one goes once its job is known to end: choose another name, or wait with "
        f"`kubectl wait --for=delete {which} -n {namespace} --timeout=10m`"
    )


def _cause(cause: Json) -> str:
    field = cause.get("field", "")
    message = cause.get("message", "")
    return f"{field}: {message}" if field and field != "<nil>" else str(message)

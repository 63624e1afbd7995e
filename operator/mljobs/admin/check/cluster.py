"""The API server for `mljobs check`: reads, and access reviews, which change nothing."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import urllib3
from kubernetes import client

from mljobs.admin.check.network import trouble
from mljobs.controller.kube.access import Impersonation
from mljobs.controller.kube.blocking import Client
from mljobs.controller.kube.errors import KubeError
from mljobs.controller.kube.kubeconfig import find_access

Json = dict[str, Any]

_TIMES = (5.0, 20.0)
"""Seconds to open a connection, and to wait for an answer."""

_PAGE = 500


class ClusterError(Exception):
    """The API server has not answered, or not as expected.

    Args:
        message: the request, and its outcome.
        remedy: what to do about it.
        status: the HTTP status; 0 if there was no answer.
    """

    def __init__(self, message: str, remedy: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.remedy = remedy
        self.status = status


@dataclass(frozen=True)
class Answer:
    """An answer of the API server.

    Attributes:
        document: the JSON.
        date: its clock, in HTTP's format; empty if unknown.
    """

    document: Json
    date: str


class Cluster:
    """One API server, as one user.

    Args:
        api: the configured client.
    """

    def __init__(self, api: client.ApiClient) -> None:
        self._api: Any = api
        self.host = str(self._api.configuration.host)

    def get(self, path: str, **query: str) -> Answer:
        """Read a document.

        Raises:
            ClusterError: there is none, or it may not be read.
        """
        return self._call("GET", path, query, None)

    def may(self, group: str, resource: str, verb: str, name: str = "", *, namespace: str = "") -> bool:
        """Whether this user may do something, by a SelfSubjectAccessReview.

        Args:
            group: the API group; empty for the core.
            resource: the plural, with a subresource after a slash.
            verb: what is done.
            name: the object that it is done to; empty: all.
            namespace: where; empty: everywhere.

        Raises:
            ClusterError: the API server does not say.
        """
        plural, _, subresource = resource.partition("/")
        attributes = {
            "group": group,
            "resource": plural,
            "subresource": subresource,
            "verb": verb,
            "name": name,
            "namespace": namespace,
        }
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {name: value for name, value in attributes.items() if value}},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        return bool(self._call("POST", path, {}, body).document.get("status", {}).get("allowed"))

    def account_token(self, namespace: str, name: str, audience: str) -> str:
        """Request a token of a ServiceAccount, as the operator does; nothing is changed by that.

        Raises:
            ClusterError: there is no such account, or this user may not have its tokens.
        """
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": [audience]},
        }
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        return str(self._call("POST", path, {}, body).document.get("status", {}).get("token", ""))

    def items(self, path: str) -> Iterator[Json]:
        """Read all objects of a list, page by page.

        Raises:
            ClusterError: it may not be read.
        """
        token = ""
        while True:
            page = self.get(path, limit=str(_PAGE), **({"continue": token} if token else {})).document
            yield from page.get("items") or ()
            token = (page.get("metadata") or {}).get("continue") or ""
            if not token:
                return

    def _call(self, verb: str, path: str, query: Mapping[str, str], body: Json | None) -> Answer:
        what = f"{verb} {self.host}{path}"
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        try:
            parts = self._api.param_serialize(
                verb,
                path,
                query_params=list(query.items()),
                header_params=headers,
                body=body,
            )
            response = self._api.call_api(*parts, _request_timeout=_TIMES)
            content = response.read()
        except (client.ApiException, urllib3.exceptions.HTTPError, OSError) as error:
            found = trouble(error)
            text = found.what if found else " ".join(str(error).split())
            remedy = found.remedy if found else "check the kubeconfig, or the Pod's service account"
            raise ClusterError(f"{what}: {text}", remedy) from error
        except KubeError as error:
            raise ClusterError(
                f"{what}: {error}", "check the kubeconfig, or the Pod's service account"
            ) from error
        return _read(what, response.status, content, response.headers.get("Date", ""))


def _read(what: str, status: int, content: bytes, date: str) -> Answer:
    try:
        document = json.loads(content)
    except ValueError:
        document = None
    if status == 401:
        remedy = "the token or certificate is expired or another cluster's: sign in again, or restart the Pod"
        raise ClusterError(f"{what}: 401: it does not know this user", remedy, status=status)
    if status >= 400:
        text = document.get("message") if isinstance(document, dict) else None
        excerpt = text or content[:200].decode("utf-8", "replace")
        raise ClusterError(f"{what}: {status}: {excerpt}", "see the message", status=status)
    if not isinstance(document, dict):
        remedy = "check that this is the address of an API server, and not of a proxy"
        raise ClusterError(f"{what}: the answer is not a JSON object", remedy, status=status)
    return Answer(document, date)


@contextmanager
def open_cluster(user: str = "") -> Iterator[Cluster]:
    """Open the API server that the operator would use here.

    Args:
        user: impersonate this user; empty: as the kubeconfig says.

    Raises:
        ClusterError: there is none.
    """
    try:
        access = find_access()
    except KubeError as error:
        raise ClusterError(str(error), "run it inside a cluster, or set KUBECONFIG") from error
    if user:
        access = replace(access, user=replace(access.user, impersonation=Impersonation(user)))
    with Client(access, "mljobs-check", retries=False) as api:
        yield Cluster(api)

"""A small Kubernetes client for setting a control plane up: server-side apply, readiness, tokens.

It is no general client: tests and users take the official one, with a kubeconfig of the control plane.
"""

import json
import ssl
import time
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Any

import urllib3
import yaml

Manifest = Mapping[str, Any]
_APPLY = "application/apply-patch+yaml"
_FIRST_KINDS = ("CustomResourceDefinition", "Namespace", "ServiceAccount", "ClusterRole", "Role")
_POLICY = "ValidatingAdmissionPolicy"
_POLL_SECONDS = 0.05


class ApiError(Exception):
    """The API server refused a request.

    Attributes:
        status: the HTTP status.
        reason: the word of the `Status` object (`NotFound`, `Invalid`, …), or empty.
    """

    def __init__(self, method: str, path: str, status: int, reason: str, message: str) -> None:
        super().__init__(f"{method} {path}: {status} {reason}: {message}")
        self.status = status
        self.reason = reason


def read_manifests(source: Path | str) -> list[dict[str, Any]]:
    """Read the documents of a YAML text, of a file, or of all `*.yaml` files in a folder (sorted by name)."""
    if isinstance(source, Path):
        files = sorted(source.glob("*.yaml")) if source.is_dir() else [source]
        return [document for file in files for document in read_manifests(file.read_text("utf-8"))]
    return [document for document in yaml.safe_load_all(source) if document]


def _is_policy_of(names: Container[str], manifest: Manifest) -> bool:
    """Whether it is a policy, or its binding, that bears one of these names."""
    return str(manifest.get("kind", "")).startswith(_POLICY) and manifest["metadata"]["name"] in names


def _rank(manifest: Manifest) -> int:
    kind = manifest.get("kind", "")
    return _FIRST_KINDS.index(kind) if kind in _FIRST_KINDS else len(_FIRST_KINDS)


class ApiClient:
    """Speaks to one API server with a client certificate. Thread-safe.

    Args:
        url: the API server's address.
        ca_file: PEM of the authority to trust.
        certificate_file: PEM of the client certificate and its key.
    """

    def __init__(self, url: str, ca_file: Path, certificate_file: Path) -> None:
        context = ssl.create_default_context(cafile=str(ca_file))
        context.load_cert_chain(certificate_file)
        self._url = url
        self._pool = urllib3.PoolManager(ssl_context=context, retries=False, maxsize=8)
        self._kinds: dict[tuple[str, str], tuple[str, bool]] = {}

    def close(self) -> None:
        """Close all connections."""
        self._pool.clear()

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        content_type: str = "application/json",
        timeout: float = 30.0,
    ) -> Any:
        """Send one request and return the JSON of the answer, or its text where it is not JSON.

        Args:
            method: HTTP method.
            path: path and query, beginning with `/`.
            body: sent as JSON, if not None.
            content_type: type of the body, which also selects the kind of PATCH.
            timeout: seconds to connect, and to wait for the answer.

        Raises:
            ApiError: the status is 400 or above.
            urllib3.exceptions.HTTPError: there was no answer.
        """
        data = None if body is None else json.dumps(body)
        headers = {"Accept": "application/json, */*;q=0.5", "Content-Type": content_type}
        response = self._pool.request(method, self._url + path, body=data, headers=headers, timeout=timeout)
        try:
            answer = json.loads(response.data)
        except ValueError:
            answer = response.data.decode(errors="replace")
        if response.status >= 400:
            details = answer if isinstance(answer, dict) else {"message": answer}
            raise ApiError(
                method, path, response.status, details.get("reason", ""), details.get("message", "")
            )
        return answer

    def get(self, path: str) -> Any:
        """GET a path; see `request`."""
        return self.request("GET", path)

    def ready(self) -> bool:
        """Whether the API server says on /readyz that it serves."""
        try:
            self.request("GET", "/readyz", timeout=2.0)
        except (ApiError, urllib3.exceptions.HTTPError):
            return False
        return True

    def path_of(self, manifest: Manifest, namespace: str = "default") -> str:
        """Return the path of the object that a manifest describes.

        Args:
            manifest: needs `apiVersion`, `kind` and `metadata.name`.
            namespace: for namespaced kinds whose manifest names none.

        Raises:
            ValueError: one of them is missing, or the server does not know the kind.
        """
        try:
            version, kind, name = manifest["apiVersion"], manifest["kind"], manifest["metadata"]["name"]
        except (KeyError, TypeError) as error:
            raise ValueError(f"a manifest needs apiVersion, kind and metadata.name: {manifest!r}") from error
        base = f"/api/{version}" if "/" not in version else f"/apis/{version}"
        plural, namespaced = self._kind(base, kind)
        if namespaced:
            base += f"/namespaces/{manifest['metadata'].get('namespace', namespace)}"
        return f"{base}/{plural}/{name}"

    def apply(
        self,
        manifests: Path | str | Manifest | Iterable[Manifest],
        *,
        namespace: str = "default",
        field_manager: str = "mljobs-devcluster",
        timeout: float = 30.0,
    ) -> list[dict[str, Any]]:
        """Apply manifests on the server's side: CRDs first, then namespaces, accounts, roles and the rest.

        When it returns, CRDs are served, and policies for admission that bear the name of one of them are in
        force. One that was there before, and has only changed, judges by its new rules a second later.

        Args:
            manifests: a file, a folder, YAML text, one manifest, or several.
            namespace: for namespaced objects that name none.
            field_manager: the owner of the fields; conflicts with other owners are overridden.
            timeout: seconds within which applied CRDs must be established, and policies in force.

        Returns:
            The objects as the server keeps them, in the order of application.

        Raises:
            ApiError: the server refused one; those before it were applied.
            TimeoutError: a CRD was not established in time, or a policy not in force.
            ValueError: a manifest is incomplete or of an unknown kind.
        """
        if isinstance(manifests, Mapping):
            manifests = [manifests]
        documents = read_manifests(manifests) if isinstance(manifests, Path | str) else list(manifests)
        documents.sort(key=_rank)
        crds = [document for document in documents if document.get("kind") == _FIRST_KINDS[0]]
        applied = [self._apply_one(crd, namespace, field_manager) for crd in crds]
        self.wait_established([crd["metadata"]["name"] for crd in crds], timeout)
        applied += [
            self._apply_one(document, namespace, field_manager) for document in documents[len(crds) :]
        ]
        named = {crd["metadata"]["name"] for crd in crds}
        self.wait_in_force([one for one in documents if _is_policy_of(named, one)], timeout)
        return applied

    def wait_established(self, names: Iterable[str], timeout: float = 30.0) -> None:
        """Wait until CRDs are established and served.

        Args:
            names: names of CRDs, as `trainingjobs.mljobs.dev`.
            timeout: seconds for all of them.

        Raises:
            TimeoutError: with the conditions of the first that is not.
        """
        deadline = time.monotonic() + timeout
        for name in names:
            path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"
            while not self._served(crd := self.get(path)):
                if time.monotonic() > deadline:
                    conditions = crd.get("status", {}).get("conditions")
                    raise TimeoutError(f"CRD {name} was not established within {timeout:g} s: {conditions}")
                time.sleep(_POLL_SECONDS)

    def wait_in_force(self, manifests: Iterable[Manifest], timeout: float = 30.0) -> None:
        """Wait until policies refuse, which the API server learns some time after they are there.

        Each is tried by a dry run: an object with an empty `spec`, which it has to refuse.

        Args:
            manifests: of ValidatingAdmissionPolicies and their bindings; others are passed over, and policies
                that are bound to parameters, whose refusals depend on these.
            timeout: seconds for all of them.

        Raises:
            TimeoutError: with the first that is not in force.
        """
        documents = list(manifests)
        bindings = [one["spec"] for one in documents if one.get("kind") == f"{_POLICY}Binding"]
        bound = {binding["policyName"] for binding in bindings if "paramRef" not in binding}
        deadline = time.monotonic() + timeout
        for policy in documents:
            if policy.get("kind") != _POLICY or policy["metadata"]["name"] not in bound:
                continue
            while not self._refused(policy):
                if time.monotonic() > deadline:
                    name = policy["metadata"]["name"]
                    raise TimeoutError(f"{_POLICY} {name} was not in force within {timeout:g} s")
                time.sleep(_POLL_SECONDS)

    def token(self, namespace: str, service_account: str, seconds: int) -> str:
        """Ask for a token of a ServiceAccount through the TokenRequest API.

        Args:
            namespace: the account's namespace.
            service_account: the account's name; it must exist.
            seconds: life time, at least 600.

        Raises:
            ApiError: there is no such account.
        """
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}/token"
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": seconds},
        }
        return str(self.request("POST", path, request)["status"]["token"])

    def _apply_one(self, manifest: Manifest, namespace: str, field_manager: str) -> dict[str, Any]:
        path = f"{self.path_of(manifest, namespace)}?fieldManager={field_manager}&force=true"
        answer: dict[str, Any] = self.request("PATCH", path, manifest, content_type=_APPLY)
        return answer

    def _refused(self, policy: Manifest) -> bool:
        """Whether a policy refuses an empty object of the first resource that it names."""
        (rule, *_) = policy["spec"]["matchConstraints"]["resourceRules"]
        version, plural = f"{rule['apiGroups'][0]}/{rule['apiVersions'][0]}", rule["resources"][0]
        try:
            kinds = {one["name"]: one["kind"] for one in self.get(f"/apis/{version}")["resources"]}
            body = {
                "apiVersion": version,
                "kind": kinds.get(plural),
                "metadata": {"name": "probe"},
                "spec": {},
            }
            self.request("POST", f"/apis/{version}/namespaces/default/{plural}?dryRun=All", body)
        except ApiError as error:
            return f"{_POLICY} '{policy['metadata']['name']}'" in str(error)
        return False

    def _served(self, crd: Manifest) -> bool:
        conditions = crd.get("status", {}).get("conditions") or ()
        if not any(item["type"] == "Established" and item["status"] == "True" for item in conditions):
            return False
        spec = crd["spec"]
        return all(
            self._answers(f"/apis/{spec['group']}/{version['name']}", spec["names"]["plural"])
            for version in spec["versions"]
            if version["served"]
        )

    def _answers(self, base: str, plural: str) -> bool:
        """Whether discovery and the router, which learn of a CRD one after the other, both know it."""
        try:
            known = any(resource["name"] == plural for resource in self.get(base)["resources"])
            self.get(f"{base}/{plural}?limit=1")
        except ApiError as error:
            if error.status in (404, 503):
                return False
            raise
        return known

    def _kind(self, base: str, kind: str) -> tuple[str, bool]:
        if (base, kind) not in self._kinds:
            try:
                resources = self.get(base)["resources"]
            except ApiError as error:
                raise ValueError(
                    f"the API server does not serve {base} (for kind {kind}): {error}"
                ) from error
            for resource in resources:
                if "/" not in resource["name"]:
                    self._kinds[base, resource["kind"]] = (resource["name"], resource["namespaced"])
        if (base, kind) not in self._kinds:
            raise ValueError(f"the API server does not serve kind {kind} under {base}")
        return self._kinds[base, kind]

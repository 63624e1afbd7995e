"""Identities: the emulator's token services, which trust the cluster's issuer, and an operator's own."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mljobs_dev.controlplane.client import read_manifests
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.support import Json
from tests.e2e.support_stack import ACCOUNT, Emulator

ROOT = Path(__file__).parents[2]
POOL = "projects/123456/locations/global/workloadIdentityPools/clusters"
PROVIDER = f"{POOL}/providers/dev-1"
NAME = "mljobs-identity"
"""Whose tokens the component of `deploy/` allows."""

RBAC = "/apis/rbac.authorization.k8s.io/v1"


def principal(namespace: str, name: str = NAME) -> str:
    return f"principal://iam.googleapis.com/{POOL}/subject/system:serviceaccount:{namespace}:{name}"


OPERATOR = principal(*ACCOUNT)
"""The operator's own identity, where it has one."""


def account(namespace: str, name: str = NAME) -> Json:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def identity_rights() -> tuple[Json, Json]:
    """The role of the component, and its binding."""
    role, binding = read_manifests(ROOT / "deploy" / "components" / "identities" / "role.yaml")
    return role, binding


@contextmanager
def may_request_tokens(control_plane: ControlPlane) -> Iterator[None]:
    """Give the operator's account the rights of the component meanwhile."""
    role, binding = identity_rights()
    control_plane.apply([role, binding])
    try:
        yield
    finally:
        for plural, body in (("clusterrolebindings", binding), ("clusterroles", role)):
            control_plane.client.request("DELETE", f"{RBAC}/{plural}/{body['metadata']['name']}")


def trust(control_plane: ControlPlane, emulator: Emulator, keys: Json, **more: Any) -> None:
    """Let the emulator's token services trust the control plane, and let no call do without a token."""
    issuer = control_plane.client.get("/.well-known/openid-configuration")["issuer"]
    oidc = {"issuerUri": issuer, **keys}
    known = {"required": True, "providers": [{"name": PROVIDER, "oidc": oidc}], **more}
    emulator._post("/_emulator/identities", known)


def published_keys(control_plane: ControlPlane, folder: Path) -> Json:
    """The keys of the API server's tokens in a file, for `trust`."""
    file = folder / "jwks.json"
    file.write_text(json.dumps(control_plane.client.get("/openid/v1/jwks")))
    return {"jwksFile": str(file)}


def bindings(projects: Mapping[str, Sequence[str]]) -> list[Json]:
    """Who has which projects."""
    return [{"member": member, "projects": list(names)} for member, names in projects.items()]


def request_token(control_plane: ControlPlane, namespace: str, name: str) -> str:
    """A token of a ServiceAccount for the provider, which is valid for two hours."""
    made = control_plane.client.request(
        "POST",
        f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token",
        {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": [f"https://iam.googleapis.com/{PROVIDER}"], "expirationSeconds": 7200},
        },
    )
    return str(made["status"]["token"])


def own_identity(control_plane: ControlPlane, emulator: Emulator, folder: Path) -> Json:
    """Settings that let the operator call as its own ServiceAccount, and classes as those of namespaces."""
    token, file = folder / "token", folder / "credentials.json"
    token.write_text(request_token(control_plane, *ACCOUNT))
    document = {
        "type": "external_account",
        "audience": f"//iam.googleapis.com/{PROVIDER}",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{emulator.url}/v1/token",
        "credential_source": {"file": str(token)},
    }
    file.write_text(json.dumps(document))
    return {
        "GOOGLE_APPLICATION_CREDENTIALS": str(file),
        "MLJOBS_TOKEN_ENDPOINT": emulator.url,
        "MLJOBS_IDENTITY_PROVIDER": PROVIDER,
    }


@contextmanager
def identity_options(
    control_plane: ControlPlane, emulator: Emulator, folder: Path, **settings: str
) -> Iterator[Json]:
    """Options of an operator that calls as itself, and may call as accounts of namespaces."""
    own = own_identity(control_plane, emulator, folder)
    with may_request_tokens(control_plane):
        yield {"project": "", "anonymous": False, "settings": {**own, **settings}}

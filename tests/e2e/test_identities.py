"""Tokens that the API server issues for ServiceAccounts, exchanged by token services that verify them."""

import asyncio
import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mljobs.backends import Access, Limits, open_identities, open_job_service
from mljobs.backends import AccountTokens as Accounts
from mljobs.controller.kube.account_tokens import AccountTokens
from mljobs.controller.kube.client import connect
from mljobs.controller.kube.kubeconfig import find_access
from mljobs.controller.kube.session import Connection
from mljobs.domain.errors import Denial, Denied
from mljobs.domain.port import Caller
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.support import Json
from tests.e2e.support_identities import (
    NAME,
    PROVIDER,
    account,
    identity_rights,
    principal,
    published_keys,
    trust,
)
from tests.e2e.support_stack import Emulator

SYSTEM = "ids-system"
TRAINER = "trainer@team-a.iam.gserviceaccount.com"


@pytest.fixture(scope="module")
def operator_user(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kubeconfig of an account that has the rights of the component, and no others."""
    for namespace in (SYSTEM, "ids-a", "ids-b"):
        metadata = {"name": namespace}
        control_plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    control_plane.apply([account(tenant, name) for tenant in ("ids-a", "ids-b") for name in (NAME, "other")])
    role, binding = identity_rights()
    (subject,) = binding["subjects"]
    control_plane.apply([account(SYSTEM, subject["name"]), role])
    control_plane.apply({**binding, "subjects": [{**subject, "namespace": SYSTEM}]})
    path = tmp_path_factory.mktemp("identities") / "kubeconfig"
    return control_plane.service_account_kubeconfig(SYSTEM, subject["name"], path)


@pytest.fixture
def by_uri(control_plane: ControlPlane) -> Iterator[Json]:
    """Where the API server serves its keys; Kubernetes' documentation binds this role to do so."""
    control_plane.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "public-keys"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "system:service-account-issuer-discovery",
            },
            "subjects": [
                {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:unauthenticated"}
            ],
        }
    )
    yield {"jwksUri": f"{control_plane.url}/openid/v1/jwks", "caFile": str(control_plane.ca)}
    control_plane.client.request(
        "DELETE", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/public-keys"
    )


@pytest.fixture
def by_file(control_plane: ControlPlane, tmp_path: Path) -> Json:
    """The same in a file."""
    return published_keys(control_plane, tmp_path)


def listing(operator_user: Path, emulator: Emulator, *identities: Caller) -> list[Denied | None]:
    """List jobs as each identity in turn, with the rights of the operator; gives what was denied."""

    async def run() -> list[Denied | None]:
        async with connect(Connection(find_access(str(operator_user)))) as kube:
            shared = open_identities(AccountTokens(kube), endpoint=emulator.url, timeout=30)
            found: list[Denied | None] = []
            for identity in identities:
                own = shared.credentials(identity)
                access = Access(endpoint=emulator.url, limits=Limits(0, 0), credentials=own)
                async with open_job_service(access) as client:
                    try:
                        await client.list_page(identity.namespace)
                        found.append(None)
                    except Denied as error:
                        found.append(error)
            return found

    return asyncio.run(run())


def audience(token: str) -> Any:
    """The audience of a token, unverified."""
    claims = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["aud"]


@pytest.mark.parametrize("keys", ["by_uri", "by_file"])
def test_each_namespace_calls_as_its_own_account(
    control_plane: ControlPlane,
    emulator: Emulator,
    operator_user: Path,
    keys: str,
    request: pytest.FixtureRequest,
) -> None:
    trust(
        control_plane,
        emulator,
        request.getfixturevalue(keys),
        serviceAccounts=[{"email": TRAINER, "tokenCreators": [principal("ids-a")]}],
        bindings=[
            {"member": principal("ids-a"), "projects": ["ids-a"]},
            {"member": principal("ids-b"), "projects": ["ids-b"]},
            {"member": f"serviceAccount:{TRAINER}", "projects": ["ids-a"]},
        ],
    )
    start = emulator.last
    own, other = Caller("ids-a", NAME, PROVIDER), Caller("ids-b", NAME, PROVIDER)
    further = Caller("ids-a", NAME, PROVIDER, impersonate=TRAINER)
    thief = Caller("ids-b", NAME, PROVIDER, impersonate=TRAINER)
    denied = listing(operator_user, emulator, own, other, further, thief)
    assert denied[:3] == [None] * 3
    assert denied[3] is not None
    assert denied[3].cause is Denial.IMPERSONATION
    rows = emulator.effects(start, method="list")
    assert [(row["project"], row["identity"]) for row in rows] == [
        ("ids-a", principal("ids-a")),
        ("ids-b", principal("ids-b")),
        ("ids-a", TRAINER),
    ]


MISSING: dict[str, tuple[Caller, Denial, str]] = {
    "an account of another name": (
        Caller("ids-a", "other", PROVIDER),
        Denial.SERVICE_ACCOUNT,
        "rbac.identityServiceAccounts has to name 'other'",
    ),
    "no such account": (
        Caller("default", NAME, PROVIDER),
        Denial.SERVICE_ACCOUNT,
        f"there is no ServiceAccount default/{NAME}",
    ),
    "no such namespace": (
        Caller("ids-gone", NAME, PROVIDER),
        Denial.SERVICE_ACCOUNT,
        f"there is no ServiceAccount ids-gone/{NAME}",
    ),
    "another audience": (
        Caller("ids-a", NAME, PROVIDER, audience="https://kubernetes.default.svc"),
        Denial.FEDERATION,
        "audience in ID Token [https://kubernetes.default.svc] does not match",
    ),
    "another pool": (
        Caller("ids-a", NAME, PROVIDER.replace("dev-1", "dev-2")),
        Denial.FEDERATION,
        "pool or provider is disabled",
    ),
}


def test_what_is_missing_is_said(
    control_plane: ControlPlane, emulator: Emulator, operator_user: Path, by_file: Json
) -> None:
    trust(control_plane, emulator, by_file, bindings=None)
    start = emulator.last
    denied = listing(operator_user, emulator, *(identity for identity, _, _ in MISSING.values()))
    for (name, (_, cause, words)), error in zip(MISSING.items(), denied, strict=True):
        assert error is not None, name
        assert error.cause is cause, f"{name}: {error.message}"
        assert words in error.message
    assert emulator.effects(start, method="list") == []


def test_a_token_is_good_for_its_audience_alone(control_plane: ControlPlane, operator_user: Path) -> None:
    """Whoever gets hold of one cannot call the API server with it."""

    async def token() -> str:
        async with connect(Connection(find_access(str(operator_user)))) as kube:
            accounts: Accounts = AccountTokens(kube)
            return await asyncio.to_thread(accounts, "ids-a", NAME, "https://sts.example")

    made = asyncio.run(token())
    assert audience(made) == ["https://sts.example"]
    review = control_plane.client.request(
        "POST",
        "/apis/authentication.k8s.io/v1/tokenreviews",
        {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": made},
        },
    )
    assert not review["status"].get("authenticated")


def test_an_account_that_goes_and_comes_back(
    control_plane: ControlPlane, emulator: Emulator, operator_user: Path, by_file: Json
) -> None:
    trust(control_plane, emulator, by_file, bindings=None)
    path = f"/api/v1/namespaces/ids-b/serviceaccounts/{NAME}"
    identity = Caller("ids-b", NAME, PROVIDER)
    control_plane.client.request("DELETE", path)
    (denied,) = listing(operator_user, emulator, identity)
    assert denied is not None
    assert f"there is no ServiceAccount ids-b/{NAME}" in denied.message
    control_plane.apply(account("ids-b"))
    assert listing(operator_user, emulator, identity) == [None]

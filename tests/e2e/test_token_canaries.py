"""No token leaves a trace: neither access tokens, which hold a canary, nor those of ServiceAccounts."""

import base64
import json
import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import pytest
from kubernetes import client

from mljobs.api.kinds import ALL_KINDS
from mljobs.api.resources import GROUP, VERSION
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.support import Job, Json, Namespace, eventually, job_classes, training
from tests.e2e.support_identities import (
    NAME,
    OPERATOR,
    PROVIDER,
    account,
    bindings,
    identity_options,
    principal,
    published_keys,
    request_token,
    trust,
)
from tests.e2e.support_stack import ACCOUNT, Emulator, Operator

PROJECT = "tenant-project"
TRAINER = "trainer@tenant-project.iam.gserviceaccount.com"
CANARY = "canary-Kq7WzX3v"
"""What each access token of the emulator's holds."""

IDENTITIES: dict[str, Json] = {
    "account": {"serviceAccountRef": {"name": NAME}},
    "impersonated": {"impersonate": TRAINER},
    "both": {"serviceAccountRef": {"name": NAME}, "impersonate": TRAINER},
}
VARIES = re.compile(rb'("(?:exp|iat|nbf|jti)":"?)([^",}]+)')
"""The claims that differ from one token of an account to the next."""

LONG_ENOUGH = 24
"""Characters of a ServiceAccount's token that nothing else has by chance."""


@pytest.fixture(scope="module")
def operator_options(
    control_plane: ControlPlane,
    operator_kubeconfig: object,
    emulator: Emulator,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Json]:
    folder = tmp_path_factory.mktemp("own")
    with identity_options(control_plane, emulator, folder, MLJOBS_LOG_LEVEL="DEBUG") as options:
        yield options


@pytest.fixture
def tenant(
    control_plane: ControlPlane,
    emulator: Emulator,
    namespace: Namespace,
    admin: client.ApiClient,
    operator: Operator,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Namespace]:
    """A namespace with an account, and a class of each kind of identity."""
    control_plane.apply(account(namespace.name))
    members = {principal(namespace.name): [PROJECT], f"serviceAccount:{TRAINER}": [PROJECT]}
    trust(
        control_plane,
        emulator,
        published_keys(control_plane, tmp_path_factory.mktemp("keys")),
        bindings=bindings({**members, OPERATOR: [PROJECT]}),
        serviceAccounts=creators(namespace),
        canary=CANARY,
    )
    common = {"service": "MLv1", "endpoint": emulator.url, "projects": [PROJECT]}
    classes = {name: {**common, "identity": identity} for name, identity in IDENTITIES.items()}
    with job_classes(admin, classes):
        yield namespace


def creators(namespace: Namespace) -> list[Json]:
    return [{"email": TRAINER, "tokenCreators": [principal(namespace.name), OPERATOR]}]


def marks(control_plane: ControlPlane, namespace: str, name: str) -> set[str]:
    """The pieces that all tokens of an account for the provider have: of their header and of their claims."""
    header, claims, _ = request_token(control_plane, namespace, name).split(".")
    text = base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4))
    varied = VARIES.sub(lambda found: found[1] + b"\xff" * len(found[2]), text)
    other = base64.urlsafe_b64encode(varied).decode().rstrip("=")
    alike = groupby(zip(claims, other, strict=True), key=lambda pair: pair[0] == pair[1])
    # a character at either end may hold some bits of what varies
    runs = ["".join(char for char, _ in run)[1:-1] for same, run in alike if same]
    return {header, *(run for run in runs if len(run) >= LONG_ENOUGH)}


def exchanges(emulator: Emulator, method: str, about: str) -> int:
    """How many tokens a token service has issued for somebody."""
    rows = emulator._json("GET", f"/_emulator/ledger?method={method}")["effects"]
    return sum(row["status"] == 200 and row["account"] == about for row in rows)


def issued(emulator: Emulator, namespace: Namespace) -> list[int]:
    """The tokens so far, of each identity that needs some."""
    generate = "iamcredentials.projects.serviceAccounts.generateAccessToken"
    return [
        exchanges(emulator, "sts.token", f"system:serviceaccount:{namespace.name}:{NAME}"),
        exchanges(emulator, "sts.token", f"system:serviceaccount:{':'.join(ACCOUNT)}"),
        exchanges(emulator, generate, TRAINER),
    ]


def outputs(emulator: Emulator, operator: Operator, admin: client.ApiClient) -> dict[str, str]:
    """All that the operator and the emulator let be seen, by its name."""
    core: Any = client.CoreV1Api(admin)
    custom: Any = client.CustomObjectsApi(admin)
    shown = {
        kind.plural: json.dumps(custom.list_cluster_custom_object(GROUP, VERSION, kind.plural))
        for kind in ALL_KINDS.values()
    }
    events = core.list_event_for_all_namespaces(_preload_content=False).data.decode()
    return {
        **shown,
        "events": events,
        "log": operator.log.read_text("utf-8"),
        "metrics": operator.metrics(),
        "ledger": json.dumps(emulator.effects()),
        "the emulator's log": emulator.log.read_text("utf-8"),
    }


def test_no_output_holds_a_token(
    tenant: Namespace,
    emulator: Emulator,
    operator: Operator,
    admin: client.ApiClient,
    control_plane: ControlPlane,
) -> None:
    """Jobs of each identity: submitted, followed over expired and revoked tokens, refused, and ended."""
    jobs = [tenant.create(training(f"as-{name}", {"jobClassName": name})) for name in IDENTITIES]
    for job in jobs:
        job.until_state("QUEUED")
    _tokens_expire(tenant, emulator)
    _tokens_are_refused(tenant, emulator, jobs)
    for job in jobs:
        job.delete()
    for job in jobs:
        job.until_gone(within=90)  # what is denied is tried again after half a minute
    secrets = {CANARY, *marks(control_plane, tenant.name, NAME), *marks(control_plane, *ACCOUNT)}
    assert len(secrets) > 3
    assert all(secret.isascii() for secret in secrets)
    seen = eventually(
        lambda: outputs(emulator, operator, admin),
        lambda found: "Denied" in found["events"],
        what="an Event Denied",
        report=operator.tail,
    )
    assert "DEBUG" in seen["log"]
    assert f'"{principal(tenant.name)}"' in seen["ledger"]
    hits = {(name, secret) for name, text in seen.items() for secret in secrets if secret in text}
    assert hits == set()


def test_the_canary_is_in_what_the_token_services_issue(
    tenant: Namespace, emulator: Emulator, control_plane: ControlPlane
) -> None:
    """Or else the other test would find nothing whatever is told."""
    subject = request_token(control_plane, tenant.name, NAME)
    named = "urn:ietf:params:oauth"
    body = {
        "grantType": f"{named}:grant-type:token-exchange",
        "requestedTokenType": f"{named}:token-type:access_token",
        "subjectTokenType": f"{named}:token-type:jwt",
        "audience": f"//iam.googleapis.com/{PROVIDER}",
        "scope": "https://www.googleapis.com/auth/cloud-platform",
        "subjectToken": subject,
    }
    access = emulator._post("/v1/token", body)["access_token"]
    assert access.count(CANARY) == 2
    found = marks(control_plane, tenant.name, NAME)
    assert all(mark in subject for mark in found)
    claims = subject.split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"].endswith(NAME)


def _tokens_expire(tenant: Namespace, emulator: Emulator) -> None:
    """Let tokens live for a second, and be revoked besides, until each was exchanged again several times."""
    emulator._post("/_emulator/identities", {"lifetime": 1})
    emulator.revoke("")
    before = issued(emulator, tenant)
    assert all(before)
    eventually(
        lambda: [now - then for now, then in zip(issued(emulator, tenant), before, strict=True)],
        lambda more: min(more) >= 3,
        what="each token is replaced three times",
        report=tenant.report,
    )


def _tokens_are_refused(tenant: Namespace, emulator: Emulator, jobs: list[Job]) -> None:
    """First by IAM Credentials, then by STS, meanwhile."""
    emulator._post("/_emulator/identities", {"lifetime": 3600, "serviceAccounts": []})
    emulator.revoke("")
    for job in jobs[1:]:
        job.until_condition("Stalled", "True", "Denied")
    providers = emulator._json("GET", "/_emulator/identities")["providers"]
    disabled = [{**one, "disabled": True} for one in providers]
    emulator._post("/_emulator/identities", {"providers": disabled})
    emulator.revoke("")
    jobs[0].until_condition("Stalled", "True", "Denied")
    emulator._post("/_emulator/identities", {"providers": providers, "serviceAccounts": creators(tenant)})

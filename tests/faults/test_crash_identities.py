"""The operator is killed while identities expire, are revoked and come back: nothing is doubled or lost."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from typing import Any

import pytest

from mljobs.api.resources import KINDS
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.support import Json
from tests.e2e.support_identities import (
    OPERATOR,
    PROVIDER,
    account,
    may_request_tokens,
    own_identity,
    principal,
    published_keys,
    trust,
)
from tests.e2e.support_stack import ACCOUNT, HELD, LONG, Emulator
from tests.faults.backend import ML_V1, Backend
from tests.faults.crash import Point
from tests.faults.groups import ALL, grouped
from tests.faults.identities import IDENTITIES, TRAINER, trainer
from tests.faults.lab import Lab
from tests.faults.test_crash import Case, crash_everywhere, name_of
from tests.unit.emulator.issuer import exchange

SOME = ("tokens_expire", "revoked_and_back", "revoked_and_deleted")
CASES: list[Case] = [
    (scenario, kind)
    for scenario, kind in zip(IDENTITIES, cycle(KINDS.values()), strict=False)
    if ALL or scenario.name in SOME
]

TOKENS = {"POST token", "POST /v1/token"}
SAMPLE = TOKENS | {"create", "cancel"}


@pytest.fixture(scope="module")
def service(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """A job service that takes no call without a token; the tests have one themselves."""
    server = Emulator(tmp_path_factory.mktemp("emulator") / "log")
    server.start()
    server.script("", timeline={**HELD["timeline"], "CANCELLING": LONG})
    trust(plane, server, published_keys(plane, tmp_path_factory.mktemp("keys")), **trainer())
    server._http.headers = {"Authorization": f"Bearer {access_token(plane, server)}"}
    yield server
    server.stop()


def access_token(plane: ControlPlane, server: Emulator) -> str:
    """A token for a ServiceAccount of the tests' own."""
    plane.apply(account(ACCOUNT[0], "observer"))
    made = plane.client.request(
        "POST",
        f"/api/v1/namespaces/{ACCOUNT[0]}/serviceaccounts/observer/token",
        {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": [f"https://iam.googleapis.com/{PROVIDER}"], "expirationSeconds": 3600},
        },
    )
    return str(server._json("POST", "/v1/token", exchange(made["status"]["token"]))["access_token"])


@pytest.fixture(scope="module")
def own(plane: ControlPlane, service: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Json]:
    """Settings that let the operator call as itself, and as accounts of tenants."""
    with may_request_tokens(plane):
        yield own_identity(plane, service, tmp_path_factory.mktemp("own"))


@pytest.fixture
def backend(own: Json) -> Backend:
    settings = {name: value for name, value in own.items() if name != "MLJOBS_TOKEN_ENDPOINT"}
    return replace(ML_V1, settings={**settings, "MLJOBS_ANONYMOUS": "false"})


def choose(points: list[Point]) -> list[Point]:
    """All but the third token and those after it: how many are fetched is a matter of time."""
    return [
        point for point in points if point.nth <= 2 or point.name not in TOKENS if ALL or point.name in SAMPLE
    ]


@pytest.mark.parametrize("cases", grouped(CASES, name_of, size=len(CASES), apart=True))
async def test_a_crash_changes_nothing(lab: Lab, cases: list[Case], figures: dict[str, Any]) -> None:
    await crash_everywhere(lab, cases, figures, choose, at_once=1)
    rows = [row for row in lab.service.effects() if row["applied"] and row["project"]]
    assert rows
    for row in rows:
        callers = {principal(row["project"]), TRAINER}
        if row["method"].endswith(".cancel"):
            callers.add(OPERATOR)  # of a resource that is deleted, where its identity is gone
        assert row["identity"] in callers, row

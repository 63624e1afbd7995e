"""Calls as somebody else: real tokens, made by an issuer of the run, and an emulator that verifies them."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from google.auth.exceptions import GoogleAuthError

from mljobs.api.identity import Identity, ServiceAccountRef
from mljobs.backends import Access, Limits, open_identities, open_job_service, open_vertex
from mljobs.backends.google import credentials
from mljobs.backends.google.identity import Identities, audience_of
from mljobs.backends.mlv1.client import MlV1Client
from mljobs.domain.errors import Denial, Denied, JobServiceError, Throttled, Unavailable
from mljobs.domain.port import OPERATOR, Caller
from mljobs_dev.emulator.control import Emulator
from mljobs_dev.emulator.scripting import read_body
from mljobs_dev.emulator.server import serving
from mljobs_dev.emulator.tokens.config import Identities as Known
from tests.unit.backends.raw_server import RawServer, answer, drop, hang
from tests.unit.emulator.issuer import ISSUER, PROVIDER, TOKEN_AUDIENCE, Issuer, account_subject, principal

Json = dict[str, Any]

TRAINER = "trainer@team-a.iam.gserviceaccount.com"
TENANT = Caller("team-a", "mljobs", PROVIDER)
OTHER = Caller("team-b", "mljobs", PROVIDER)
TRAINING = Caller("team-a", "mljobs", PROVIDER, impersonate=TRAINER)
ALICE = principal(account_subject("team-a", "mljobs"))


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


@dataclass
class Accounts:
    """The ServiceAccounts of a cluster: `AccountTokens` of an issuer."""

    issuer: Issuer
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    error: JobServiceError | None = None

    def __call__(self, namespace: str, name: str, audience: str) -> str:
        self.asked.append((namespace, name, audience))
        if self.error is not None:
            raise self.error
        subject = account_subject(namespace, name)
        self.given.append(self.issuer.token(subject, time.time(), aud=[audience]))
        return self.given[-1]


@dataclass
class Cloud:
    """An emulator that requires tokens, and those who may have some."""

    url: str
    emulator: Emulator
    accounts: Accounts
    known: Json

    def change(self, **known: Any) -> None:
        self.known |= known
        self.emulator.tokens.identities = read_body(Known, self.known)

    def revoke(self) -> None:
        self.emulator.tokens.tokens.revoke("")

    def identities(self, timeout: float = 10) -> Identities:
        return open_identities(self.accounts, endpoint=self.url, timeout=timeout)

    def client(self, identity: Caller, identities: Identities | None = None) -> MlV1Client:
        shared = identities or self.identities()
        return open_job_service(
            Access(
                endpoint=self.url, timeout=10, limits=Limits(0, 0), credentials=shared.credentials(identity)
            )
        )

    def rows(self, method: str = "") -> list[Any]:
        return [row for row in self.emulator.ledger.rows() if row.method.endswith(method)]

    def callers(self) -> list[str]:
        return [row.identity for row in self.rows("jobs.list")]


@pytest.fixture
async def cloud(issuer: Issuer) -> AsyncIterator[Cloud]:
    emulator = Emulator()
    async with serving(emulator) as url:
        known = {
            "required": True,
            "providers": [issuer.provider()],
            "serviceAccounts": [{"email": TRAINER, "tokenCreators": [ALICE]}],
        }
        cloud = Cloud(url, emulator, Accounts(issuer), known)
        cloud.change()
        yield cloud


async def test_an_account_of_a_tenant(cloud: Cloud) -> None:
    async with cloud.client(TENANT) as client:
        await client.list_page("p")
        await client.list_page("p")
    assert cloud.accounts.asked == [("team-a", "mljobs", TOKEN_AUDIENCE)]
    assert cloud.callers() == [ALICE] * 2
    assert [row.method for row in cloud.rows()] == ["sts.token", *["ml.projects.jobs.list"] * 2]


async def test_an_account_that_is_impersonated_further(cloud: Cloud) -> None:
    async with cloud.client(TRAINING) as client:
        await client.list_page("p")
    assert cloud.callers() == [TRAINER]
    assert [row.identity for row in cloud.rows("generateAccessToken")] == [ALICE]


@pytest.mark.usefixtures("at_once")
async def test_the_operator_impersonates_an_account(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its own credentials, a token of its Pod that is exchanged."""
    pod, file = tmp_path / "token", tmp_path / "credentials.json"
    me = account_subject("mljobs-system", "mljobs-operator")
    pod.write_text(cloud.accounts.issuer.token(me, time.time()))
    own = {
        "type": "external_account",
        "audience": f"//iam.googleapis.com/{PROVIDER}",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{cloud.url}/v1/token",
        "credential_source": {"file": str(pod)},
    }
    file.write_text(json.dumps(own))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    identities = cloud.identities()
    async with cloud.client(Caller(impersonate=TRAINER), identities) as client:
        with pytest.raises(Denied, match=f"no Google credentials: {TRAINER}: Unable to acquire") as caught:
            await client.list_page("p")
        assert caught.value.cause is Denial.IMPERSONATION
        assert "roles/iam.serviceAccountTokenCreator" in caught.value.remedy
        cloud.change(serviceAccounts=[{"email": TRAINER, "tokenCreators": [principal(me)]}])
        await client.list_page("p")
    async with cloud.client(OPERATOR, identities) as client:
        await client.list_page("p")
    assert cloud.callers() == [TRAINER, principal(me)]
    assert cloud.accounts.asked == []


async def test_identities_keep_apart_and_share(cloud: Cloud) -> None:
    """Two classes with one identity have one token; two identities never have each other's."""
    identities = cloud.identities()
    async with AsyncExitStack() as stack:
        tenants = [TENANT, OTHER, TENANT, OTHER]
        clients = [await stack.enter_async_context(cloud.client(one, identities)) for one in tenants]
        vertex = open_vertex(Access(endpoint=cloud.url, credentials=identities.credentials(TENANT)))
        stack.push_async_callback(vertex.close)
        await asyncio.gather(*(client.list_page(f"p{number}") for number, client in enumerate(clients)))
        await vertex.list_page("p", "us-central1", "customJobs", query="", page_size=10, page_token="")
    assert len(cloud.rows("sts.token")) == 2
    bob = principal(account_subject("team-b", "mljobs"))
    by_project = {row.subject.project: row.identity for row in cloud.rows("list")}
    assert by_project == {"p0": ALICE, "p1": bob, "p2": ALICE, "p3": bob, "p": ALICE}


async def test_many_calls_fetch_one_token(cloud: Cloud) -> None:
    async with cloud.client(TRAINING) as client:
        await asyncio.gather(*(client.list_page("p") for _ in range(32)))
    assert len(cloud.rows("sts.token")) == len(cloud.rows("generateAccessToken")) == 1


@pytest.mark.parametrize("identity", [TENANT, TRAINING])
async def test_a_token_is_replaced_ahead_and_nobody_waits(cloud: Cloud, identity: Caller) -> None:
    cloud.change(lifetime=200)  # google-auth counts one with less than 225 s to live as stale
    async with cloud.client(identity) as client, asyncio.timeout(30):
        await client.list_page("p")
        while len(cloud.rows("sts.token")) < 2:
            await client.list_page("p")
        for _ in range(5):  # not again at once
            await client.list_page("p")
    assert len(cloud.rows("sts.token")) == 2
    assert {row.status for row in cloud.rows("jobs.list")} == {200}


@pytest.mark.parametrize("identity", [TENANT, TRAINING])
async def test_revoked_tokens_are_replaced_at_once(cloud: Cloud, identity: Caller) -> None:
    """Also what the revoked one was made of, which the library would keep for an hour."""
    async with cloud.client(identity) as client:
        await client.list_page("p")
        cloud.revoke()
        await client.list_page("p")
    assert [row.status for row in cloud.rows("jobs.list")] == [200, 401, 200]


DENIALS: dict[str, tuple[Callable[[Cloud], None], Denial, str]] = {
    "the ServiceAccount is gone": (
        lambda cloud: setattr(cloud.accounts, "error", Denied("there is no ServiceAccount team-a/mljobs")),
        Denial.SERVICE_ACCOUNT,
        "there is no ServiceAccount",
    ),
    "the provider is disabled": (
        lambda cloud: cloud.change(providers=[cloud.accounts.issuer.provider(disabled=True)]),
        Denial.FEDERATION,
        "pool or provider is disabled",
    ),
    "the provider expects another audience": (
        lambda cloud: cloud.change(
            providers=[
                cloud.accounts.issuer.provider(
                    oidc={
                        "issuerUri": ISSUER,
                        "jwksJson": cloud.accounts.issuer.jwks,
                        "allowedAudiences": ["https://elsewhere.example"],
                    }
                )
            ]
        ),
        Denial.FEDERATION,
        "does not match the expected audience https://elsewhere.example",
    ),
    "the keys are another cluster's": (
        lambda cloud: cloud.change(providers=[Issuer().provider()]),
        Denial.FEDERATION,
        "The ID Token is not accepted",
    ),
    "the binding is gone": (
        lambda cloud: cloud.change(serviceAccounts=[{"email": TRAINER}]),
        Denial.IMPERSONATION,
        "Permission 'iam.serviceAccounts.getAccessToken' denied",
    ),
    "the account is disabled": (
        lambda cloud: cloud.change(
            serviceAccounts=[{"email": TRAINER, "tokenCreators": [ALICE], "disabled": True}]
        ),
        Denial.IMPERSONATION,
        "Permission 'iam.serviceAccounts.getAccessToken' denied",
    ),
}


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("case", DENIALS)
@pytest.mark.parametrize("begun", [False, True], ids=["from the start", "later"])
async def test_what_is_missing_is_said_and_its_return_is_noticed(
    cloud: Cloud, case: str, begun: bool
) -> None:
    take_away, cause, words = DENIALS[case]
    before = {name: list(value) for name, value in cloud.known.items() if isinstance(value, list)}
    async with cloud.client(TRAINING) as client:
        if begun:
            await client.list_page("p")
            cloud.revoke()
        take_away(cloud)
        sent = len(cloud.callers())
        for _ in range(3):
            with pytest.raises(Denied, match=words) as caught:
                await client.list_page("p")
            assert caught.value.cause is cause, caught.value.message
            assert f"ServiceAccount team-a/mljobs as {TRAINER}" in caught.value.message
        assert len(cloud.callers()) <= sent + 1  # once the service has refused the token, it gets no call
        cloud.accounts.error = None
        cloud.change(**before)
        await client.list_page("p")


async def test_no_provider_is_said(cloud: Cloud) -> None:
    async with cloud.client(Caller("team-a", "mljobs")) as client:
        with pytest.raises(Denied, match="no provider of a workload identity pool is named") as caught:
            await client.list_page("p")
    assert caught.value.cause is Denial.FEDERATION


async def test_an_api_server_that_does_not_answer_is_no_denial(cloud: Cloud) -> None:
    cloud.accounts.error = Unavailable("the API server did not answer")
    async with cloud.client(TENANT) as client:
        with pytest.raises(
            Unavailable, match="no access token for now: ServiceAccount team-a/mljobs: the API"
        ):
            await client.list_page("p")


WAITING = credentials.WAITING_LIMIT


async def outcome(call: Awaitable[object]) -> object:
    """What a call ends with."""
    return (await asyncio.gather(call, return_exceptions=True))[0]


@asynccontextmanager
async def hanging(cloud: Cloud) -> AsyncIterator[tuple[RawServer, MlV1Client]]:
    """A client whose token service does not answer."""
    with RawServer(rest=hang) as tokens:
        identities = open_identities(cloud.accounts, endpoint=tokens.url, timeout=5)
        shared = identities.credentials(TENANT)
        async with open_job_service(
            Access(endpoint=cloud.url, timeout=5, limits=Limits(0, 0), credentials=shared)
        ) as client:
            yield tokens, client


async def test_few_wait_for_a_token_service_that_hangs(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """The workers are for everybody: those that this identity holds up are few, and the rest go on."""
    monkeypatch.setattr(credentials, "LONGEST_WAIT", 60.0)
    monkeypatch.setattr(credentials, "AT_ONCE", 0.05)
    async with hanging(cloud) as (tokens, client):
        calls = [asyncio.ensure_future(client.create("p", {"jobId": f"j{n}"})) for n in range(64)]
        async with asyncio.timeout(30):
            early = [await call for call in asyncio.as_completed(map(outcome, calls))][: 64 - WAITING]
        assert {type(error) for error in early} == {Throttled}
        late = await asyncio.gather(*calls, return_exceptions=True)
        assert sum(isinstance(error, Unavailable) for error in late) == WAITING
        assert len(tokens.received) == 1
    assert cloud.rows("create") == []


async def test_a_call_in_the_background_waits_for_its_token(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "LONGEST_WAIT", 0.0)
    monkeypatch.setattr(credentials, "AT_ONCE", 0.0)
    async with cloud.client(TENANT) as client:
        with pytest.raises(
            Throttled, match="has not answered yet for ServiceAccount team-a/mljobs"
        ) as caught:
            await client.get("p", "j")
        assert caught.value.retry_after
        await client.list_page("p")  # lists go in the background


def canaries(cloud: Cloud, issued: list[str]) -> set[str]:
    """Texts that must not be anywhere: each token, and the signature alone of those of Kubernetes."""
    return {*cloud.accounts.given, *(token.split(".")[2] for token in cloud.accounts.given), *issued}


async def test_no_token_is_ever_logged_or_told(
    cloud: Cloud, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At DEBUG of all libraries, in messages, in errors with all their causes, and in what can be dumped."""
    caplog.set_level(logging.DEBUG)
    issued: list[str] = []
    issue = cloud.emulator.tokens.tokens.issue

    def noted(*arguments: Any) -> Any:
        token, row = issue(*arguments)
        issued.append(token)
        return token, row

    monkeypatch.setattr(cloud.emulator.tokens.tokens, "issue", noted)
    identities = cloud.identities()
    told: list[str] = []
    for identity in (TENANT, TRAINING, OTHER):
        async with cloud.client(identity, identities) as client:
            steps: list[Callable[[], object]] = [int, cloud.revoke, partial(cloud.change, serviceAccounts=[])]
            for step in steps:
                step()
                try:
                    await client.list_page("p")
                except JobServiceError as error:
                    told += chain(error)
    told += [repr(row) for row in cloud.rows()]
    told += [repr(identities.credentials(TRAINING)), str(TRAINING)]
    told += [record.getMessage() + str(record.exc_info) for record in caplog.records]
    secrets = canaries(cloud, issued)
    assert len(secrets) > 8
    assert [secret for secret in secrets for text in told if secret in text] == []


def chain(error: BaseException) -> list[str]:
    """An error and all its causes, as a traceback tells them."""
    found: list[str] = []
    each: BaseException | None = error
    while each is not None:
        found += [str(each), repr(each), getattr(each, "message", "")]
        each = each.__cause__ or each.__context__
    return found


@pytest.mark.parametrize("body", [{"access_token": "canary"}, {"access_token": "canary", "expires_in": "x"}])
async def test_an_answer_that_makes_no_sense_is_not_told(cloud: Cloud, body: Json) -> None:
    with RawServer(rest=answer(200, body)) as tokens:
        shared = open_identities(cloud.accounts, endpoint=tokens.url, timeout=5).credentials(TENANT)
        async with open_job_service(Access(endpoint=cloud.url, credentials=shared)) as client:
            with pytest.raises(Denied) as caught:
                await client.list_page("p")
    assert not any("canary" in text for text in chain(caught.value))


@pytest.mark.usefixtures("at_once")
async def test_a_dropped_exchange_is_tried_again(cloud: Cloud) -> None:
    with RawServer(rest=drop) as tokens:
        shared = open_identities(cloud.accounts, endpoint=tokens.url, timeout=5).credentials(TENANT)
        async with open_job_service(Access(endpoint=cloud.url, credentials=shared)) as client:
            for _ in range(2):
                with pytest.raises(
                    Unavailable, match="no access token for now: ServiceAccount team-a/mljobs"
                ):
                    await client.list_page("p")
        assert len(tokens.received) == 2


async def test_a_failed_fetch_answers_a_crowd_until_the_pause_is_over(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs that come one after the other do not each ask a token service that has just refused."""
    monkeypatch.setattr(credentials, "FAILED_PAUSE", 3600.0)
    cloud.accounts.error = Unavailable("no ServiceAccount yet")
    shared = cloud.identities().credentials(TENANT)
    for _ in range(20):
        with pytest.raises(GoogleAuthError, match="no ServiceAccount yet"):
            await shared.ready()
    assert len(cloud.accounts.asked) == 1
    cloud.accounts.error = None
    loop = asyncio.get_running_loop()
    clock = loop.time
    monkeypatch.setattr(loop, "time", lambda: clock() + 3600.0)
    assert await shared.ready(background=True)
    assert len(cloud.accounts.asked) == 2


@pytest.mark.parametrize(
    ("identity", "audience"),
    [
        (TENANT, TOKEN_AUDIENCE),
        (Caller("n", "a", PROVIDER, "https://x.example"), "https://x.example"),
        (Caller("n", "a", "identitynamespace:p.svc.id.goog:https://gke.example/c"), "p.svc.id.goog"),
    ],
)
def test_the_audience_of_a_token(identity: Caller, audience: str) -> None:
    assert audience_of(identity) == audience


def test_token_services_without_tls_elsewhere_are_refused() -> None:
    with pytest.raises(ValueError, match="clear text"):
        open_identities(endpoint="http://tokens.example")


ACCOUNT_OF = ServiceAccountRef(name="mljobs", provider=PROVIDER, audience="https://x.example")


@pytest.mark.parametrize(
    ("identity", "caller"),
    [
        (None, OPERATOR),
        (Identity(), OPERATOR),
        (Identity(impersonate=TRAINER), Caller(impersonate=TRAINER)),
        (
            Identity(service_account_ref=ServiceAccountRef(name="mljobs")),
            Caller("team-a", "mljobs"),
        ),
        (
            Identity(service_account_ref=ACCOUNT_OF, impersonate=TRAINER),
            Caller("team-a", "mljobs", PROVIDER, "https://x.example", TRAINER),
        ),
    ],
)
def test_whom_a_class_s_identity_is_in_a_namespace(identity: Identity | None, caller: Caller) -> None:
    assert Caller.of(identity, "team-a") == caller

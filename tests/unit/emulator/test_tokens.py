"""The token services verify what they get, and the APIs verify what those have given."""

import base64
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from mljobs_dev.emulator.settings import read_identities
from mljobs_dev.emulator.tokens import errors, sources, verify
from tests.unit.emulator import issuer as made
from tests.unit.emulator.issuer import Issuer, account_subject, exchange, principal
from tests.unit.emulator.test_vertex_sources import DOCUMENTATION, SOURCE, functions

Json = dict[str, Any]
Server = Any

ALICE = account_subject("team-a", "mljobs")
BOB = account_subject("team-b", "mljobs")
TRAINER = "trainer@team-a.iam.gserviceaccount.com"
RELAY = "relay@team-a.iam.gserviceaccount.com"
GENERATE = "/v1/projects/-/serviceAccounts/{}:generateAccessToken"
JOBS = "/v1/projects/team-a/jobs"

WITHOUT_SOURCE = {
    "a shorter lifetime": "less than an hour to live",
    "a disabled account": "a disabled service account",
    "errors.invalid_request": "a parameter of STS that is wrong",
    "errors.unauthenticated": "reasons of a 401",
    "errors.scope_insufficient": "a token without the scope",
    "errors.lifetime_too_long": "a lifetime above an hour",
    "verify.subject_of": "why STS refuses a token",
    "verify.unverified_subject": "`account` of the ledger",
}
"""What no public source tells, and the words under which the documentation says so."""


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture(scope="module")
def stranger() -> Issuer:
    """Another cluster, whose key has the same name."""
    return Issuer()


@pytest.fixture
def tokens(server: Server, issuer: Issuer) -> Server:
    """The emulator with a provider, two service accounts, and tokens required."""
    identities = {
        "required": True,
        "providers": [issuer.provider()],
        "serviceAccounts": [
            {"email": TRAINER, "tokenCreators": [principal(ALICE), f"serviceAccount:{RELAY}"]},
            {"email": RELAY, "tokenCreators": [f"principalSet://iam.googleapis.com/{made.POOL}/*"]},
        ],
    }
    server.control("POST", "/_emulator/identities", identities)
    return server


def swap(server: Server, token: str, **changes: str | None) -> tuple[int, Json]:
    """Exchange a token at STS."""
    form = urlencode(exchange(token, **changes)).encode()
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    status, text = server.send("POST", "/v1/token", form, **kind)
    return status, json.loads(text)


def federated(server: Server, issuer: Issuer, subject: str = ALICE, **changes: str | None) -> str:
    status, answer = swap(server, issuer.token(subject, time.time()), **changes)
    assert status == 200, answer
    return str(answer["access_token"])


def impersonate(server: Server, token: str, email: str = TRAINER, /, **body: Any) -> tuple[int, Json]:
    sent = json.dumps({"scope": [made.SCOPE], "lifetime": "3600s", **body}).encode()
    status, text = server.send("POST", GENERATE.format(email), sent, Authorization=f"Bearer {token}")
    return status, json.loads(text)


def call(server: Server, token: str = "", path: str = JOBS) -> tuple[int, Json]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    status, text = server.send("GET", path, **headers)
    return status, json.loads(text)


def rows(server: Server, **equal: str) -> list[Json]:
    query = "&".join(f"{name}={value}" for name, value in equal.items())
    found: list[Json] = server.control("GET", f"/_emulator/ledger?{query}")["effects"]
    return found


def test_a_good_token_is_exchanged_and_counts(tokens: Server, issuer: Issuer) -> None:
    status, answer = swap(tokens, issuer.token(ALICE, time.time()))
    assert status == 200
    assert answer == {
        "access_token": answer["access_token"],
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "token_type": "Bearer",
        "expires_in": 3600,
    }
    assert call(tokens, answer["access_token"]) == (200, {})
    exchanged, listed = rows(tokens)
    assert (exchanged["method"], exchanged["account"], exchanged["identity"]) == (
        "sts.token",
        ALICE,
        principal(ALICE),
    )
    assert listed["identity"] == principal(ALICE)


def test_an_exchange_in_json(tokens: Server, issuer: Issuer) -> None:
    form = exchange(issuer.token(ALICE, time.time()))
    camel = {name.split("_")[0] + "".join(map(str.title, name.split("_")[1:])): form[name] for name in form}
    status, text = tokens.send("POST", "/v1/token", json.dumps(camel).encode())
    assert status == 200, text


def _unsigned(token: str) -> str:
    header = base64.urlsafe_b64encode(b'{"alg":"none","kid":"k1"}').decode().rstrip("=")
    return f"{header}.{token.split('.')[1]}."


def _forged(token: str) -> str:
    """The claims of another subject under the signature of this one."""
    header, claims, signature = token.split(".")
    body = json.loads(base64.urlsafe_b64decode(claims + "=="))
    body["sub"] = BOB
    swapped = base64.urlsafe_b64encode(json.dumps(body).encode()).decode().rstrip("=")
    return f"{header}.{swapped}.{signature}"


REFUSED: dict[str, tuple[Callable[[Issuer, Issuer, float], str], str]] = {
    "another cluster's key of the same name": (lambda _, other, now: other.token(ALICE, now), "not accepted"),
    "an unsigned token": (lambda own, _, now: _unsigned(own.token(ALICE, now)), "not accepted"),
    "claims that were changed": (lambda own, _, now: _forged(own.token(ALICE, now)), "not accepted"),
    "a symmetric algorithm": (
        lambda *_: jwt.encode({"sub": ALICE}, "k" * 32, "HS256", headers={"kid": "k1"}),
        "not accepted",
    ),
    "an unknown key": (
        lambda own, *_: jwt.encode({"sub": ALICE}, own.key, "RS256", headers={"kid": "k2"}),
        "none of the issuer's",
    ),
    "no token": (lambda *_: "no token", "Unable to parse"),
    "the API server's own audience": (
        lambda own, _, now: own.token(ALICE, now, aud=["https://kubernetes.default.svc"]),
        r"audience in ID Token \[https://kubernetes\.default\.svc\] does not match the expected",
    ),
    "another issuer": (
        lambda own, _, now: own.token(ALICE, now, iss="https://elsewhere.example"),
        "issuer in ID Token https://elsewhere.example does not match",
    ),
    "an expired token": (lambda own, _, now: own.token(ALICE, now, exp=int(now) - 1), "stale to sign-in"),
    "a token of yesterday": (
        lambda own, _, now: own.token(ALICE, now, iat=int(now) - 24 * 3600 - 60),
        "stale to sign-in",
    ),
    "a token of tomorrow": (lambda own, _, now: own.token(ALICE, now, iat=int(now) + 3600), "not valid yet"),
    "no subject": (lambda own, _, now: own.token("", now, sub=None), "not accepted"),
    "no end": (lambda own, _, now: own.token(ALICE, now, exp=None), "not accepted"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_token_that_is_not_good_is_refused(
    tokens: Server, issuer: Issuer, stranger: Issuer, case: str
) -> None:
    make, words = REFUSED[case]
    status, answer = swap(tokens, make(issuer, stranger, time.time()))
    assert (status, answer["error"]) == (400, "invalid_grant"), answer
    assert re.search(words, answer["error_description"]), answer
    assert [row["applied"] for row in rows(tokens)] == [False]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"audience": "projects/1"}, "invalid_request"),
        ({"audience": None}, "invalid_request"),
        ({"audience": made.AUDIENCE.replace("dev-1", "dev-2")}, "invalid_target"),
        ({"grant_type": "password"}, "invalid_request"),
        ({"requested_token_type": None}, "invalid_request"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request"),
        ({"scope": None}, "invalid_request"),
        ({"subject_token": None}, "invalid_request"),
    ],
)
def test_a_request_that_is_wrong(
    tokens: Server, issuer: Issuer, changes: dict[str, str | None], error: str
) -> None:
    status, answer = swap(tokens, issuer.token(ALICE, time.time()), **changes)
    assert (status, answer["error"]) == (400, error), answer
    assert set(answer) == {"error", "error_description"}


def test_a_provider_that_is_disabled_or_whose_keys_cannot_be_read(
    tokens: Server, issuer: Issuer, tmp_path: Path
) -> None:
    token = issuer.token(ALICE, time.time())
    tokens.control("POST", "/_emulator/identities", {"providers": [issuer.provider(disabled=True)]})
    assert swap(tokens, token)[1]["error"] == "invalid_target"
    file = tmp_path / "jwks.json"
    oidc = {"issuerUri": made.ISSUER, "jwksFile": str(file)}
    tokens.control("POST", "/_emulator/identities", {"providers": [issuer.provider(oidc=oidc)]})
    assert swap(tokens, token)[1] == {
        "error": "invalid_grant",
        "error_description": "Error connecting to the given credential's issuer.",
    }
    file.write_text(issuer.jwks)
    assert swap(tokens, token)[0] == 200


def test_keys_on_an_elliptic_curve(tokens: Server) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    public = {**jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": "e1"}
    oidc = {"issuerUri": made.ISSUER, "jwksJson": json.dumps({"keys": [public]})}
    tokens.control("POST", "/_emulator/identities", {"providers": [{"name": made.PROVIDER, "oidc": oidc}]})
    now = int(time.time())
    claims = {"iss": made.ISSUER, "sub": BOB, "aud": made.AUDIENCE, "iat": now, "exp": now + 60}
    assert swap(tokens, jwt.encode(claims, key, "ES256", headers={"kid": "e1"}))[0] == 200


def test_an_account_is_impersonated_by_who_may(tokens: Server, issuer: Issuer) -> None:
    status, answer = impersonate(tokens, federated(tokens, issuer))
    assert status == 200
    assert set(answer) == {"accessToken", "expireTime"}
    assert call(tokens, answer["accessToken"])[0] == 200
    assert [row["identity"] for row in rows(tokens)] == [principal(ALICE), principal(ALICE), TRAINER]
    assert rows(tokens, account=TRAINER)[0]["method"] == (
        "iamcredentials.projects.serviceAccounts.generateAccessToken"
    )


DENIED = errors.access_token_denied().as_json()


def test_an_account_is_not_impersonated_by_others(tokens: Server, issuer: Issuer) -> None:
    token = federated(tokens, issuer, BOB)
    assert impersonate(tokens, token) == (403, DENIED)
    assert impersonate(tokens, token, "nobody@team-a.iam.gserviceaccount.com") == (403, DENIED)
    assert impersonate(tokens, token, delegates=[f"projects/-/serviceAccounts/{RELAY}"])[0] == 200
    alice = federated(tokens, issuer)
    assert impersonate(tokens, alice, delegates=[f"projects/-/serviceAccounts/{TRAINER}"])[0] == 403


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"scope": []}, 400),
        ({"scope": None}, 400),
        ({"lifetime": "3601s"}, 400),
        ({"lifetime": "1h"}, 400),
        ({"lifetime": None}, 200),
    ],
)
def test_what_may_be_asked_of_an_account(tokens: Server, issuer: Issuer, body: Json, status: int) -> None:
    assert impersonate(tokens, federated(tokens, issuer), **body)[0] == status


def reason(answer: Json) -> str:
    return str(answer["error"]["details"][0]["reason"])


def test_calls_without_a_token_that_counts(tokens: Server, issuer: Issuer) -> None:
    status, answer = call(tokens)
    assert (status, reason(answer)) == (401, "CREDENTIALS_MISSING")
    of_kubernetes = issuer.token(ALICE, time.time())
    status, answer = call(tokens, of_kubernetes)
    assert (status, reason(answer)) == (401, "ACCESS_TOKEN_TYPE_UNSUPPORTED")
    assert impersonate(tokens, "made-up")[0] == 401
    narrow = federated(tokens, issuer, scope="https://www.googleapis.com/auth/iam")
    status, answer = call(tokens, narrow)
    assert (status, reason(answer)) == (403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT")
    assert impersonate(tokens, narrow)[0] == 200
    assert [row["applied"] for row in rows(tokens, method="ml.projects.jobs.list")] == [False] * 3


def test_tokens_expire_and_are_revoked_and_accounts_are_disabled(tokens: Server, issuer: Issuer) -> None:
    now = [time.time()]
    tokens.emulator.tokens.tokens.unix = lambda: now[0]
    first = federated(tokens, issuer)
    now[0] += 3601
    status, answer = call(tokens, first)
    assert (status, reason(answer)) == (401, "ACCESS_TOKEN_EXPIRED")
    now[0] = time.time()
    second, other = federated(tokens, issuer), federated(tokens, issuer, BOB)
    assert tokens.control("DELETE", "/_emulator/tokens?identity=team-a")["revoked"] == 2
    assert call(tokens, second)[0] == 401
    assert call(tokens, other)[0] == 200
    accounts = [{"email": TRAINER, "tokenCreators": [principal(ALICE)]}]
    tokens.control("POST", "/_emulator/identities", {"serviceAccounts": accounts})
    token = str(impersonate(tokens, federated(tokens, issuer))[1]["accessToken"])
    assert call(tokens, token)[0] == 200
    accounts[0]["disabled"] = True  # type: ignore[assignment]
    tokens.control("POST", "/_emulator/identities", {"serviceAccounts": accounts})
    status, answer = call(tokens, token)
    assert (status, reason(answer)) == (401, "ACCOUNT_STATE_INVALID")
    assert impersonate(tokens, federated(tokens, issuer))[0] == 403


@pytest.mark.parametrize("path", ["/v1/projects/{}/jobs", "/v1/projects/{}/locations/us-central1/customJobs"])
def test_a_project_is_for_those_who_have_it(tokens: Server, issuer: Issuer, path: str) -> None:
    bindings = [{"member": principal(ALICE), "projects": ["team-a"]}]
    tokens.control("POST", "/_emulator/identities", {"bindings": bindings})
    alice, bob = federated(tokens, issuer), federated(tokens, issuer, BOB)
    assert call(tokens, alice, path.format("team-a"))[0] == 200
    assert call(tokens, alice, path.format("team-b"))[0] == 403
    assert call(tokens, bob, path.format("team-a"))[0] == 403


def test_without_required_tokens_everybody_is_taken(server: Server, issuer: Issuer) -> None:
    server.control("POST", "/_emulator/identities", {"providers": [issuer.provider()], "lifetime": 1})
    assert call(server)[0] == 200
    assert call(server, "made-up")[0] == 200
    token = federated(server, issuer)
    assert call(server, token)[0] == 200
    server.emulator.tokens.tokens.unix = lambda: time.time() + 2
    assert call(server, token)[0] == 401


def test_no_dump_holds_a_token(tokens: Server, issuer: Issuer) -> None:
    tokens.control("POST", "/_emulator/identities", {"canary": "yellow-bird"})
    subject = issuer.token(ALICE, time.time())
    access = str(swap(tokens, subject)[1]["access_token"])
    account = str(impersonate(tokens, access)[1]["accessToken"])
    assert [token.count("yellow-bird") for token in (access, account)] == [2, 2]
    assert call(tokens, account)[0] == 200
    dumps = [tokens.send("GET", f"/_emulator/{name}")[1] for name in ("ledger", "identities", "faults")]
    dumps.append(repr(vars(tokens.emulator.tokens.tokens)))
    for secret in (subject, access, account, subject.split(".")[2]):
        assert not any(secret in dump for dump in dumps)


def test_faults_of_one_accounts_tokens(tokens: Server, issuer: Issuer) -> None:
    fault = {"method": "sts.token", "account": "team-b", "action": "error", "status": 503}
    tokens.control("POST", "/_emulator/faults", [fault])
    assert swap(tokens, issuer.token(BOB, time.time()))[0] == 503
    assert swap(tokens, issuer.token(ALICE, time.time()))[0] == 200


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"providers": [{"name": "dev"}]}, "providers"),
        ({"providers": [{"name": made.PROVIDER, "oidc": {"issuerUri": "x"}}]}, "exactly one of jwksJson"),
        ({"serviceAccounts": [{"email": "x"}]}, "e-mail address"),
        ({"serviceAccounts": [{"email": TRAINER, "tokenCreators": ["user:a@b"]}]}, "serviceAccount:EMAIL"),
        ({"lifetime": 0}, "lifetime"),
        ([], "one object"),
    ],
)
def test_identities_that_make_no_sense(server: Server, body: Any, words: str) -> None:
    status, answer = server.send("POST", "/_emulator/identities", json.dumps(body).encode())
    assert status == 400
    assert words in answer


def test_identities_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "identities.yaml"
    file.write_text("required: true\nserviceAccounts: [{email: a@b.example}]\n")
    assert read_identities(file).account("a@b.example") is not None
    for text in ("{", "requested: true"):
        file.write_text(text)
        with pytest.raises(ValueError, match=f"identities: {file}"):
            read_identities(file)


def test_every_behaviour_has_a_source() -> None:
    modules = {"errors": errors, "verify": verify}
    named = {f"{name}.{one}" for name, module in modules.items() for one in functions(module)}
    assert set(sources.RULES) == named
    texts = [*sources.RULES.items(), *(row for method in sources.METHODS.values() for row in method.items())]
    assert [name for name, text in texts if not SOURCE.match(text)] == []
    assert {name for name, text in texts if "?" in text} == set(WITHOUT_SOURCE)
    documented = DOCUMENTATION.read_text().partition("## Where no public source")[2]
    assert [words for words in WITHOUT_SOURCE.values() if words not in documented] == []

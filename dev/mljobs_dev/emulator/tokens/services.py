"""The two token services, and the check of who a caller is."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from mljobs_dev.emulator.errors import ApiError
from mljobs_dev.emulator.schema import parse_json
from mljobs_dev.emulator.subjects import Subject, bearer, identity
from mljobs_dev.emulator.tokens import errors
from mljobs_dev.emulator.tokens.config import LIFETIME, PROVIDER, Identities, includes
from mljobs_dev.emulator.tokens.issued import CLOUD_SCOPES, IAM_SCOPES, AccessTokens, Issued
from mljobs_dev.emulator.tokens.verify import subject_of, unverified_subject

EXCHANGE = "sts.token"
GENERATE = "iamcredentials.projects.serviceAccounts.generateAccessToken"
METHODS = (EXCHANGE, GENERATE)
"""As the discovery documents name them."""

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name
SUBJECT_TYPES = ("urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:id_token")

_DURATION = re.compile(r"(\d+(?:\.\d+)?)s")
_GENERATE_PATH = re.compile(r"/+v1/projects/-/serviceAccounts/(?P<email>[^/:]+):generateAccessToken")


@dataclass(frozen=True)
class TokenCall:
    """A request of a token service.

    Attributes:
        method: one of `METHODS`.
        account: of the path: the service account whose token is asked for.
    """

    method: str
    account: str = ""


def find_token_call(verb: str, path: str) -> TokenCall | None:
    """The method that an HTTP verb and a path, without percent-encoding, mean."""
    if verb != "POST":
        return None
    if re.fullmatch(r"/+v1/token", path):
        return TokenCall(EXCHANGE)
    match = _GENERATE_PATH.fullmatch(path)
    return TokenCall(GENERATE, match["email"]) if match else None


@dataclass
class TokenServices:
    """STS and IAM Credentials.

    Attributes:
        identities: who there is.
        tokens: those that were issued.
    """

    identities: Identities = field(default_factory=Identities)
    tokens: AccessTokens = field(default_factory=AccessTokens)

    def caller(self, headers: Mapping[str, str]) -> str:
        """Who calls: whose token it is, or what it says of itself if it was not issued here."""
        issued = self.tokens.find(bearer(headers))
        return issued.identity if issued is not None else identity(headers)

    def check(self, method: str, headers: Mapping[str, str], scopes: frozenset[str] = CLOUD_SCOPES) -> None:
        """Refuse a call whose token does not count.

        Raises:
            ApiError: 401, or 403 for its scopes.
        """
        token = bearer(headers)
        issued = self.tokens.find(token)
        if issued is None and not self.identities.required:
            return
        reason = self._fault(token, issued)
        if reason:
            raise errors.unauthenticated(reason, method)
        if issued is not None and not issued.scopes & scopes:
            raise errors.scope_insufficient(method)

    def may_use(self, headers: Mapping[str, str], project: str) -> bool:
        """Whether a caller has a project; one who is not known has it unless tokens are required."""
        issued = self.tokens.find(bearer(headers))
        return issued is None or self.identities.has_project(issued.identity, project)

    def subject(self, call: TokenCall, body: bytes) -> Subject:
        """Whose token is asked for, as far as the request says so itself."""
        if call.account:
            return Subject(account=call.account)
        return Subject(account=unverified_subject(str(_exchange_body(body).get("subject_token", ""))))

    def answer(self, call: TokenCall, headers: Mapping[str, str], body: bytes) -> tuple[dict[str, Any], str]:
        """Answer a request; also says who called, once that is verified.

        Raises:
            ApiError: any answer other than 200; no token was issued then.
        """
        if call.method == EXCHANGE:
            return self._exchange(_exchange_body(body))
        return self._generate(call.account, headers, parse_json(body)), self.caller(headers)

    def _exchange(self, body: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
        for name, allowed in (
            ("grant_type", (GRANT,)),
            ("requested_token_type", (ACCESS_TOKEN,)),
            ("subject_token_type", SUBJECT_TYPES),
        ):
            if body.get(name) not in allowed:
                raise errors.invalid_request(f'Invalid value for "{name}".')
        if not body.get("subject_token") or not body.get("scope"):
            missing = "scope" if body.get("subject_token") else "subject_token"
            raise errors.invalid_request(f"Missing required parameter: {missing}")
        audience = str(body.get("audience", ""))
        if not audience.startswith("//iam.googleapis.com/") or not PROVIDER.fullmatch(audience[21:]):
            raise errors.invalid_audience()
        provider = self.identities.provider(audience)
        if provider is None:
            raise errors.unknown_provider()
        subject = subject_of(str(body["subject_token"]), provider, self.tokens.unix())
        principal = provider.principal(subject)
        lifetime = self.identities.lifetime
        scopes = frozenset(str(body["scope"]).split())
        token, _ = self.tokens.issue(principal, scopes, lifetime, self.identities.canary)
        answer = {
            "access_token": token,
            "issued_token_type": ACCESS_TOKEN,
            "token_type": "Bearer",
            "expires_in": lifetime,
        }
        return answer, principal

    def _generate(self, email: str, headers: Mapping[str, str], body: Any) -> dict[str, Any]:
        token = bearer(headers)
        issued = self.tokens.find(token)
        reason = self._fault(token, issued)
        if issued is None or reason:
            raise errors.unauthenticated(reason or "ACCESS_TOKEN_TYPE_UNSUPPORTED", GENERATE)
        if not issued.scopes & IAM_SCOPES:
            raise errors.scope_insufficient(GENERATE)
        lifetime, scopes = _wanted(body)
        chain = [*(_delegate(name) for name in body.get("delegates") or ()), email]
        holder = issued.identity
        for target in chain:
            self._check_creator(holder, target)
            holder = target
        known = self.identities
        made, new = self.tokens.issue(email, scopes, min(lifetime, known.lifetime), known.canary)
        expires = datetime.fromtimestamp(new.expires, UTC).replace(microsecond=0)
        return {"accessToken": made, "expireTime": expires.isoformat().replace("+00:00", "Z")}

    def _check_creator(self, holder: str, email: str) -> None:
        """Refuse somebody who may not get tokens of an account."""
        account = self.identities.account(email)
        if account is None or account.disabled or not includes(account.token_creators, holder):
            raise errors.access_token_denied()

    def _fault(self, token: str, issued: Issued | None) -> str:
        """Why a token does not count; empty for one that does."""
        if not token:
            return "CREDENTIALS_MISSING"
        if issued is None:
            return "ACCESS_TOKEN_TYPE_UNSUPPORTED"
        if issued.expires <= self.tokens.unix():
            return "ACCESS_TOKEN_EXPIRED"
        account = self.identities.account(issued.identity)
        return "ACCOUNT_STATE_INVALID" if account is not None and account.disabled else ""


def _wanted(body: Any) -> tuple[float, frozenset[str]]:
    """Lifetime and scopes that a GenerateAccessTokenRequest asks for."""
    scopes = body.get("scope") if isinstance(body, dict) else None
    if not isinstance(scopes, list) or not scopes:
        raise ApiError(400)
    text = body.get("lifetime") or f"{LIFETIME}s"
    match = _DURATION.fullmatch(str(text))
    if match is None:
        raise ApiError(400)
    seconds = float(match[1])
    if seconds > LIFETIME:
        raise errors.lifetime_too_long(seconds)
    return seconds, frozenset(map(str, scopes))


def _delegate(name: Any) -> str:
    return str(name).removeprefix("projects/-/serviceAccounts/")


def _exchange_body(body: bytes) -> Mapping[str, Any]:
    """The parameters of an exchange by their names in a form; the discovery document has them in JSON."""
    text = body.decode("utf-8", "replace")
    if not text.lstrip().startswith("{"):
        return dict(parse_qsl(text))
    try:
        given = json.loads(text)
    except ValueError:
        return {}
    return {
        re.sub(r"[A-Z]", lambda found: f"_{found[0].lower()}", name): value for name, value in given.items()
    }

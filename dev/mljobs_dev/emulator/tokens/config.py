"""What a test says about identities: providers, service accounts, and who has which project.

Words are Google's where it has one: `oidc` is that of a WorkloadIdentityPoolProvider, members are those of
IAM policies.
"""

import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from mljobs_dev.emulator.scripting import ControlBody

LIFETIME = 3600
"""Seconds that an access token is valid, by default and at most."""

PROVIDER = re.compile(
    r"projects/(?P<project>\d+)/locations/global/workloadIdentityPools/(?P<pool>[a-z0-9-]{4,32})/"
    r"providers/(?P<provider>[a-z0-9-]{4,32})"
)
MEMBER = re.compile(
    r"(serviceAccount:[^\s@]+@\S+|principal://iam\.googleapis\.com/\S+|principalSet://\S+/\*)"
)
EMAIL = re.compile(r"[^\s@/:]+@[^\s@/:]+")


def _matching(pattern: re.Pattern[str], what: str) -> AfterValidator:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f"is not {what}")
        return text

    return AfterValidator(check)


Member = Annotated[
    str, _matching(MEMBER, "serviceAccount:EMAIL, principal://iam.googleapis.com/… or principalSet://…/*")
]
Email = Annotated[str, _matching(EMAIL, "the e-mail address of a service account")]
ProviderName = Annotated[
    str,
    _matching(
        PROVIDER,
        "projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER",
    ),
]


class Oidc(ControlBody):
    """An OpenID Connect issuer; its keys come from one of three places.

    Attributes:
        issuer_uri: of its tokens.
        allowed_audiences: of its tokens; none: the provider's full name, with or without `https:`.
        jwks_json: the keys as a JSON Web Key Set.
        jwks_file: a file with them, read for each token.
        jwks_uri: where they are served, such as `https://HOST:PORT/openid/v1/jwks` of an API server that lets
            `system:unauthenticated` read it.
        ca_file: the PEM of the authority that `jwks_uri` is trusted by.
    """

    issuer_uri: Annotated[str, Field(min_length=1)]
    allowed_audiences: list[str] = Field(default_factory=list)
    jwks_json: str = ""
    jwks_file: str = ""
    jwks_uri: str = ""
    ca_file: str = ""

    @model_validator(mode="after")
    def _one_source(self) -> "Oidc":
        if sum(map(bool, (self.jwks_json, self.jwks_file, self.jwks_uri))) != 1:
            raise ValueError("must have exactly one of jwksJson, jwksFile and jwksUri")
        return self


class Provider(ControlBody):
    """A provider of a workload identity pool.

    Attributes:
        name: its full name.
        oidc: whose tokens it takes.
        disabled: whether it takes none for now.
    """

    name: ProviderName
    oidc: Oidc
    disabled: bool = False

    @property
    def pool(self) -> str:
        """The full name of its pool."""
        return self.name.partition("/providers/")[0]

    @property
    def audiences(self) -> list[str]:
        """The audiences that a token may have."""
        full = f"//iam.googleapis.com/{self.name}"
        return self.oidc.allowed_audiences or [f"https:{full}", full]

    def principal(self, subject: str) -> str:
        """The member that a token's subject is."""
        return f"principal://iam.googleapis.com/{self.pool}/subject/{subject}"


class ServiceAccount(ControlBody):
    """A service account of Google's.

    Attributes:
        email: its address.
        token_creators: the members that may get tokens of it.
        disabled: whether it gets no tokens, and those that it has are not accepted.
    """

    email: Email
    token_creators: list[Member] = Field(default_factory=list)
    disabled: bool = False


class Binding(ControlBody):
    """The projects in which a member may do everything.

    Attributes:
        member: who.
        projects: their ids.
    """

    member: Member
    projects: list[str]


class Identities(ControlBody):
    """Who there is, and what they may do.

    Attributes:
        required: whether each call needs a valid access token; otherwise calls without one, and with one
            that is not known, are taken too.
        lifetime: seconds that an access token is valid, at most.
        canary: a text that each access token that is issued from now on holds, near both of its ends, so that
            a test can search all outputs for it.
        providers: of workload identity pools.
        service_accounts: of Google's.
        bindings: who has which projects; None: who is known has all of them.
    """

    required: bool = False
    lifetime: Annotated[int, Field(ge=1, le=LIFETIME)] = LIFETIME
    canary: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]*$", max_length=64)] = ""
    providers: list[Provider] = Field(default_factory=list)
    service_accounts: list[ServiceAccount] = Field(default_factory=list)
    bindings: list[Binding] | None = None

    def provider(self, audience: str) -> Provider | None:
        """The provider that an STS request names as its audience."""
        named = audience.removeprefix("//iam.googleapis.com/")
        return next((one for one in self.providers if one.name == named and not one.disabled), None)

    def account(self, email: str) -> ServiceAccount | None:
        """The service account with an address."""
        return next((one for one in self.service_accounts if one.email == email), None)

    def has_project(self, identity: str, project: str) -> bool:
        """Whether somebody may do anything in a project."""
        if self.bindings is None:
            return True
        return any(project in one.projects and includes([one.member], identity) for one in self.bindings)


def includes(members: Iterable[str], identity: str) -> bool:
    """Whether an identity, an address or a principal, is among the members."""
    own = identity if identity.startswith("principal://") else f"serviceAccount:{identity}"
    return any(own == member or _in_set(member, own) for member in members)


def _in_set(member: str, principal: str) -> bool:
    """Whether a member is the set of all principals of the pool."""
    pool = member.removeprefix("principalSet:").removesuffix("/*")
    return member.startswith("principalSet:") and principal.startswith(f"principal:{pool}/subject/")

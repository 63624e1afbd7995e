"""Which service is called, where, and as whom: what a JobClass says and the record of a job keeps."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from mljobs.api.base import Model
from mljobs.api.patterns import DNS_NAME

Endpoint = Annotated[str, Field(max_length=512, pattern=r"^(https?://[^\s/?#@]+(/[^\s?#]*)?)?$")]
Email = Annotated[str, Field(max_length=320, pattern=r"^[^@\s/]+@[^@\s/]+$")]

PROVIDER_PATTERN = (
    r"^(projects/[0-9]+/locations/global/workloadIdentityPools/[a-z0-9-]+/providers/[a-z0-9-]+"
    r"|identitynamespace:[^\s]+)$"
)


class Service(StrEnum):
    """The services that run jobs."""

    MLV1 = "MLv1"
    VERTEX_AI = "VertexAI"


class ServiceAccountRef(Model):
    """A Kubernetes ServiceAccount in the namespace of the job, exchanged for an identity of Google Cloud.

    The operator requests a token for it (TokenRequest), which Workload Identity Federation exchanges (STS).
    """

    name: Annotated[str, Field(min_length=1, max_length=253, pattern=rf"^{DNS_NAME}$")]
    """The name of the ServiceAccount. The operator may request tokens for accounts of the names that its
    administrator has set."""

    provider: Annotated[str, Field(max_length=512, pattern=PROVIDER_PATTERN)] | None = None
    """The provider of the workload identity pool, `projects/NUMBER/locations/global/workloadIdentityPools/
    POOL/providers/PROVIDER`, or of GKE, `identitynamespace:POOL:PROVIDER`. Defaults to the operator's
    setting `identityProvider`."""

    audience: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """The audience of the token. Defaults to what the provider expects, `https://iam.googleapis.com/` and its
    name."""


class Identity(Model):
    """As whom the operator calls the service. Left empty, as itself."""

    service_account_ref: ServiceAccountRef | None = None
    """A ServiceAccount of the namespace that the job is in."""

    impersonate: Email | None = None
    """A service account of Google Cloud to impersonate, from the operator's own identity or from that of
    `serviceAccountRef`."""

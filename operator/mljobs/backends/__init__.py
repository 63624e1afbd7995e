"""The job services behind the port of `mljobs.domain.port`: the only place that knows Google."""

from mljobs.backends.factory import (
    Access,
    open_identities,
    open_job_logs,
    open_job_service,
    open_object_storage,
    open_vertex,
)
from mljobs.backends.google.calls import check_endpoint
from mljobs.backends.google.identity import AccountTokens, Identities
from mljobs.backends.google.limits import Limits
from mljobs.backends.registry import (
    MLV1,
    SERVICES,
    VERTEX_AI,
    OpenBackend,
    Service,
    Terms,
    facts_of_class,
    service_named,
    service_of,
)

__all__ = [
    "MLV1",
    "SERVICES",
    "VERTEX_AI",
    "Access",
    "AccountTokens",
    "Identities",
    "Limits",
    "OpenBackend",
    "Service",
    "Terms",
    "check_endpoint",
    "facts_of_class",
    "open_identities",
    "open_job_logs",
    "open_job_service",
    "open_object_storage",
    "open_vertex",
    "service_named",
    "service_of",
]

"""Which resource a user means: by its name, its kind and name, or its job's id."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mljobs.domain.spec.metadata import is_resource_name
from mljobs.kubectl.failure import TROUBLE, Failure

if TYPE_CHECKING:
    from mljobs.api.resources import JobKind
    from mljobs.kubectl.cluster import Cluster

Json = dict[str, Any]


@dataclass(frozen=True)
class Found:
    """A resource that was asked for.

    Attributes:
        kind: its kind.
        body: the object.
    """

    kind: "JobKind"
    body: Json

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.body["metadata"]["name"])

    @property
    def title(self) -> str:
        """Kind and name as kubectl writes them, `trainingjob/census`."""
        return f"{self.kind.singular}/{self.name}"

    @property
    def status(self) -> Json:
        """Its status; empty if it has none."""
        return self.body.get("status") or {}

    @property
    def job(self) -> tuple[str, str]:
        """Project and id of its job.

        Raises:
            Failure: the service has not accepted one.
        """
        from mljobs.domain.job.resource import Resource

        recorded = Resource.parse({**self.body, "kind": self.kind.name}).recorded
        if recorded is None:
            raise Failure(
                f"{self.title} has no job yet",
                hint=f"`kubectl mljobs describe {self.title}` says why, "
                f"and `kubectl mljobs wait {self.title} --for submitted` waits for it",
            )
        return recorded.project, recorded.job_id

    @property
    def log_id(self) -> str:
        """What its job is called in the project's log: its full name's last part.

        Raises:
            Failure: the service has not accepted one.
        """
        _, job_id = self.job
        return str(self.status.get("jobName") or "").rpartition("/")[2] or job_id


def kind_named(word: str) -> "JobKind":
    """The kind that kubectl knows by a word: `TrainingJob`, `trainingjobs`, `tj`, `trainingjobs.mljobs.dev`.

    Raises:
        Failure: there is none.
    """
    from mljobs.api.resources import GROUP, KINDS

    wanted = word.lower().removesuffix(f".{GROUP}")
    for kind in KINDS.values():
        short = kind.singular.removesuffix("job")
        if wanted in (kind.name.lower(), kind.plural, kind.singular, kind.short_name, short):
            return kind
    words = ", ".join(f"{kind.singular} ({kind.short_name})" for kind in KINDS.values())
    raise Failure(f"there is no kind {word}", hint=f"must be one of {words}", code=TROUBLE)


def find(cluster: "Cluster", reference: str) -> Found:
    """Find a resource of the cluster's namespace.

    Args:
        cluster: where to look.
        reference: `NAME`, `KIND/NAME`, or in place of the name a job's id, display name (which may have a
            slash), number or full name at the service.

    Raises:
        Failure: there is none, or there are several.
    """
    word, _, name = reference.rpartition("/")
    kinds, name, unknown = _kinds(word, name, reference)
    found: list[Found] = []
    if is_resource_name(name):
        bodies = ((kind, cluster.get(kind, name)) for kind in kinds)
        found = [Found(kind, body) for kind, body in bodies if body is not None]
    if not found:
        found = [
            Found(kind, body) for kind in kinds for body in cluster.items([kind]) if name in _job_names(body)
        ]
    if not found and unknown:
        raise unknown
    if not found:
        what = " or ".join(kind.name for kind in kinds)
        raise Failure(
            f"there is no {what} {name} in namespace {cluster.namespace}",
            hint="`kubectl mljobs list -A` shows what there is",
        )
    if len(found) > 1:
        titles = " and ".join(one.title for one in found)
        raise Failure(f"{name} may be {titles}", hint="say which by KIND/NAME", code=TROUBLE)
    return found[0]


def _kinds(word: str, name: str, reference: str) -> tuple[Sequence["JobKind"], str, Failure | None]:
    """Where to look and for which name; and what is wrong if the name is that of no job."""
    from mljobs.api.resources import KINDS

    if not word:
        return list(KINDS.values()), name, None
    try:
        return [kind_named(word)], name, None
    except Failure as failure:
        return list(KINDS.values()), reference, failure


def _job_names(body: Json) -> set[str]:
    """What a resource's job is called: its id or display name, its full name, the last part of that."""
    status, spec = body.get("status") or {}, body.get("spec") or {}
    name = str(status.get("jobName") or "")
    return {str(status.get("jobId") or spec.get("jobId") or ""), name, name.rpartition("/")[2]}

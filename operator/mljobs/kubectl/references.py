"""Which resource a user means: by its name, its kind and name, or its job's id."""

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
        reference: `NAME`, `KIND/NAME`, or a job's id in place of the name.

    Raises:
        Failure: there is none, or there is one of each kind.
    """
    from mljobs.api.resources import KINDS

    word, _, name = reference.rpartition("/")
    kinds = [kind_named(word)] if word else list(KINDS.values())
    found: list[Found] = []
    if is_resource_name(name):
        bodies = ((kind, cluster.get(kind, name)) for kind in kinds)
        found = [Found(kind, body) for kind, body in bodies if body is not None]
    if not found:
        found = [
            Found(kind, body) for kind in kinds for body in cluster.items([kind]) if _job_id(body) == name
        ]
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


def _job_id(body: Json) -> str:
    return str((body.get("status") or {}).get("jobId") or (body.get("spec") or {}).get("jobId") or "")

"""The job services that the harness knows: what their requests are called, and how their truth is read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mljobs.domain.job import naming
from mljobs_dev.emulator.routes import find_route
from tests.e2e.support_stack import API, Emulator
from tests.faults.gate import Json, Step

ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
ENDING = ENDED | {"CANCELLING"}


@dataclass(frozen=True)
class Backend:
    """A job service and how the operator is told to use it.

    Attributes:
        name: for test ids.
        step: names a request by verb, path and body.
        truth: reads the service's truth about one project, and moves its jobs.
        settings: more environment variables of the operator.
        may_say: reasons of events that come of a crash alone, in every story.
        without: names of stories that cannot happen to it, adoption by a chosen id say.
        queue: whether a waiting job has a place in a queue.
        waiting: the states in which resources show a job that waits.
    """

    name: str
    step: Callable[[str, str, Any], Step]
    truth: "Callable[[Emulator, str], Truth]"
    settings: Mapping[str, str] = field(default_factory=dict)
    without: frozenset[str] = frozenset()
    may_say: frozenset[str] = frozenset()
    queue: bool = True
    waiting: frozenset[str] = frozenset({"QUEUED"})


@dataclass(frozen=True)
class CloudJob:
    """A job as the service has it.

    Attributes:
        job_id: its id.
        state: a word of the API.
        labels: all of them.
    """

    job_id: str
    state: str
    labels: Mapping[str, str]

    @property
    def user_labels(self) -> dict[str, str]:
        return {k: v for k, v in self.labels.items() if k not in naming.OWNERSHIP_LABELS}

    def owned(self, uid: str) -> bool:
        return naming.is_owned(self.labels, uid)


class Truth:
    """The service as others see and use it, past the operator: one project of it.

    Args:
        service: the emulator.
        project: the project.
    """

    def __init__(self, service: Emulator, project: str) -> None:
        self.service = service
        self.project = project

    def jobs(self) -> list[CloudJob]:
        """All jobs, oldest first."""
        return [
            CloudJob(row["jobId"], row.get("state", ""), row.get("labels", {}))
            for row in reversed(self.service.jobs(project=self.project))
        ]

    def applied(self) -> list[tuple[str, str]]:
        """Method and job of every request that changed something, in order."""
        return [
            (row["method"].removeprefix(API), row["jobId"])
            for row in self.service.effects(project=self.project)
            if row["applied"]
        ]

    def policy(self, job_id: str) -> list[Json]:
        """The bindings of a job's IAM policy."""
        path = f"/v1/projects/{self.project}/jobs/{job_id}:getIamPolicy"
        bindings: list[Json] = self.service._json("GET", path).get("bindings", [])
        return sorted(bindings, key=lambda row: str(row["role"]))

    def create(self, job: Json) -> None:
        """Submit a job."""
        self.service.create(job, project=self.project)

    def force(self, job_id: str, state: str, error: str = "") -> None:
        """Move a job on."""
        self.service.force(job_id, state, error, project=self.project)

    def cancel(self, job_id: str) -> None:
        """Cancel a job as somebody else does."""
        self.service.cancel(job_id, project=self.project)

    def vanish(self, job_id: str) -> None:
        """Let the service lose a job."""
        self.service.vanish(job_id, project=self.project)

    def deny(self, permission: str) -> None:
        """Take a permission from the operator."""
        body = {"denied": [permission], "project": f"^{self.project}$"}
        self.service._json("POST", "/_emulator/permissions", body)


_READS = frozenset({"get", "list", "getIamPolicy", "testIamPermissions"})


def _ml_step(verb: str, path: str, body: Any) -> Step:
    route = find_route(verb, path.partition("?")[0])
    method = route.method.removeprefix(API) if route else f"{verb} {path}"
    return Step(f"{method}", method not in _READS)


ML_V1 = Backend("ml", step=_ml_step, truth=Truth)

BACKENDS = (ML_V1,)
"""All of them; a scenario runs on each."""


def kubernetes_step(verb: str, path: str, body: Any) -> Step:
    """Name a request to the API server without what differs from run to run."""
    place = path.partition("?")[0]
    if verb == "GET":
        return Step(f"GET {'watch' if 'watch=true' in path else place.rsplit('/', 1)[-1]}", effect=False)
    if isinstance(body, list):
        return Step("JSON patch", effect=True)  # which our operator sends none of
    if place.endswith("/token"):
        return Step(f"{verb} token", effect=True)
    if "/leases" in place:
        return Step(f"{verb} lease", effect=True)
    if place.endswith("/events"):
        return Step(f"event {(body or {}).get('reason')}", effect=True)
    if "/events/" in place:
        return Step(f"event again x{(body or {}).get('count')}", effect=True)
    if place.endswith("/status"):
        return Step(f"status {_status_words((body or {}).get('status') or {})}", effect=True)
    return Step(_metadata_words((body or {}).get("metadata") or {}), effect=True)


def _metadata_words(metadata: Json) -> str:
    if metadata.get("annotations"):
        return "intent"
    return "release" if not metadata.get("finalizers") else "finalizers"


def _status_words(status: Json) -> str:
    said = [
        f"{row['type']}={row['status']}/{row['reason']}"
        for row in status.get("conditions") or ()
        if row["type"] in ("Submitted", "Succeeded", "Stalled", "Suspended", "Reconciling")
    ]
    plain = [
        f"{name}={status[name]}" if name in ("state", "attempt", "observedGeneration") else name
        for name in sorted(status)
        if name not in ("conditions", "etag") and not name.endswith(("Time", "Output"))
    ]
    return " ".join([*plain, *said])

"""Short ways to make resources, jobs and observations for tests of the core."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from mljobs.backends.mlv1.facts import MlV1Facts
from mljobs.domain.job import naming
from mljobs.domain.job.observation import Observation
from mljobs.domain.job.resource import FINALIZER, SUBMISSION, Intent, Resource, Target
from mljobs.domain.port import Job, Owner, Reference, Scope

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
START = NOW - timedelta(hours=1)
UID = "11111111-2222-3333-4444-555555555555"
FACTS = MlV1Facts()
OWNER = Owner("team-a", "census", UID)
JOB_ID = FACTS.job_id(OWNER, 1, None)


def target(project: str, job_id: str, attempt: int) -> Target:
    """A job as decide knows it: with its scope and its reference."""
    scope = Scope(f"projects/{project}")
    return Target(project, job_id, attempt, scope, Reference(f"{scope}/jobs/{job_id}"))


TARGET = target("proj", JOB_ID, 1)
SECOND = target("proj", JOB_ID[:-1] + "2", 2)
STRANGER = "99999999-2222-3333-4444-555555555555"
"""The uid of another resource."""

SPEC: dict[str, Any] = {
    "projectId": "proj",
    "trainingInput": {"region": "us-central1", "masterConfig": {"imageUri": "gcr.io/proj/image:1"}},
}


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def intent(
    target: Target = TARGET, *, generation: int = 1, time: datetime = NOW, adopting: bool = False
) -> Intent:
    return Intent(target, generation, time, adopting)


def resource(
    *,
    spec: Mapping[str, Any] | None = None,
    intended: Intent | None = None,
    held: bool | None = None,
    status: Mapping[str, Any] | None = None,
    generation: int = 1,
    deleting: bool = False,
    force: bool = False,
    adopt: str = "",
) -> Resource:
    annotations = {}
    if intended:
        annotations[SUBMISSION] = intended.encode(UID)
    if force:
        annotations["mljobs.dev/force-release"] = "true"
    if adopt:
        annotations["mljobs.dev/adopt"] = adopt
    is_held = bool(intended) if held is None else held
    return Resource(
        kind="TrainingJob",
        namespace="team-a",
        name="census",
        uid=UID,
        generation=generation,
        version="7",
        deleting=deleting,
        finalizers=(FINALIZER,) if is_held else (),
        annotations=annotations,
        spec={**SPEC, **(spec or {})},
        status=status or {"observedGeneration": -1},
        facts=FACTS,
    )


def job(
    state: str = "RUNNING",
    *,
    target: Target = TARGET,
    uid: str = UID,
    namespace: str = "team-a",
    labels: Mapping[str, str] | None = None,
    **fields: Any,
) -> Job:
    mine = naming.ownership_labels(Owner(namespace, "census", uid), target.attempt)
    document = {
        "jobId": target.job_id,
        "state": state,
        "labels": {**(labels or {}), **mine},
        "etag": "AAAAAAAAAAE=",
        "createTime": "2026-01-02T03:00:00Z",
        **fields,
    }
    return Job.parse(document, Reference(f"projects/{target.project}/jobs/{target.job_id}"))


def observed(**fields: Any) -> Observation:
    """What is known of a job; one that is given was seen just now."""
    seen = {"seen_at": NOW} if "job" in fields else {}
    return Observation(**{"since": START, "target": TARGET, **seen, **fields})


def missing(*, for_: float = 300, answers: int = 3, **fields: Any) -> Observation:
    """The service has said so often, over so many seconds, that there is no such job."""
    return observed(absences=answers, absent_since=later(-for_), absent_at=NOW, **fields)


def condition(kind: str, status: str, reason: str, message: str = "", generation: int = 1) -> dict[str, Any]:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": generation,
        "lastTransitionTime": "2026-01-02T03:00:00Z",
    }


def record(conditions: Sequence[Mapping[str, Any]], attempt: int, generation: int) -> dict[str, Any]:
    """What the operator remembers where a resource shows these conditions."""
    said = {row["type"]: row for row in conditions}
    word = {kind: (row["status"], row["reason"]) for kind, row in said.items()}
    status, reason = word.get("Stalled", ("", ""))
    if word.get("Submitted", ("", ""))[0] != "True":
        refusals = ("Rejected", "JobIdTaken", "NothingToAdopt")
        refused = status == "True" and reason in refusals
        return {"refused": {"generation": generation, "reason": reason}} if refused else {}
    made: dict[str, Any] = {"accepted": "Recovered" if word["Submitted"][1] == "Adopted" else "Created"}
    if word.get("Suspended", ("", ""))[0] == "True":
        made["suspendedAttempt"] = attempt
    if (status, reason) == ("True", "Lost"):
        made["presence"] = "Lost"
    if word.get("Succeeded", ("", ""))[1] == "FoundAgain":
        made["presence"] = "FoundAgain"
    return made


def status(
    state: str = "RUNNING",
    *conditions: Mapping[str, Any],
    target: Target = TARGET,
    generation: int = 1,
    submitted: str = "True",
    remembered: Mapping[str, Any] | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """The status of a resource whose job the service has accepted; `remembered` joins its record."""
    shown = [condition("Submitted", submitted, "Accepted"), *conditions]
    return {
        "observedGeneration": generation,
        "record": {**record(shown, target.attempt, generation), **(remembered or {})},
        "state": state,
        "attempt": target.attempt,
        "jobId": target.job_id,
        "jobName": f"projects/{target.project}/jobs/{target.job_id}",
        "projectId": target.project,
        "conditions": shown,
        **fields,
    }


def stalled(reason: str, *, generation: int = 1) -> dict[str, Any]:
    """The status of a resource that was refused before it had a job."""
    shown = [condition("Submitted", "False", reason), condition("Stalled", "True", reason)]
    return {"observedGeneration": generation, "record": record(shown, 1, generation), "conditions": shown}

"""What remains after the operator was removed, and the next step for it, by the rules of `decide`. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from mljobs.domain import errors
from mljobs.domain.decide import AdminPolicy, decide
from mljobs.domain.decide.decisions import Decision, Read, Release, Wait
from mljobs.domain.decide.unknown_outcome import outcome_unknown
from mljobs.domain.job.naming import (
    ATTEMPT_LABEL,
    NAME_LABEL,
    NAMESPACE_LABEL,
    UID_LABEL,
    is_owned,
    label_value,
)
from mljobs.domain.job.observation import Call, Observation
from mljobs.domain.job.resource import FINALIZER, FORCE_RELEASE, SUBMISSION, Intent, Resource, Target
from mljobs.domain.policies.lost import service_is_wrong
from mljobs.domain.port import Job


class Way(StrEnum):
    """What happens to the jobs."""

    CANCEL = "cancel"
    ORPHAN = "orphan"


class Verdict(StrEnum):
    """What is known of a job."""

    OURS = "ours"
    FOREIGN = "not ours"
    ABSENT = "not found"
    RECORDED = "recorded"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Leftover:
    """A resource that has our finalizer, or a job without a resource.

    Attributes:
        resource: as last read; made from the job's labels if it was deleted.
        known: the observation of the job.
        target: the job.
        stray: whether the resource was deleted.
        disbelieved: why the service is not believed that there is no such job; empty if it is.
    """

    resource: Resource
    known: Observation
    target: Target | None = None
    stray: bool = False
    disbelieved: str = ""

    @property
    def job_name(self) -> str:
        """The job's full name; empty if none was ever intended."""
        return self.target.job_name if self.target else ""

    @property
    def verdict(self) -> Verdict:
        """What is known of the job."""
        job = self.known.job
        if job:
            return Verdict.OURS if is_owned(job.labels, self.resource.uid) else Verdict.FOREIGN
        if self.known.absent_at:
            return Verdict.ABSENT
        return Verdict.UNKNOWN if self.failed else Verdict.RECORDED

    @property
    def state(self) -> str:
        """The job's state, a word of the API; empty if unknown."""
        if self.known.job:
            return self.known.job.state
        return self.resource.state if self.verdict is Verdict.RECORDED else ""

    @property
    def failed(self) -> str:
        """Why the job could not be read; empty if it could."""
        found = self.known.failed_calls.get(Call.GET)
        return f"{type(found.error).__name__}: {found.error.message}" if found else ""

    @property
    def may_run(self) -> bool:
        """Whether a job of ours may still be running, as far as is known."""
        job = self.known.job
        running = job is not None and not (job.ending or self.known.cancelled)
        return self.verdict is Verdict.UNKNOWN or (running and self.verdict is Verdict.OURS)


def probe(resource: Resource, since: datetime, policy: AdminPolicy, now: datetime) -> Target | None:
    """The job to read before anything is decided; None if the resource's record suffices."""
    step = decide(_to_be_cancelled(resource), Observation(since=since), policy, now)
    return step.target if isinstance(step, Read) else None


def next_step(item: Leftover, way: Way, policy: AdminPolicy, now: datetime) -> Decision:
    """What the operator would do next if the resource were being deleted.

    Args:
        item: what remains.
        way: whether jobs are cancelled as the deletion policy says, or left alone.
        policy: the administrator's settings.
        now: the time, with a zone.
    """
    resource = replace(item.resource, deleting=True)
    if way is Way.CANCEL:
        return decide(resource, item.known, policy, now)
    settled = decide(_to_be_cancelled(resource), item.known, policy, now)
    if isinstance(settled, Release):  # there is no job that could still be running
        return settled
    forced = {**resource.annotations, FORCE_RELEASE: "true"}
    return decide(replace(resource, annotations=forced), item.known, policy, now)


def left_to_operator(item: Leftover, policy: AdminPolicy, now: datetime) -> str:
    """Why only a running operator may clean this up; empty if others may, too.

    An operator writes its intent down before it calls create, guarded by the version that it has read: once a
    resource is being deleted there is no new intent. A job that the service has accepted can be cancelled by
    anybody, once or twice. But a create call for an intent that is written down may still come, from an
    operator that has not seen the deletion.
    """
    resource = item.resource
    if item.stray:
        return ""
    if not resource.deleting:
        return "it is not being deleted, and an operator manages it: delete it, and its job is cancelled."
    if not resource.force_release and outcome_unknown(
        resource, replace(item.known, outcome_unknown_at=now + _FOR_EVER), policy
    ):
        return (
            "the service has not accepted its job yet, and the running operator may still submit it: it "
            "releases the resource by itself if it has the permission to. Else stop it, and run this again."
        )
    return ""


_FOR_EVER = timedelta(days=365)


def marked(items: Sequence[Leftover]) -> list[Leftover]:
    """Mark missing jobs if so many of their project are missing that the service must be wrong."""
    active: dict[str, list[Leftover]] = {}
    for item in items:
        if item.target and item.resource.submitted and not item.resource.lost and item.known.target:
            active.setdefault(item.target.project, []).append(item)
    disbelieved = {}
    for project, asked in active.items():
        missing = sum(item.verdict is Verdict.ABSENT for item in asked)
        if service_is_wrong(asked=len(asked), missing=missing):
            disbelieved[project] = (
                f"the service reports that {missing} of {len(asked)} jobs of {project} do not exist, and is "
                f"not believed: check --endpoint; if they are really gone, add --believe-missing."
            )
    return [
        replace(item, disbelieved=disbelieved.get(item.target.project, ""))
        if item.target and item.verdict is Verdict.ABSENT and not item.resource.lost
        else item
        for item in items
    ]


def why_missing(item: Leftover, after: timedelta) -> str:
    """Why a resource is not released although the service does not find its job."""
    return item.disbelieved or (
        f"there is no such job: --cancel keeps reading until that has lasted {after.total_seconds():g} s, "
        f"within --timeout."
    )


def why(item: Leftover, step: Wait) -> str:
    """What a step waits for, for a user without an operator that retries."""
    failed = next((one for one in item.known.failed_calls.values() if one.retry_at == step.again), None)
    if failed:
        error = failed.error
        hint = "Run this again when it answers."
        if isinstance(error, errors.Denied):
            hint = f"{error.remedy} Then run this again."
        return f"{type(error).__name__}: {error.message} {hint}"
    return "a create call may still be in progress: --cancel reads again when that is over, within --timeout."


def _to_be_cancelled(resource: Resource) -> Resource:
    """The resource as if it were being deleted, with the deletion policy Cancel."""
    annotations = {name: text for name, text in resource.annotations.items() if name != FORCE_RELEASE}
    spec = {**resource.spec, "deletionPolicy": "Cancel"}
    return replace(resource, deleting=True, annotations=annotations, spec=spec)


def strays(
    project: str, jobs: Iterable[Job], living: Collection[str], namespaces: Collection[str], now: datetime
) -> list[Leftover]:
    """The jobs of a project with our labels and without a resource.

    Args:
        project: of the jobs.
        jobs: as listed, before the resources were.
        living: the uids of all resources of these namespaces.
        namespaces: of the jobs; none: all.
        now: when the jobs were listed.
    """
    owners = {label_value(uid) for uid in living}
    places = {label_value(name) for name in namespaces}
    found = []
    for job in jobs:
        uid = job.labels.get(UID_LABEL)
        here = not places or job.labels.get(NAMESPACE_LABEL) in places
        if uid and here and uid not in owners and not job.ending:
            attempt = job.labels.get(ATTEMPT_LABEL, "1")
            number = int(attempt) if attempt.isdecimal() else 1
            target = Target(project, job.job_id, number, reference=job.reference)
            known = Observation(since=now, target=target).saw(job, now)
            found.append(Leftover(_owner(job.labels, uid, target, now), known, target, stray=True))
    return found


def _owner(labels: Mapping[str, str], uid: str, target: Target, now: datetime) -> Resource:
    """The resource that a job was created for, as one whose deletion was not seen; the job is its record."""
    return Resource(
        kind="",
        namespace=labels.get(NAMESPACE_LABEL, ""),
        name=labels.get(NAME_LABEL, ""),
        uid=uid,
        generation=1,
        deleting=True,
        finalizers=(FINALIZER,),
        annotations={SUBMISSION: Intent(target, 1, now).encode(uid)},
        status={
            "projectId": target.project,
            "jobId": target.job_id,
            "jobName": str(target.reference or ""),
            "attempt": target.attempt,
            "record": {"accepted": "Created"},
        },
    )

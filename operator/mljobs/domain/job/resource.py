"""A custom resource as the core sees it, and the recorded intent to submit that it carries.

Everything is parsed leniently from the raw object: a resource that breaks every rule must still be deletable.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from mljobs.api.outputs import TERMINAL_STATES
from mljobs.api.record import RETRY_LIMIT, DeletionPolicy
from mljobs.domain.classes.job_class import (
    JobClass,
    Route,
    Standing,
    Underlay,
    recorded_route,
    seconds_of,
)
from mljobs.domain.classes.underlay import lay_under
from mljobs.domain.job import naming
from mljobs.domain.job.placement import regions_of
from mljobs.domain.job.timestamps import LONG_AGO, moment, parse_timestamp
from mljobs.domain.port import Facts, Job, Owner, Reference, Scope
from mljobs.domain.reasons import Reason

FINALIZER = "mljobs.dev/cancel-job"
"""Set just before the first create call, and kept until the job is known to end without us."""

SUBMISSION = "mljobs.dev/submission"
"""The annotation that holds an `Intent`, written together with the finalizer."""

RETRY = "mljobs.dev/retry-requested-at"
"""The annotation by which a user requests the retry of a refused call without a change of the spec: a time,
or any new value."""

FORCE_RELEASE = "mljobs.dev/force-release"
"""The annotation by which a user gives up on the cloud job, whatever its state: `"true"`."""

MANAGER = "mljobs.dev/operator"
"""This operator's name in `spec.managedBy`, like `kubernetes.io/job-controller` of a Job."""

ADOPT = "mljobs.dev/adopt"
"""The annotation by which a resource adopts the existing cloud job that `spec.jobId` names: `"true"` for one
without an owner, or the uid of the resource that owns it."""

LEFT_OUT = "leftOutBytes"
"""The key, beside `metadata`, of how many bytes of the stored object were left out when it was read."""

INTENT_LIMIT = 4096
"""Characters of an intent, at most: project and job id have a few hundred at their longest."""

MOST = 10**9
"""More attempts or generations than there will ever be."""

UNLIMITED = Standing()
"""What a resource has where no class is known: everything."""


@dataclass(frozen=True, slots=True)
class Target:
    """The cloud job of an attempt.

    Attributes:
        project: the Google Cloud project's id.
        job_id: the job's id in that project.
        attempt: 1 for a resource's first job.
        scope: where it is.
        reference: its name at the service; None if the service assigns it, and has not answered yet.
        location: the service's region that it is created in.
    """

    project: str
    job_id: str
    attempt: int
    scope: Scope = field(default=Scope(""), compare=False)
    reference: Reference | None = field(default=None, compare=False)
    location: str = field(default="", compare=False)

    @property
    def job_name(self) -> str:
        """For people: the job's name at its service, or its id and project if that is not known."""
        return self.reference or f"{self.job_id} in {self.project}"


@dataclass(frozen=True, slots=True)
class Intent:
    """The intent to submit a job; recorded before the create call, so that a crash loses nothing.

    Attributes:
        target: the job.
        generation: of the resource whose spec was submitted.
        time: when it was written, for people who read it.
        adopting: whether the job is adopted, not created.
    """

    target: Target
    generation: int
    time: datetime
    adopting: bool = False

    def encode(self, uid: str) -> str:
        """The annotation's value: one line of JSON that names the resource, since annotations get copied."""
        return json.dumps(
            {
                "uid": uid,
                "project": self.target.project,
                "jobId": self.target.job_id,
                "attempt": self.target.attempt,
                "generation": self.generation,
                "time": self.time.isoformat(),
                **({"adopting": True} if self.adopting else {}),
                # where nothing but a list can find the job, it has to be known which
                **({"location": self.target.location} if self.target.reference is None else {}),
            }
        )

    @classmethod
    def decode(cls, text: str | None, uid: str) -> "Intent | None":
        """Parse an annotation's value; None if there is none, or one that was not written for this uid.

        Anybody who may edit the resource may have written it: what the operator would not write is ignored.
        """
        if not text or len(text) > INTENT_LIMIT:
            return None
        try:
            row = json.loads(text)
            if row["uid"] != uid:
                return None
            place = str(row.get("location") or "")
            target = Target(
                _text(row["project"]), _text(row["jobId"]), _count(row["attempt"], 1), location=place
            )
            time, adopting = parse_timestamp(row["time"]), row.get("adopting") is True
            return cls(target, _count(row["generation"], 0), time, adopting)
        except (ValueError, KeyError, TypeError, RecursionError):
            return None


@dataclass(frozen=True)
class Resource:
    """One TrainingJob or PredictionJob, whatever state its spec is in.

    Attributes:
        kind: `TrainingJob` or `PredictionJob`.
        namespace: its namespace.
        name: its name.
        uid: differs from that of an earlier resource of the same name.
        generation: counts the changes of the spec.
        version: the resourceVersion of the object that was read.
        deleting: whether it has a deletionTimestamp.
        finalizers: all of them, others' included.
        annotations: all of them.
        metadata: all of it, but for what was left out.
        left_out: how many bytes of the stored object that was.
        spec: unchecked.
        status: as recorded in the object.
        created: when it was created; none of its jobs is older.
        facts: of the service that runs its jobs; None if nothing is decided about it.
        standing: what the classes give it.
    """

    kind: str
    namespace: str
    name: str
    uid: str
    generation: int = 1
    version: str = ""
    deleting: bool = False
    finalizers: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    left_out: int = field(default=0, compare=False)
    spec: Mapping[str, Any] = field(default_factory=dict)
    status: Mapping[str, Any] = field(default_factory=dict)
    created: datetime = LONG_AGO
    facts: Facts | None = field(default=None, compare=False)
    standing: Standing = field(default_factory=Standing, compare=False)

    @classmethod
    def parse(
        cls, body: Mapping[str, Any], facts: Facts | None = None, standing: Standing = UNLIMITED
    ) -> "Resource":
        """Parse an object as the API server returns it, and lay the defaults of its class under its spec.

        Args:
            body: the object.
            facts: of the service that runs its jobs.
            standing: what the classes give it.
        """
        meta = body.get("metadata") or {}
        spec = body.get("spec")
        resource = cls(
            kind=body.get("kind", ""),
            namespace=meta.get("namespace", ""),
            name=meta.get("name", ""),
            uid=meta.get("uid", ""),
            generation=meta.get("generation", 1),
            version=meta.get("resourceVersion", ""),
            deleting=bool(meta.get("deletionTimestamp")),
            finalizers=tuple(meta.get("finalizers") or ()),
            annotations=meta.get("annotations") or {},
            metadata=meta,
            left_out=int(body.get(LEFT_OUT) or 0),
            spec=spec if isinstance(spec, Mapping) else {},
            status=body.get("status") or {},
            created=moment(meta.get("creationTimestamp")),
            facts=facts,
            standing=standing,
        )
        return resource.laid(resource.underlay)

    def laid(self, under: Underlay | None) -> "Resource":
        """The resource with defaults laid under its spec."""
        if under is None:
            return self
        translates = self.facts is not None and self.facts.capabilities.translates
        spec = lay_under(self.kind, self.spec, under, translates=translates)
        return self if spec is self.spec else replace(self, spec=spec)

    def laid_again(self) -> "Resource":
        """The resource as its next attempt is submitted: with the defaults of its class as it is now."""
        return self.laid(self.job_class.underlay if self.job_class else None)

    @property
    def job_class(self) -> JobClass | None:
        """The class of the next job; None if there is none, or if nothing is limited."""
        return self.standing.job_class

    @property
    def recorded_class(self) -> Mapping[str, Any]:
        """The class of the newest attempt, as the record has it; empty if the settings were the class."""
        recorded = self.record.get("jobClass") if self.submitted else None
        return recorded if isinstance(recorded, Mapping) else {}

    @property
    def underlay(self) -> Underlay | None:
        """What is laid under the spec: of a submitted job, what counted then, whatever the class is now."""
        if not self.submitted:
            return self.job_class.underlay if self.job_class else None
        recorded = self.recorded_class
        labels, policy = recorded.get("labels"), recorded.get("deletionPolicy")
        seconds = seconds_of(recorded)
        if not (labels or policy or seconds):
            return None
        return Underlay(
            labels=labels if isinstance(labels, Mapping) else {},
            deletion_policy=DeletionPolicy(policy) if policy else None,
            seconds=seconds,
        )

    @property
    def route(self) -> Route | None:
        """How calls about the newest attempt go, as recorded; None if that is not recorded."""
        return recorded_route(self.recorded_class, self.namespace) if self.recorded_class else None

    @property
    def owner(self) -> Owner:
        """The owner of its jobs."""
        return Owner(self.namespace, self.name, self.uid)

    @property
    def held(self) -> bool:
        """Whether it has our finalizer: a cloud job may exist."""
        return FINALIZER in self.finalizers

    @cached_property
    def intent(self) -> Intent | None:
        """The last recorded intent."""
        intent = Intent.decode(self.annotations.get(SUBMISSION), self.uid)
        if intent is None or not self._agrees(intent):
            return None
        return replace(intent, target=self.placed(intent.target))

    def _agrees(self, intent: Intent) -> bool:
        """Whether an intent is consistent with what no user can write: generation and `status.record`."""
        recorded, ended = self.recorded, self.state in TERMINAL_STATES
        if intent.generation > self.generation:
            return False
        if recorded is None:
            # anybody may have written it: what the class does not give, nobody looks for
            return self.standing.gives_project(intent.target.project)
        if not self.record.get("accepted"):
            return intent.target.attempt == recorded.attempt
        return intent.target == recorded or (ended and intent.target.attempt == recorded.attempt + 1)

    @property
    def force_release(self) -> bool:
        """Whether a user has requested the release without the cloud job's end."""
        return self.annotations.get(FORCE_RELEASE) == "true"

    @property
    def retry(self) -> str:
        """The user's last retry request; empty: none."""
        return str(self.annotations.get(RETRY, ""))[:RETRY_LIMIT]

    @property
    def adopt(self) -> str:
        """Which job to adopt in place of a new one: `true`, or its owner's uid if it has one; empty: none."""
        value = self.annotations.get(ADOPT, "")
        return "" if value == "false" else value

    @property
    def iam_bindings(self) -> Sequence[Mapping[str, Any]]:
        """The bindings that the user wants in the job's IAM policy."""
        return _mappings(self.spec.get("iamBindings"))

    @property
    def iam_applied(self) -> Sequence[Mapping[str, Any]]:
        """The recorded bindings in the job's IAM policy."""
        return _mappings(self.record.get("iamBindings"))

    @property
    def label_keys(self) -> Sequence[str] | None:
        """The keys of the job's labels that are recorded as the spec's; None if nothing is recorded."""
        keys = self.record.get("labelKeys")
        return keys if isinstance(keys, list | tuple) else None

    @property
    def orphan(self) -> bool:
        """Whether deleting the resource leaves the cloud job alone."""
        return self.spec.get("deletionPolicy") == "Orphan"

    @property
    def managed_elsewhere(self) -> bool:
        """Whether another controller manages it."""
        return managed_elsewhere(self.spec)

    @property
    def suspend(self) -> bool:
        """Whether the user wants no job to run."""
        return self.spec.get("suspend") is True

    @property
    def state(self) -> str:
        """The job's last recorded state, a word of the API; empty before there is one."""
        return str(self.status.get("state") or "")

    @cached_property
    def recorded(self) -> Target | None:
        """The job that the status is about."""
        keys = ("projectId", "jobId", "jobName", "location")
        project, job_id, name, place = (str(self.status.get(key) or "") for key in keys)
        if not (project and job_id):
            return None
        attempt, reference = int(self.status.get("attempt") or 1), Reference(name) if name else None
        return self.placed(Target(project, job_id, attempt, reference=reference, location=place))

    @property
    def record(self) -> Mapping[str, Any]:
        """What the operator has recorded for itself; the conditions are for people."""
        record = self.status.get("record")
        return record if isinstance(record, Mapping) else {}

    @cached_property
    def target(self) -> Target | None:
        """The newest attempt's job, from whichever record is newer; None if nothing was ever intended."""
        intent, recorded = self.intent, self.recorded
        if intent is None:
            return recorded
        if intent.target == recorded:
            return recorded if recorded.reference else intent.target  # which knows where to look for it
        return intent.target if recorded is None or intent.target.attempt >= recorded.attempt else recorded

    @cached_property
    def submitted(self) -> bool:
        """Whether the status says that the service has accepted the newest attempt's job."""
        recorded = self.recorded
        return recorded is not None and recorded == self.target and bool(self.record.get("accepted"))

    def owns(self, job: Job | None) -> bool:
        """Whether a job carries this resource's uid."""
        return job is not None and naming.is_owned(job.labels, self.uid)

    def accepted(self, job: Job | None) -> bool:
        """Whether the service has accepted the newest attempt's job: it is recorded, or was just read."""
        return self.submitted or self.owns(job)

    @property
    def ended(self) -> bool:
        """Whether the newest attempt's job is recorded as ended."""
        return self.submitted and self.state in TERMINAL_STATES

    @property
    def lost(self) -> bool:
        """Whether the newest attempt's job is recorded as lost."""
        return self.submitted and not self.ended and self.record.get("presence") == "Lost"

    @property
    def suspending(self) -> bool:
        """Whether the status says that a suspension ends the newest attempt, not an earlier one."""
        return self.submitted and self.record.get("suspendedAttempt") == self.status.get("attempt")

    def refused(self, *reasons: Reason) -> bool:
        """Whether it is recorded that the service refused the newest intent for one of these reasons."""
        intent, refused = self.intent, self.record.get("refused")
        if intent is None or self.submitted or not isinstance(refused, Mapping):
            return False
        generation = refused.get("generation")
        known = isinstance(generation, int) and generation >= intent.generation
        tried = self.retry in ("", refused.get("retry"))
        return known and tried and refused.get("reason") in reasons

    @property
    def refusal_is_newest(self) -> bool:
        """Whether no call can have followed the recorded refusal, whatever the annotations say by now."""
        refused = self.record.get("refused")
        if not isinstance(refused, Mapping):
            return False
        changed = self.generation - (
            1 if self.deleting else 0
        )  # the API server counts a deletion as a change
        return refused.get("generation") == changed and refused.get("retry", "") == self.retry

    @property
    def labels(self) -> dict[str, str]:
        """The desired labels of the cloud job: the user's, overridden by ours."""
        wanted, target = self.spec.get("labels"), self.target
        mine = naming.ownership_labels(self.owner, target.attempt if target else 1)
        return {**(wanted if isinstance(wanted, Mapping) else {}), **mine}

    def scopes(self, target: Target) -> Sequence[Scope]:
        """Where a job may be whose reference is not known, the likeliest first.

        Its location stands in the annotation, which anybody may have edited.
        """
        if self.facts is None:
            return [target.scope]
        allowed = self.facts.scopes(target.project) if self.facts.locations else ()
        places = [self.facts.location(self.spec), *regions_of(self.spec)]
        named = [self.facts.scope(target.project, place) for place in places]
        return tuple(dict.fromkeys([target.scope, *(allowed or named)]))

    def placed(self, target: Target) -> Target:
        """Add a job's scope at the service, and its reference if that is already known."""
        if self.facts is None:
            return target
        location = self._location(self.facts, target)
        scope = self.facts.scope(target.project, location)
        reference = target.reference or self.facts.reference(scope, target.job_id)
        if target.reference:
            scope = self.facts.scope_of(target.reference)
            location = self.facts.location_of(target.reference) or location
        return replace(target, scope=scope, reference=reference, location=location)

    def _location(self, facts: Facts, target: Target) -> str:
        """Where a job is: as it was written down, if that may be; the spec may have changed since."""
        written = target.location
        believed = written and (not facts.locations or written in facts.locations)
        return written if believed else facts.location(self.spec)


def managed_elsewhere(spec: Mapping[str, Any]) -> bool:
    """Whether a spec names another controller than this operator."""
    manager = spec.get("managedBy")
    return isinstance(manager, str) and manager not in ("", MANAGER)


def _mappings(rows: Any) -> Sequence[Mapping[str, Any]]:
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list | tuple) else []


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} is no text")
    return value


def _count(value: Any, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= MOST:
        raise ValueError(f"{value!r} is no number from {least}")
    return value

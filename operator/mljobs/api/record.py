"""What the specs and the records share: bindings, the class of a job, and what the operator remembers."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from mljobs.api.base import (
    Counter,
    LabelKeys,
    Labels,
    Model,
    Name,
    Observed,
    Timestamp,
)
from mljobs.api.identity import Endpoint, Identity, Service
from mljobs.api.patterns import DNS_NAME


class DeletionPolicy(StrEnum):
    """What happens to the job when its resource is deleted."""

    CANCEL = "Cancel"
    ORPHAN = "Orphan"


class IamCondition(Model):
    """When a binding holds: the API's `Expr`."""

    expression: Annotated[str, Field(max_length=4096)] | None = None
    """The condition in the Common Expression Language."""

    title: Name | None = None
    """A short name of the condition."""

    description: Annotated[str, Field(max_length=4096)] | None = None
    """What the condition is for."""

    location: Name | None = None
    """Where the expression comes from, for error messages."""


class IamBinding(Model):
    """Who has a role on the job."""

    role: Annotated[Name, Field(min_length=1)]
    """The role, such as `roles/ml.jobOwner`."""

    members: Annotated[tuple[Annotated[Name, Field(min_length=1)], ...], Field(min_length=1, max_length=256)]
    """Who has it: `user:…`, `group:…`, `serviceAccount:…`, `domain:…`."""

    condition: IamCondition | None = None
    """When they have it. If unset, always."""


IamBindings = Annotated[tuple[IamBinding, ...], Field(max_length=32)]
RECORDED_BINDINGS = 64
RecordedIamBindings = Annotated[tuple[IamBinding, ...], Field(max_length=RECORDED_BINDINGS)]
"""Bindings of a job's IAM policy."""


ClassName = Annotated[str, Field(min_length=1, max_length=63, pattern=rf"^{DNS_NAME}$")]
"""The name of a JobClass: short enough for a label's value."""


RETRY_LIMIT = 64
"""Characters of the annotation that are compared: a time has some twenty."""


class Refusal(Observed):
    """A generation that the service has refused permanently."""

    generation: Annotated[Counter, Field(ge=0)]
    """The generation of the spec that was refused."""

    reason: Annotated[str, Field(min_length=1, max_length=64)]
    """The reason of the Stalled condition."""

    retry: Annotated[str, Field(max_length=RETRY_LIMIT)] | None = None
    """The value of the annotation `mljobs.dev/retry-requested-at` at that time."""


class RecordedClass(Observed):
    """The JobClass as it was when the job was submitted, which a change of the class does not touch."""

    name: ClassName
    """The name of the class."""

    service: Service
    """The service that runs the job."""

    endpoint: Endpoint | None = None
    """The URL of the service; absent for the public one."""

    identity: Identity | None = None
    """As whom the service is called; absent for the operator's own identity."""

    labels: Labels | None = None
    """The class's default labels."""

    deletion_policy: DeletionPolicy | None = None
    """The class's default of spec.deletionPolicy."""

    active_deadline_seconds: Annotated[Counter | None, Field(ge=1)] = None
    """The class's default of spec.activeDeadlineSeconds."""

    start_deadline_seconds: Annotated[Counter | None, Field(ge=1)] = None
    """The class's default of spec.startDeadlineSeconds."""

    ttl_seconds_after_finished: Annotated[Counter | None, Field(ge=0)] = None
    """The class's default of spec.ttlSecondsAfterFinished."""

    accelerators: Annotated[Counter | None, Field(ge=0)] = None
    """The accelerators of the job, for the class's limits; absent for none."""


class ExceededDeadline(Observed):
    """The deadline that ends an attempt."""

    field: Literal["activeDeadlineSeconds", "startDeadlineSeconds"]
    """The field of the spec that sets it."""

    seconds: Annotated[Counter, Field(ge=1)]
    """Its value at that time."""


class RecordedFailure(Observed):
    """An attempt that has failed, and that another one follows."""

    at: Timestamp
    """When the operator has learnt that it has failed, by its own clock."""

    action: Literal["Retry", "RetryIgnoringLimit", "NextPlacement"]
    """What follows: only an attempt that is retried counts for backoffLimit."""


class RecordedPlacement(Observed):
    """How far an attempt is in spec.placements."""

    attempt: Annotated[Counter, Field(ge=1)]
    """The attempt: the current one, or the next one if placements have refused its create call."""

    number: Annotated[Counter, Field(ge=1)]
    """The placement's place in the list, counted from 1."""

    round: Annotated[Counter, Field(ge=1)]
    """The round, counted from 1."""

    refused_at: Timestamp | None = None
    """When the placement before it has refused the create call, by the operator's own clock; absent where
    none has."""


class Record(Observed):
    """The operator's internal record of the current attempt. For reports, read the conditions."""

    job_class: RecordedClass | None = None
    """The class of the current attempt; absent where the operator's settings are the class."""

    accepted: Literal["Created", "Recovered", "TakenOver"] | None = None
    """How the attempt got its job; absent until the service has accepted it."""

    accepted_at: Timestamp | None = None
    """When the operator has learnt that the service has accepted the attempt, by its own clock."""

    active_since: Timestamp | None = None
    """The same of the first attempt, or of the first one after a suspension: activeDeadlineSeconds count from
    here."""

    finished_at: Timestamp | None = None
    """When the operator has learnt that the resource has finished, by its own clock: the ttl counts from
    here."""

    exceeded: ExceededDeadline | None = None
    """The deadline that ends the attempt, or has ended it."""

    failures: Annotated[Counter | None, Field(ge=0)] = None
    """The failed attempts before this one; absent for none."""

    counted_failures: Annotated[Counter | None, Field(ge=0)] = None
    """Those of them that count for backoffLimit; absent for none."""

    failure: RecordedFailure | None = None
    """That the attempt has failed, and that another one follows."""

    placement: RecordedPlacement | None = None
    """How far the attempt is in spec.placements; absent where there are none."""

    suspended_attempt: Annotated[Counter | None, Field(ge=1)] = None
    """The attempt that a suspension ends, or has ended."""

    presence: Literal["Lost", "FoundAgain"] | None = None
    """Whether the job counts as lost because the service no longer has it, or has reappeared since."""

    refused: Refusal | None = None
    """The last refusal by the service."""

    iam_bindings: RecordedIamBindings | None = None
    """The bindings that the operator has set in the job's IAM policy, or is about to set."""

    label_keys: LabelKeys | None = None
    """The keys of the job's labels that are, or were, those of `spec.labels`. The job's other labels
    are kept unchanged."""

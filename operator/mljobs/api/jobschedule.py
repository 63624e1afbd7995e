"""The JobSchedule: jobs that are made from a template at the times of a cron expression.

It is to jobs what a `batch/v1` CronJob is to Jobs, and its fields are named as there.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from mljobs.api.base import AnyObject, Counter, Flag, Model, Name, Observed, Timestamp, Word
from mljobs.api.resources import API_VERSION, Column, Condition, Metadata, ResourceKind

NAME_LIMIT = 52
"""Characters of a schedule's name: what is appended to it, and a label's value, have to fit into 63."""

ACTIVE_LIMIT = 100
"""Unfinished runs that a status lists."""

SCHEDULE_PATTERN = r"^(@(hourly|daily|midnight|weekly|monthly|yearly|annually)|[^\s@]+([ \t]+[^\s]+){4})$"
"""The form of a cron expression; what its fields may be, the operator says."""

ZONE_PATTERN = r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$"
"""The form of a time zone's name."""

SCHEDULE_LABEL = "mljobs.dev/schedule"
"""The label of a run: the name of its schedule."""

SCHEDULED_AT = "mljobs.dev/scheduled-at"
"""The annotation of a run: when it was due."""

INSTANTIATE = "mljobs.dev/instantiate"
"""The annotation of a run that a person has started: `manual`."""

_MAP = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}

LabelMap = Annotated[dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=64)]
AnnotationMap = Annotated[dict[str, Annotated[str, Field(max_length=16384)]], Field(max_length=64)]


class ConcurrencyPolicy(StrEnum):
    """What happens at a time at which earlier runs have not ended, as in a CronJob."""

    ALLOW = "Allow"
    FORBID = "Forbid"
    REPLACE = "Replace"


class TemplateMetadata(Model):
    """What the metadata of each run begins with."""

    labels: LabelMap | None = None
    """Labels of the resource, which are not those of the job."""

    annotations: AnnotationMap | None = None
    """Annotations of the resource."""


class JobTemplate(Model):
    """The resource that each run is made from."""

    api_version: Annotated[
        Literal["mljobs.dev/v1alpha1"] | None, Field(json_schema_extra={"enum": [API_VERSION]})
    ] = None
    """The group and version of the resource; there is no other yet."""

    kind: Literal["TrainingJob", "PredictionJob"]
    """The kind of the resource."""

    metadata: TemplateMetadata | None = None
    """Labels and annotations of the resource; the operator gives it its name."""

    spec: AnyObject
    """The spec of the resource: every field that one of this kind has but jobId, since a service never takes
    an id twice. The operator checks it by the same rules before the first run, and reports in the condition
    Stalled what is wrong."""


class JobScheduleSpec(Model):
    """When to make which job."""

    schedule: Annotated[str, Field(max_length=256, pattern=SCHEDULE_PATTERN)]
    """The times, as a cron expression of five fields: minute, hour, day of the month, month, day of the week;
    or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`."""

    time_zone: Annotated[str, Field(max_length=64, pattern=ZONE_PATTERN)] | None = None
    """The time zone of the expression, by its name in the time zone database, such as `Europe/Berlin`.
    Defaults to UTC."""

    concurrency_policy: ConcurrencyPolicy = ConcurrencyPolicy.ALLOW
    """What happens at a time at which an earlier run has not ended. `Allow` starts the next one beside it,
    `Forbid` starts it once that one has ended, `Replace` deletes that one, and starts the next one once its
    job is known to end."""

    starting_deadline_seconds: Annotated[Counter, Field(ge=0, le=2**31 - 1)] | None = None
    """Seconds after its time by which a run has to be started; later it counts as missed. If unset, the
    latest time that was missed is made up for, however late."""

    suspend: Flag = False
    """Whether no further runs are started. Runs that were started go on."""

    successful_jobs_history_limit: Annotated[Counter, Field(ge=0, le=1000)] = 3
    """How many succeeded runs are kept; older ones are deleted."""

    failed_jobs_history_limit: Annotated[Counter, Field(ge=0, le=1000)] = 1
    """How many runs that ended otherwise are kept; older ones are deleted."""

    template: JobTemplate
    """What to run. Changes count for the next run."""


class RunReference(Observed):
    """A run that has not ended."""

    kind: Word
    """Its kind."""

    name: Name
    """Its name."""

    uid: Word
    """Its uid."""


class ScheduleRecord(Observed):
    """The operator's internal record of a schedule."""

    schedule: Annotated[str, Field(max_length=256)]
    """The expression that `since` belongs to."""

    time_zone: Annotated[str, Field(max_length=64)] | None = None
    """The time zone that `since` belongs to."""

    since: Timestamp
    """All times up to here are settled: their runs were started, or are not started any more."""


class JobScheduleStatus(Observed):
    """What the operator reports of a schedule."""

    conditions: Annotated[tuple[Condition, ...] | None, Field(max_length=8, json_schema_extra=_MAP)] = None
    """The conditions, one for each type."""

    observed_generation: Counter | None = None
    """The generation of the spec that this status is based on; -1 before the operator has seen it."""

    last_schedule_time: Timestamp | None = None
    """The time of the latest run that was started: when it was due."""

    last_successful_time: Timestamp | None = None
    """When the latest run that succeeded has ended."""

    next_schedule_time: Timestamp | None = None
    """When the next run is due; absent while the schedule is suspended or invalid."""

    active: Annotated[tuple[RunReference, ...] | None, Field(max_length=ACTIVE_LIMIT)] = None
    """The runs that have not ended, the oldest first; the newest hundred of them."""

    record: ScheduleRecord | None = None
    """The operator's internal record. For reports, read the other fields."""


class JobSchedule(Model):
    """Makes training or prediction jobs at the times of a cron expression."""

    api_version: Literal["mljobs.dev/v1alpha1"] = "mljobs.dev/v1alpha1"
    """The group and version of this resource."""

    kind: Literal["JobSchedule"] = "JobSchedule"
    """The kind of this resource."""

    metadata: Metadata
    """Name, namespace and Kubernetes' other metadata."""

    spec: JobScheduleSpec
    """When to make which job."""

    status: JobScheduleStatus | None = None
    """The observed state, written by the operator alone."""


JOB_SCHEDULE = ResourceKind(
    name="JobSchedule",
    plural="jobschedules",
    singular="jobschedule",
    short_name="jsch",
    resource=JobSchedule,
    spec=JobScheduleSpec,
    status=JobScheduleStatus,
    columns=(
        Column("Schedule", ".spec.schedule", "The times, as a cron expression"),
        Column("Time Zone", ".spec.timeZone", "The time zone of the expression", wide=True),
        Column("Suspend", ".spec.suspend", "Whether no further runs are started", form="boolean"),
        Column("Last", ".status.lastScheduleTime", "When the latest run was due", form="date"),
        Column("Next", ".status.nextScheduleTime", "When the next run is due"),
        Column("Active", ".status.active[*].name", "The runs that have not ended", wide=True),
        Column("Age", ".metadata.creationTimestamp", "Since when there is this schedule", form="date"),
    ),
)
"""The kind that makes jobs."""

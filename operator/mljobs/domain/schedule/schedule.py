"""A JobSchedule and its runs as the core sees them, parsed leniently from the raw objects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mljobs.api.base import JsonObject
from mljobs.api.jobschedule import (
    INSTANTIATE,
    JOB_SCHEDULE,
    SCHEDULE_LABEL,
    SCHEDULED_AT,
    JobScheduleSpec,
)
from mljobs.api.resources import API_VERSION, GROUP
from mljobs.domain.job.resource import Resource
from mljobs.domain.job.timestamps import parse_timestamp, timestamp
from mljobs.domain.reasons import STALLING, ConditionType
from mljobs.domain.schedule.cron import Cron, zone_named
from mljobs.domain.schedule.validate import validate
from mljobs.domain.spec.problems import Problem

_MINUTES = 10
"""More digits than the minutes since 1970 have."""


@dataclass(frozen=True)
class Plan:
    """A spec that keeps all rules.

    Attributes:
        spec: its model.
        cron: its times.
    """

    spec: JobScheduleSpec
    cron: Cron


@dataclass(frozen=True)
class Run:
    """A job that was made for a schedule.

    Attributes:
        kind: `TrainingJob` or `PredictionJob`.
        name: its name.
        uid: its uid.
        created: when it was made.
        deleting: whether its deletion was requested.
        held: whether it has our finalizer: a cloud job may exist.
        succeeded: whether it has; None while it has not ended.
        ended: when it ended; None while it has not.
    """

    kind: str
    name: str
    uid: str
    created: datetime
    deleting: bool = False
    held: bool = False
    succeeded: bool | None = None
    ended: datetime | None = None

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> "Run":
        """Parse an object as the API server returns it."""
        resource = Resource.parse(body)
        succeeded = _succeeded(resource.status)
        return cls(
            resource.kind,
            resource.name,
            resource.uid,
            resource.created,
            resource.deleting,
            resource.held,
            succeeded,
            None if succeeded is None else _ended(resource.status),
        )

    @property
    def active(self) -> bool:
        """Whether its job may run, now or later: it has not ended, and is not released by a deletion."""
        return self.succeeded is None and (self.held or not self.deleting)

    @property
    def title(self) -> str:
        """Kind and name as kubectl writes them."""
        return f"{self.kind.lower()}/{self.name}"


@dataclass(frozen=True)
class Schedule:
    """One JobSchedule, whatever state its spec is in.

    Attributes:
        resource: the object.
        plan: what it says; None if that breaks rules.
        problems: the rules that it breaks.
    """

    resource: Resource
    plan: Plan | None
    problems: Sequence[Problem] = ()

    @classmethod
    def parse(cls, body: Mapping[str, Any], *, default_project: str | None = None) -> "Schedule":
        """Parse and check an object as the API server returns it.

        Args:
            body: the object.
            default_project: the project of jobs that name none.
        """
        resource = Resource.parse(body)
        spec, problems = validate(resource.name, resource.spec, default_project=default_project)
        if spec is None:
            return cls(resource, None, problems)
        return cls(resource, Plan(spec, Cron.parse(spec.schedule, zone_named(spec.time_zone))))

    def counts_from(self, now: datetime) -> datetime:
        """All times up to this one are settled.

        A new schedule counts from its creation, and one whose expression or time zone was changed from when
        the operator sees that.
        """
        record = self._record
        if not record:
            return self.resource.created
        return parse_timestamp(str(record["since"])) if self.is_recorded else now

    @property
    def is_recorded(self) -> bool:
        """Whether the status has what the operator has to remember of this expression and time zone."""
        spec, record = self.resource.spec, self._record
        return bool(record) and all(record.get(key) == spec.get(key) for key in ("schedule", "timeZone"))

    @property
    def _record(self) -> Mapping[str, Any]:
        return self.resource.record

    def name_of(self, slot: datetime) -> str:
        """The name of the run that is due at a time: always the same, so that none is made twice."""
        return run_name(self.resource.name, slot)

    def slot_of(self, name: str) -> datetime | None:
        """The time whose run has this name; None if no time's has."""
        minutes = name.removeprefix(f"{self.resource.name}-")
        if minutes == name or not (minutes.isascii() and minutes.isdigit() and len(minutes) < _MINUTES):
            return None
        return datetime.fromtimestamp(int(minutes) * 60, UTC)


def run_name(schedule: str, slot: datetime) -> str:
    """The name of the run of a time.

    Args:
        schedule: the name of the JobSchedule.
        slot: the time, a full minute.
    """
    return f"{schedule}-{int(slot.timestamp()) // 60}"


def run_of(schedule: Resource, template: Mapping[str, Any], name: str, due: datetime | None) -> JsonObject:
    """The manifest of a run.

    Args:
        schedule: the JobSchedule.
        template: its `spec.template`.
        name: of the run.
        due: the time that it is due at; None if a person has started it.
    """
    metadata = template.get("metadata") or {}
    mark = {INSTANTIATE: "manual"} if due is None else {SCHEDULED_AT: timestamp(due)}
    return {
        "apiVersion": API_VERSION,
        "kind": template["kind"],
        "metadata": {
            "name": name,
            "namespace": schedule.namespace,
            "labels": {**(metadata.get("labels") or {}), SCHEDULE_LABEL: schedule.name},
            "annotations": {**(metadata.get("annotations") or {}), **mark},
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": JOB_SCHEDULE.name,
                    "name": schedule.name,
                    "uid": schedule.uid,
                    "controller": True,
                }
            ],
        },
        "spec": template["spec"],
    }


def schedule_of(body: Mapping[str, Any]) -> str:
    """The name of the JobSchedule that has made a job; empty if none has."""
    for owner in body["metadata"].get("ownerReferences") or ():
        group = str(owner.get("apiVersion", "")).partition("/")[0]
        if owner.get("controller") and owner.get("kind") == JOB_SCHEDULE.name and group == GROUP:
            return str(owner.get("name", ""))
    return ""


def _succeeded(status: Mapping[str, Any]) -> bool | None:
    """Whether a job has succeeded, by its conditions; None while it has not ended.

    One that was refused has ended, too: it does not go on without a change by somebody, and the times to come
    do not wait for that. Where a call is denied, it is repeated, and the job may still be submitted.
    """
    rows = {row.get("type"): row for row in status.get("conditions") or ()}
    succeeded = rows.get(ConditionType.SUCCEEDED, {}).get("status")
    if succeeded in ("True", "False"):
        return bool(succeeded == "True")
    stalled = rows.get(ConditionType.STALLED, {})
    never = rows.get(ConditionType.SUBMITTED, {}).get("status") == "False"
    refused = stalled.get("status") == "True" and stalled.get("reason") not in STALLING
    return False if never and refused else None


def _ended(status: Mapping[str, Any]) -> datetime | None:
    rows = (row for row in status.get("conditions") or () if row.get("type") == ConditionType.SUCCEEDED)
    text = status.get("endTime") or next((row.get("lastTransitionTime") for row in rows), None)
    return parse_timestamp(str(text)) if text else None

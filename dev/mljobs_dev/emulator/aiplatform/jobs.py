"""A job of Vertex AI and the JSON that the service shows of it at an instant."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mljobs_dev.emulator.aiplatform import lifecycle
from mljobs_dev.emulator.aiplatform.errors import (
    CANCELLED,
    INTERNAL,
    INVALID_ARGUMENT,
    RESOURCE_EXHAUSTED,
    code_of,
)
from mljobs_dev.emulator.aiplatform.kinds import BATCH, CUSTOM, TUNING, Kind
from mljobs_dev.emulator.aiplatform.lifecycle import JobHistory, JobStep, Pace
from mljobs_dev.emulator.aiplatform.states import JobState
from mljobs_dev.emulator.aiplatform.tuning import TrialPlan, Trials
from mljobs_dev.emulator.clock import Clock, rfc3339_nano
from mljobs_dev.emulator.jobs import encode
from mljobs_dev.emulator.projects import project_number

Json = dict[str, Any]

BEHIND = 8 * 3600
"""Seconds that the time in a batch job's output directory is behind UTC, its Z notwithstanding (recorded)."""

_NO_OUTPUT = (CANCELLED, INVALID_ARGUMENT, RESOURCE_EXHAUSTED, INTERNAL)
"""`error.code` of batch jobs that end before they write (recorded: an input that is not there, a cancel)."""


@dataclass(frozen=True)
class Place:
    """Where jobs are.

    Attributes:
        project: its id, or its number where the id was never named.
        location: a region.
    """

    project: str
    location: str


@dataclass(eq=False)
class Job:
    """One job: what was asked for, its history, and what a script adds.

    Attributes:
        kind: which of the three.
        place: where.
        id: digits, given by the service.
        body: the create request's job with its defaults, without proto defaults and output-only fields.
        sequence: its number among all jobs ever made.
        created: the emulated instant.
        clock: tells emulated instants on the wall clock.
        usual: the pace that it has where no script says otherwise.
        by_number: whether `name` has the project's number, or its id.
        history: what has happened to it and what is to come.
        pace: how it goes on.
        code: `error.code` of a failure; 0 where it follows from the message.
        extra: output-only fields that replace those of the job.
        held: whether it waits for the project's quota.
        parent: the tuning job whose trial it is.
        trials: of a tuning job.
    """

    kind: Kind
    place: Place
    id: str
    body: Json
    sequence: int
    created: float
    clock: Clock
    usual: Pace
    by_number: bool = True
    code: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)
    held: bool = False
    parent: "Job | None" = None
    history: JobHistory = field(init=False)
    pace: Pace = field(init=False)
    trials: Trials = field(init=False)
    _cached: tuple[int, int, int] | None = None
    _document: Json = field(default_factory=dict)
    _encoded: bytes = b""
    _version: int = 0

    def __post_init__(self) -> None:
        self.trials = Trials()
        self.set_history(lifecycle.plan(self.created, self.usual), self.usual)

    @property
    def name(self) -> str:
        """`projects/…/locations/…/customJobs/…`."""
        project = project_number(self.place.project) if self.by_number else self.place.project
        return f"projects/{project}/locations/{self.place.location}/{self.kind.collection}/{self.id}"

    @property
    def display_name(self) -> str:
        """The displayName."""
        return str(self.body.get("displayName", ""))

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels."""
        labels: Mapping[str, str] = self.body.get("labels", {})
        return labels

    @property
    def names(self) -> tuple[str, str]:
        """What the patterns of scripts and faults are compared with."""
        return self.id, self.display_name

    def set_history(self, history: JobHistory, pace: Pace) -> None:
        """Take another plan for what is to come."""
        self.history = history
        self.pace = pace
        self._version += 1

    def touch(self) -> None:
        """Show the job again: something else about it has changed."""
        self._version += 1

    def state(self, now: float) -> JobState:
        """The state that holds at an instant."""
        return self.history.at(now).state

    def ended(self, now: float) -> float | None:
        """When the job ended, or None if it has not."""
        if not self.state(now).terminal:
            return None
        return next(step.at for step in self.history.steps if step.state.terminal)

    def updated(self, now: float) -> float:
        """When the job was last updated."""
        at = self.history.at(now).at
        return max(at, self.trials.updated(now)) if self.trials.jobs else at

    def document(self, now: float) -> Json:
        """The job as `get` shows it. The answer is shared: it must not be changed."""
        self._refresh(now)
        return self._document

    def encoded(self, now: float) -> bytes:
        """The same as bytes."""
        self._refresh(now)
        if not self._encoded:
            self._encoded = encode(self._document)
        return self._encoded

    def listed(self, now: float) -> Json:
        """The job as `list` shows it: without trials."""
        return {name: value for name, value in self.document(now).items() if name != "trials"}

    def _refresh(self, now: float) -> None:
        key = (self.history.index(now), self._version, self.trials.version(now))
        if key != self._cached:
            self._document = self._render(now)
            self._encoded = b""
            self._cached = key

    def _render(self, now: float) -> Json:
        step = self.history.at(now)
        document = {"name": self.name, **self.body, **self._versioned()}
        document.update(self._outputs(now, step))
        document["state"] = step.state.value
        document["createTime"] = self._time(self.created)
        started = self._started(now)
        if started:
            document["startTime"] = started
        ended = self.ended(now)
        if ended is not None:
            document["endTime"] = self._time(ended, digits=0 if self._ran_and_failed(step) else 6)
        document["updateTime"] = self._time(self.updated(now))
        if step.error:
            document["error"] = {"code": self._code(step), "message": step.error}
        document.update(self.extra)
        return document

    def _code(self, step: JobStep) -> int:
        if step.state is JobState.CANCELLED:
            return CANCELLED
        return self.code or code_of(step.error)

    def _ran_and_failed(self, step: JobStep) -> bool:
        return step.state is JobState.FAILED and self.kind is BATCH and self._code(step) not in _NO_OUTPUT

    def _started(self, now: float) -> str:
        """StartTime: when QUEUED was entered, later when RUNNING was; of a batch job the latter alone."""
        ran = self.history.entered(JobState.RUNNING)
        if ran is not None and ran <= now:
            return self._time(ran, digits=6 if self.kind is BATCH else 0)
        if self.kind is BATCH:
            return ""
        first = next((step.at for step in self.history.steps if step.state is JobState.QUEUED), None)
        return self._time(first) if first is not None and first <= now else ""

    def _outputs(self, now: float, step: JobStep) -> Json:
        if self.kind is BATCH:
            return self._batch_output(now, step)
        if self.kind is TUNING:
            trials = self.trials.documents(self, now)
            return {"trials": trials} if trials else {}
        ran = self.history.entered(JobState.RUNNING)
        if ran is not None and ran <= now and self.body["jobSpec"].get("enableWebAccess"):
            return {"webAccessUris": self.web_uris()}
        return {}

    def _batch_output(self, now: float, step: JobStep) -> Json:
        ran = self.history.entered(JobState.RUNNING)
        if ran is None or ran > now or not step.state.terminal or self._code_without_output(step):
            return {}
        output: Json = {}
        prefix = self.body["outputConfig"].get("gcsDestination", {}).get("outputUriPrefix")
        if prefix:
            output["outputInfo"] = {"gcsOutputDirectory": f"{prefix.rstrip('/')}/{self._directory()}"}
        if step.state is JobState.FAILED:
            output["completionStats"] = {"incompleteCount": "-1"}
            return output
        digest = hashlib.blake2b(self.id.encode(), digest_size=2).digest()
        output["completionStats"] = {"successfulCount": str(1 + int.from_bytes(digest))}
        machines = self.body.get("dedicatedResources", {}).get("startingReplicaCount", 1)
        hours = (step.at - ran) / 3600 * machines
        output["resourcesConsumed"] = {"replicaHours": max(0.01, round(hours, 6))}
        return output

    def _code_without_output(self, step: JobStep) -> bool:
        return bool(step.error) and self._code(step) in _NO_OUTPUT

    def _directory(self) -> str:
        moment = datetime.fromtimestamp(self.clock.unix(self.created) - BEHIND, UTC)
        millis = f"{moment.microsecond // 1000:03d}"
        source = (
            self.body.get("model", "").rpartition("/")[2].partition("@")[0] or "unmanaged-container-model"
        )
        return f"prediction-model-{source}-{moment:%Y_%m_%dT%H_%M_%S}_{millis}Z"

    def _versioned(self) -> Json:
        """The version of a batch job's model: that which the model names, or the first."""
        if self.kind is not BATCH or "model" not in self.body:
            return {}
        version = self.body["model"].partition("@")[2]
        return {"modelVersionId": version if version.isdigit() else "1"}

    def web_uris(self) -> dict[str, str]:
        """An address for each node of a custom job."""
        nodes = [
            f"workerpool{pool}-{index}"
            for pool, spec in enumerate(self.body["jobSpec"]["workerPoolSpecs"])
            for index in range(min(int(spec.get("replicaCount", 0)), 100))
        ]
        host = hashlib.blake2b(self.id.encode(), digest_size=8).hexdigest()
        return {
            node: f"https://{host}-dot-{self.place.location}.aiplatform-training.googleusercontent.com/{node}"
            for node in nodes
        }

    def _time(self, instant: float, digits: int = 6) -> str:
        """An instant; some jobs tell theirs in milliseconds, and none has one before its creation."""
        unix = self.clock.unix(instant)
        if digits == 0 and int(unix) < self.clock.unix(self.created):
            digits = 6
        return rfc3339_nano(unix, 3 if digits == 6 and self.sequence % 8 == 0 else digits)

    def trial_job(self, plan: TrialPlan, job_id: str, sequence: int, *, labelled: bool) -> "Job":
        """The custom job of a trial of this tuning job, with its labels or without any."""
        spec = dict(self.body["trialJobSpec"])
        if "baseOutputDirectory" in spec:
            prefix = spec["baseOutputDirectory"]["outputUriPrefix"].rstrip("/")
            spec["baseOutputDirectory"] = {"outputUriPrefix": f"{prefix}/{plan.id}/"}
        body: Json = {"displayName": f"{self.display_name}-trial-{plan.id}"[:128], "jobSpec": spec}
        if labelled and self.labels:
            body["labels"] = dict(self.labels)
        return Job(
            CUSTOM,
            self.place,
            job_id,
            body,
            sequence=sequence,
            created=plan.begun,
            clock=self.clock,
            usual=plan.pace(),
            by_number=self.by_number,
            parent=self,
        )

"""A job of the emulator and the JSON that the service shows of it at an instant."""

import base64
import bisect
import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from mljobs_dev.emulator import lifecycle, tuning
from mljobs_dev.emulator.clock import Clock, rfc3339
from mljobs_dev.emulator.lifecycle import Pace, State, Timeline
from mljobs_dev.emulator.schema import ml_v1

Json = dict[str, Any]

BUILT_IN_IMAGES = "gcr.io/cloud-ml-algos/"
"""Images of the built-in algorithms start with this (recorded traffic)."""

_STARTED = frozenset(State) - {State.QUEUED, State.PREPARING}
_REPLICA_KINDS = (
    ("worker", "workerCount"),
    ("ps", "parameterServerCount"),
    ("evaluator", "evaluatorCount"),
)


def encode(value: Any) -> bytes:
    """JSON as it goes over the wire."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class Job:
    """One job: what was asked for, its timeline, and what may be changed later.

    Args:
        project: the project's id or number.
        body: the create request's Job, without proto defaults and output-only fields.
        sequence: its number among all jobs ever made, so that later ones are greater.
        created: the emulated instant.
        pace: how it goes on.
        clock: tells emulated instants on the wall clock.
        still: whether what it consumes is not shown to grow while it runs.

    Attributes:
        position: jobs of its project that were queued before it, itself included.
        usual: the pace that it has where no script says otherwise.
        output: fields that replace those of the job's own output.
        policy: its IAM policy, if one was ever set.
    """

    def __init__(
        self,
        project: str,
        body: Json,
        *,
        sequence: int,
        created: float,
        pace: Pace,
        clock: Clock,
        still: bool = False,
    ) -> None:
        self.project = project
        self.id: str = body["jobId"]
        self.body = body
        self.sequence = sequence
        self.created = created
        self.position = 0
        self.usual = pace
        self._make_trials: Callable[[], Sequence[tuning.Trial]] = tuple
        self.output: Mapping[str, Any] = {}
        self.policy: Json | None = None
        self._clock = clock
        self._still = still
        self._relabelled = 0
        self._trials: Sequence[tuning.Trial] | None = None
        self._done: Sequence[float] = ()
        self._ordered = False
        self._cached: tuple[int, int, float] | None = None
        self._document: Json = {}
        self._encoded: bytes | None = None
        self.set_timeline(lifecycle.plan(created, pace), pace)

    @property
    def training(self) -> bool:
        """Whether it trains; else it predicts."""
        return "trainingInput" in self.body

    @property
    def tuning_spec(self) -> Mapping[str, Any] | None:
        """The HyperparameterSpec of a tuning job."""
        spec: Mapping[str, Any] | None = self.body.get("trainingInput", {}).get("hyperparameters")
        return spec

    def set_timeline(self, timeline: Timeline, pace: Pace) -> None:
        """Take another plan for what is to come."""
        self.timeline = timeline
        self.pace = pace
        self._cached = None

    def set_trials(self, make: Callable[[], Sequence[tuning.Trial]], *, ordered: bool) -> None:
        """Take trials to come.

        Args:
            make: the trials in the order in which they run; called once the job is running, if it ever is.
            ordered: whether they are shown in this order, or best-first.
        """
        self._make_trials = make
        self._trials = None
        self._ordered = ordered
        self._cached = None

    def set_output(self, output: Mapping[str, Any]) -> None:
        """Take fields that replace those of the output."""
        self.output = output
        self._cached = None

    def set_labels(self, labels: Mapping[str, str]) -> None:
        """Replace all labels; the etag becomes another."""
        self.body = {name: value for name, value in self.body.items() if name != "labels"}
        if labels:
            self.body["labels"] = dict(labels)
        self._relabelled += 1
        self._cached = None

    def state(self, now: float) -> State:
        """The state that holds at an instant."""
        return self.timeline.at(now).state

    def etag(self, now: float) -> str:
        """Base64 of 8 bytes; another after every change of state or labels."""
        version = f"{self.project}/{self.id}/{self.sequence}/{self.timeline.index(now)}/{self._relabelled}"
        return base64.b64encode(hashlib.blake2b(version.encode(), digest_size=8).digest()).decode()

    def document(self, now: float) -> Json:
        """The job as `get` shows it. The answer is shared: it must not be changed."""
        self._refresh(now)
        return self._document

    def encoded(self, now: float) -> bytes:
        """The same as bytes."""
        self._refresh(now)
        if self._encoded is None:
            self._encoded = encode(self._document)
        return self._encoded

    def created_document(self, now: float) -> Json:
        """The job as `create` answers it: no position yet (recorded traffic)."""
        return {name: value for name, value in self.document(now).items() if name != "jobPosition"}

    def _refresh(self, now: float) -> None:
        key = (self.timeline.index(now), self._completed(now), self._units(now) if self.training else 0.0)
        if key != self._cached:
            self._document = self._render(now, key[1])
            self._encoded = None
            self._cached = key

    def _render(self, now: float, completed: int) -> Json:
        step = self.timeline.at(now)
        document = dict(self.body)
        document["createTime"] = self._time(self.created)
        started = self._started(now)
        if started is not None:
            document["startTime"] = self._time(started)
        if step.state.terminal:
            document["endTime"] = self._time(step.at)
        document["state"] = step.state.value
        if step.error:
            document["errorMessage"] = step.error
        if step.state is State.QUEUED and self.position:
            document["jobPosition"] = str(self.position)
        if started is not None:
            document.update(self._rendered_output(now, completed))
        document["etag"] = self.etag(now)
        return document

    def _rendered_output(self, now: float, completed: int) -> Json:
        name = "trainingOutput" if self.training else "predictionOutput"
        output = self._training_output(now, completed) if self.training else self._prediction_output(now)
        output.update(self.output)
        schema = ml_v1().message(f"GoogleCloudMlV1__{name[0].upper()}{name[1:]}")
        return {name: schema.prune(output)}

    def _training_output(self, now: float, completed: int) -> Json:
        output: Json = {"consumedMLUnits": self._units(now)}
        if self._web_access and self.tuning_spec is None:
            output["webAccessUris"] = self._uris("")
        image = self.body["trainingInput"].get("masterConfig", {}).get("imageUri", "")
        if image.startswith(BUILT_IN_IMAGES):
            output["isBuiltInAlgorithmJob"] = True
            # The values of every recorded job of a built-in algorithm.
            output["builtInAlgorithmOutput"] = {
                "framework": "TENSORFLOW",
                "runtimeVersion": "1.12",
                "pythonVersion": "2.7",
            }
        if self.tuning_spec is not None:
            output.update(self._tuning_output(now, completed))
        return output

    def _tuning_output(self, now: float, completed: int) -> Json:
        spec = self.tuning_spec or {}
        done = (self._trials or ())[:completed]
        shown = done if self._ordered else tuning.best_first(done, spec.get("goal", ""))
        trials = [self._trial(trial, now) for trial in shown]
        return {
            "isHyperparameterTuningJob": True,
            "hyperparameterMetricTag": spec.get("hyperparameterMetricTag", ""),
            "completedTrialCount": str(sum(trial["state"] == State.SUCCEEDED for trial in trials)),
            "trials": trials,
        }

    def _trial(self, trial: tuning.Trial, now: float) -> Json:
        started, length = self._run(now)
        document = {
            "startTime": self._time(started + trial.begun * length),
            "endTime": self._time(started + trial.done * length),
            "state": State.SUCCEEDED.value,
            **trial.document,
        }
        if self._web_access:
            document["webAccessUris"] = self._uris(f"-{trial.document.get('trialId', '')}")
        return document

    def _prediction_output(self, now: float) -> Json:
        output: Json = {"outputPath": self.body["predictionInput"].get("outputPath", "")}
        state = self.state(now)
        if state.terminal:
            output["nodeHours"] = self._units(now)
        if state is State.SUCCEEDED:
            digest = hashlib.blake2b(self.id.encode(), digest_size=2).digest()
            output["predictionCount"] = str(1 + int.from_bytes(digest))
        return output

    def _units(self, now: float) -> float:
        """What it has consumed so far, in steps of a hundredth (recorded traffic: 0.16 of a running job)."""
        step = self.timeline.at(now)
        started = self._started(now)
        if started is None or (self._still and not step.state.terminal):
            return 0.01
        hours = ((step.at if step.state.terminal else now) - started) / 3600
        units = hours * (1 + sum(self._replicas().values()))
        if not step.state.terminal:
            units = math.floor(units * 100) / 100
        return max(0.01, round(units, 2))

    def _started(self, now: float) -> float | None:
        started = self.timeline.entered(State.RUNNING)
        return started if started is not None and started <= now else None

    def _run(self, now: float) -> tuple[float, float]:
        """When RUNNING was entered, and for how long the job is, or was, to be in it."""
        started = self.timeline.entered(State.RUNNING)
        if started is None:
            return now, 0.0
        step = self.timeline.at(now)
        if step.state in (State.SUCCEEDED, State.FAILED):
            return started, step.at - started
        return started, self.pace.seconds[State.RUNNING]

    def _completed(self, now: float) -> int:
        """How many trials are complete at an instant."""
        started = self._started(now)
        if started is None:
            return 0
        if self._trials is None:
            self._trials = self._make_trials()
            self._done = [trial.done for trial in self._trials]
        step = self.timeline.at(now)
        if step.state in (State.SUCCEEDED, State.FAILED) or not self._done:
            return len(self._done)
        until = now if step.state is State.RUNNING else self.timeline.entered(State.CANCELLING) or step.at
        length = self.pace.seconds[State.RUNNING]
        share = (until - started) / length if length else 1.0
        return bisect.bisect_right(self._done, share)

    @property
    def _web_access(self) -> bool:
        return bool(self.body.get("trainingInput", {}).get("enableWebAccess"))

    def _replicas(self) -> dict[str, int]:
        given = self.body.get("trainingInput", {})
        return {kind: int(given.get(count, 0)) for kind, count in _REPLICA_KINDS}

    def _uris(self, suffix: str) -> dict[str, str]:
        nodes = ["master-replica-0"]
        for kind, count in self._replicas().items():
            nodes += [f"{kind}-replica-{index}" for index in range(min(count, 100))]
        host = hashlib.blake2b(f"{self.project}/{self.id}{suffix}".encode(), digest_size=8).hexdigest()
        return {node: f"https://{host}-{node}.aiplatform-training.googleusercontent.com" for node in nodes}

    def _time(self, instant: float) -> str:
        return rfc3339(self._clock.unix(instant))


def failure_text(project_number: str, job_id: str) -> str:
    """ErrorMessage of a job whose program failed (recorded traffic)."""
    advanced = quote(f'resource.type="ml_job"\nresource.labels.job_id="{job_id}"', safe="")
    return (
        "The replica master 0 exited with a non-zero status of 1. To find out more about why your job exited "
        "please check the logs: https://console.cloud.google.com/logs/viewer?"
        f"project={project_number}&resource=ml_job%2Fjob_id%2F{job_id}&advancedFilter={advanced}"
    )

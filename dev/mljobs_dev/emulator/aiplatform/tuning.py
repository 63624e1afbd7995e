"""Trials of a hyperparameter tuning job: each is a custom job of its own, whose state is the trial's."""

import functools
import hashlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mljobs_dev.emulator import tuning
from mljobs_dev.emulator.aiplatform.lifecycle import Pace
from mljobs_dev.emulator.aiplatform.states import JobState
from mljobs_dev.emulator.clock import rfc3339_nano
from mljobs_dev.emulator.scripting import is_vertex_trial

if TYPE_CHECKING:
    from mljobs_dev.emulator.aiplatform.jobs import Job

Json = dict[str, Any]

INFEASIBLE = "INFEASIBLE"

FIRST_AFTER = 30.0
"""Seconds in RUNNING before the first trial begins (38 in the documented example; none began in the first
5 seconds of the recordings); of a short job a tenth of its time."""

_FAILED_STATES = ("FAILED", "CANCELLED", INFEASIBLE)
_KINDS = {
    "doubleValueSpec": "DOUBLE",
    "integerValueSpec": "INTEGER",
    "categoricalValueSpec": "CATEGORICAL",
    "discreteValueSpec": "DISCRETE",
}
_CONDITIONS = ("parentDiscreteValues", "parentIntValues", "parentCategoricalValues")


@dataclass(frozen=True)
class TrialPlan:
    """A trial that begins at an instant.

    Attributes:
        begun: the emulated instant.
        done: the instant at which it is complete.
        document: the trial's JSON without times.
    """

    begun: float
    done: float
    document: Json

    @property
    def id(self) -> str:
        """The trial's id."""
        return str(self.document["id"])

    @property
    def fails(self) -> bool:
        """Whether it ends as infeasible."""
        return self.document.get("state") == INFEASIBLE

    def pace(self) -> Pace:
        """The pace of its custom job, which ends a little before the trial is complete."""
        length = max(0.0, self.done - self.begun)
        return Pace(
            {
                JobState.QUEUED: 0.05 * length,
                JobState.PENDING: 0.2 * length,
                JobState.RUNNING: 0.7 * length,
                JobState.CANCELLING: 1.0,
            },
            final=JobState.FAILED if self.fails else JobState.SUCCEEDED,
            error=self.document.get("infeasibleReason", _FAILED) if self.fails else "",
            settle=min(0.13, 0.01 * length),
            heed=0.5,
        )


_FAILED = "The replica workerpool0-0 exited with a non-zero status of 1."


class Trials:
    """The trials of a job.

    Attributes:
        jobs: the custom job of each trial that has begun, by the trial's id, in the order of their begin.
    """

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self._plans: dict[str, TrialPlan] = {}
        self._make: Callable[[], Sequence[tuning.Trial]] = tuple
        self._shapes: Sequence[tuning.Trial] | None = None

    def set(self, make: Callable[[], Sequence[tuning.Trial]]) -> None:
        """Take trials to come; `make` is called once the tuning job runs, if it ever does."""
        self._make = make
        self._shapes = None

    def due(self, job: "Job", now: float) -> Iterator[TrialPlan]:
        """The trials that should have begun and have no custom job yet.

        All of them are due once the tuning job has ended by itself, however early.
        """
        started = job.history.entered(JobState.RUNNING)
        if started is None or started > now:
            return
        if self._shapes is None:
            self._shapes = self._make()
        ended = job.ended(now)
        stopped = job.history.entered(JobState.CANCELLING)
        last = now if stopped is None else min(now, stopped)
        length = job.pace.seconds[JobState.RUNNING]
        idle = min(FIRST_AFTER, length / 10)
        for shape in self._shapes:
            begun, done = (started + idle + share * (length - idle) for share in (shape.begun, shape.done))
            if ended is not None and stopped is None and job.state(now) is not JobState.CANCELLED:
                begun, done = min(begun, ended), min(done, ended)
            if begun <= last and str(shape.document["id"]) not in self.jobs:
                plan = TrialPlan(begun, done, shape.document)
                self._plans[plan.id] = plan
                yield plan

    def updated(self, now: float) -> float:
        """When a trial last began or ended.

        Raises:
            ValueError: none has begun.
        """
        ends = ((job, job.ended(now)) for job in self.jobs.values())
        return max(job.created if ended is None else ended for job, ended in ends)

    def version(self, now: float) -> int:
        """A number that changes with what the trials show."""
        return len(self.jobs) + sum(job.state(now).terminal for job in self.jobs.values())

    def documents(self, parent: "Job", now: float) -> list[Json]:
        """The trials that have begun, in an order that is neither that of ids nor of values."""
        trials = [(trial_id, self._document(trial_id, job, now)) for trial_id, job in self.jobs.items()]
        first = next(iter(self.jobs), "")

        def key(entry: tuple[str, Json]) -> tuple[bool, bytes]:
            digest = hashlib.blake2b(f"{parent.id}/{entry[0]}".encode(), digest_size=8).digest()
            return entry[0] == first, digest

        return [document for _, document in sorted(trials, key=key)]

    def _document(self, trial_id: str, job: "Job", now: float) -> Json:
        planned = dict(self._plans[trial_id].document)
        measured = planned.pop("finalMeasurement", None)
        reason = planned.pop("infeasibleReason", "")
        shown = {**planned, "customJob": job.name, "startTime": rfc3339_nano(job.clock.unix(job.created))}
        ended = job.ended(now)
        if ended is None:
            shown["state"] = (
                planned.get("state") if planned.get("state") in ("REQUESTED", "STOPPING") else "ACTIVE"
            )
        elif job.state(now) is JobState.SUCCEEDED:
            shown["state"] = "SUCCEEDED"
            shown |= {"finalMeasurement": measured} if measured is not None else {}
        else:
            shown["state"] = INFEASIBLE
            shown["infeasibleReason"] = reason or job.history.at(now).error
        if ended is not None:
            shown["endTime"] = rfc3339_nano(job.clock.unix(ended), digits=0)
        if job.body["jobSpec"].get("enableWebAccess"):
            shown["webAccessUris"] = job.web_uris()
        return shown


def make_trials(body: Mapping[str, Any], seed: str, *, failing: bool = False) -> list[tuning.Trial]:
    """The trials of a HyperparameterTuningJob, in the order in which they begin.

    Args:
        body: the job.
        seed: the same trials come of the same seed.
        failing: whether the last trial is infeasible.
    """
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    count = min(max(1, body["maxTrialCount"]), tuning.TRIAL_LIMIT)
    study = body["studySpec"]
    documents = []
    for number in range(1, count + 1):
        metrics = [
            {"metricId": metric["metricId"], "value": round(chance.uniform(0.5, 0.99), 6)}
            for metric in study["metrics"]
        ]
        documents.append(
            {
                "id": str(number),
                "parameters": list(_drawn(study["parameters"], chance)),
                "finalMeasurement": {"stepCount": str(tuning.STEP), "metrics": metrics},
            }
        )
    if failing:
        documents[-1]["state"] = INFEASIBLE
    return tuning.schedule(documents, body["parallelTrialCount"])


def scripted_trials(trials: Sequence[Json], body: Mapping[str, Any]) -> list[tuning.Trial]:
    """The trials of a script, each a Trial or ml v1's HyperparameterOutput, one after another.

    Args:
        trials: as the script has them.
        body: the tuning job.
    """
    study = body["studySpec"]
    documents = [
        {"id": str(number), **(trial if is_vertex_trial(trial) else _translated(trial, study))}
        for number, trial in enumerate(trials, 1)
    ]
    return tuning.schedule(documents)


def scripted(trials: Sequence[Json], body: Mapping[str, Any]) -> Callable[[], Sequence[tuning.Trial]]:
    """What makes the trials of a script."""
    return functools.partial(scripted_trials, trials, body)


def _translated(trial: Json, study: Mapping[str, Any]) -> Json:
    """A HyperparameterOutput as a Trial; the values of parameters are numbers where they can be."""
    numeric = {
        parameter["parameterId"]
        for parameter in study["parameters"]
        if "categoricalValueSpec" not in parameter
    }
    shown: Json = {}
    if "trialId" in trial:
        shown["id"] = trial["trialId"]
    shown["parameters"] = [
        {"parameterId": name, "value": _number(text) if name in numeric else text}
        for name, text in trial.get("hyperparameters", {}).items()
    ]
    metric = trial.get("finalMetric")
    if metric is not None:
        value = {"metricId": study["metrics"][0]["metricId"]}
        if "objectiveValue" in metric:
            value["value"] = metric["objectiveValue"]
        step = {"stepCount": metric["trainingStep"]} if "trainingStep" in metric else {}
        shown["finalMeasurement"] = {**step, "metrics": [value]}
    if trial.get("state") in _FAILED_STATES:
        shown["state"] = INFEASIBLE
    return shown


def _drawn(parameters: Sequence[Mapping[str, Any]], chance: random.Random) -> Iterator[Json]:
    """A value for each parameter, and for those that depend on it."""
    for parameter in parameters:
        spec = next(name for name in _KINDS if name in parameter)
        values = parameter[spec].get("values", ())
        legacy = {
            **parameter[spec],
            "type": _KINDS[spec],
            "categoricalValues": values,
            "discreteValues": values,
            "scaleType": parameter.get("scaleType", ""),
        }
        text = tuning.draw(legacy, chance)
        value = text if spec == "categoricalValueSpec" else _number(text)
        yield {"parameterId": parameter["parameterId"], "value": value}
        for conditional in parameter.get("conditionalParameterSpecs", ()):
            allowed = next((conditional[name]["values"] for name in _CONDITIONS if name in conditional), ())
            if value in [_number(item) if spec != "categoricalValueSpec" else item for item in allowed]:
                yield from _drawn([conditional["parameterSpec"]], chance)


def _number(text: Any) -> Any:
    """A number of a text, whole where it is; what is no number stays."""
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() and abs(number) < 2**53 else number

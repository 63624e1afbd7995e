"""What tests configure in advance: faults of requests, scripted jobs, denied permissions.

These are the bodies of the control surface; `jobId` patterns are regular expressions that may match anywhere
in the id (`^x$` is the exact one).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
)
from pydantic.alias_generators import to_camel

from mljobs_dev.emulator.aiplatform import lifecycle as vertex
from mljobs_dev.emulator.aiplatform.document import COLLECTIONS, METHOD_NAMES, PREFIX, aiplatform_v1
from mljobs_dev.emulator.aiplatform.states import JobState, ml_v1_state, read_word
from mljobs_dev.emulator.errors import ApiError
from mljobs_dev.emulator.lifecycle import Pace, State
from mljobs_dev.emulator.schema import Message, ml_v1
from mljobs_dev.emulator.subjects import Subject

API_METHODS = (
    "ml.projects.jobs.create",
    "ml.projects.jobs.get",
    "ml.projects.jobs.list",
    "ml.projects.jobs.patch",
    "ml.projects.jobs.cancel",
    "ml.projects.jobs.getIamPolicy",
    "ml.projects.jobs.setIamPolicy",
    "ml.projects.jobs.testIamPermissions",
    *METHOD_NAMES,
    "logging.entries.list",
    "storage.buckets.get",
    "storage.objects.get",
    "storage.objects.insert",
    "storage.objects.list",
    "sts.token",
    "iamcredentials.projects.serviceAccounts.generateAccessToken",
)
"""The methods that the emulator serves, as discovery documents name them."""

LONGEST = 3600.0
"""Seconds that a `delay` may last."""


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    return text


def _method(name: str) -> str:
    if name not in API_METHODS:
        raise ValueError(f"is none of {', '.join(API_METHODS)}")
    return name


def _decoded(message: Message, value: Any) -> Any:
    try:
        return message.decode(value, "value")
    except ApiError as error:
        raise ValueError(error.message) from None


def _outcome(schema: str) -> Callable[[Any], Any]:
    return lambda value: _decoded(ml_v1().message(schema), value)


def _trial(value: Any) -> Any:
    if is_vertex_trial(value):
        return _decoded(aiplatform_v1().message(f"{PREFIX}Trial"), value)
    return _decoded(ml_v1().message("GoogleCloudMlV1__HyperparameterOutput"), value)


def is_vertex_trial(trial: Any) -> bool:
    """Whether a trial of a script is one of Vertex AI's, and none of ml v1's."""
    return isinstance(trial, dict) and not trial.keys().isdisjoint(_VERTEX_TRIAL)


def _vertex_fields(value: Any) -> Any:
    """Fields of a job of any of the three kinds."""
    if not isinstance(value, dict):
        raise ValueError("is no object")
    for schema in COLLECTIONS.values():
        if all(aiplatform_v1().message(schema).field(name) for name in value):
            return _decoded(aiplatform_v1().message(schema), value)
    raise ValueError(f"{', '.join(value)}: no kind of job has these fields together")


def _timeline(value: Any) -> Any:
    """A timeline by ml v1's words for the states."""
    if not isinstance(value, dict):
        return value
    return {_timeline_word(word): seconds for word, seconds in value.items()}


def _timeline_word(word: Any) -> Any:
    try:
        state = read_word(word)
    except (ValueError, AttributeError):
        return word
    known = state.rank < JobState.SUCCEEDED.rank and state not in (JobState.PAUSED, JobState.UPDATING)
    return ml_v1_state(state).value if known else word


def _word(word: Any) -> Any:
    return read_word(word) if isinstance(word, str) else word


_VERTEX_TRIAL = frozenset({"id", "parameters", "finalMeasurement"})

Pattern = Annotated[str, AfterValidator(_pattern)]
Trial = Annotated[dict[str, Any], BeforeValidator(_trial)]
AnyState = Annotated[JobState, BeforeValidator(_word)]
VertexFields = Annotated[dict[str, Any], BeforeValidator(_vertex_fields)]
TrainingOutput = Annotated[dict[str, Any], BeforeValidator(_outcome("GoogleCloudMlV1__TrainingOutput"))]
PredictionOutput = Annotated[dict[str, Any], BeforeValidator(_outcome("GoogleCloudMlV1__PredictionOutput"))]


class ControlBody(BaseModel):
    """A body of the control surface: camelCase names, and no others than these."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True, strict=False)


class Action(StrEnum):
    """What a fault does to a request."""

    ERROR = "error"
    DROP_BEFORE = "dropBefore"
    DROP_AFTER = "dropAfter"
    DELAY = "delay"
    TRUNCATE = "truncate"


class Fault(ControlBody):
    """A fault that befalls requests of a method.

    Attributes:
        method: the method's name in the discovery document; every method if left out.
        job_id: which jobs, by id or display name; every job, and `list` too, if left out.
        project: which projects; every one if left out.
        location: which locations of Vertex AI; every request if left out.
        object: which objects of Cloud Storage, as `BUCKET/OBJECT`; every one if left out.
        account: whose tokens, by a service account's address or a subject; every request if left out.
        times: how many requests; every one if left out.
        action: `error` answers without applying the request; `dropBefore` and `dropAfter` close the
            connection without an answer, before or after applying it; `delay` waits, then applies and
            answers, also where the client has gone meanwhile; `truncate` applies, and sends half of the
            answer's body.
        status: of an `error`.
        message: of an `error`; the service's usual text by default.
        retry_after: seconds in the `Retry-After` header of an `error`.
        html: whether an `error` has an HTML page as its body, as Google's front ends send it.
        seconds: real seconds of a `delay`.
    """

    method: Annotated[str, AfterValidator(_method)] | None = None
    job_id: Pattern | None = None
    project: Pattern | None = None
    location: Pattern | None = None
    object: Pattern | None = None
    account: Pattern | None = None
    times: Annotated[int, Field(ge=1)] | None = None
    action: Action
    status: Annotated[int, Field(ge=400, le=599)] = 503
    message: str = ""
    retry_after: Annotated[int, Field(ge=0)] | None = None
    html: bool = False
    seconds: Annotated[float, Field(ge=0, le=LONGEST)] = 0.0

    def befalls(self, method: str, subject: Subject) -> bool:
        """Whether a request is one of those that the fault means."""
        return (
            self.method in (None, method)
            and _matches(self.job_id, *subject.names)
            and _matches(self.project, subject.project)
            and _matches(self.location, subject.location)
            and _matches(self.object, subject.stored)
            and _matches(self.account, subject.account)
        )

    def error(self) -> ApiError:
        """The answer of an `error`."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return ApiError(self.status, self.message, headers=headers)


class Script(ControlBody):
    """How jobs go on, and how they end.

    Attributes:
        job_id: which jobs, by id or, on Vertex AI, display name.
        project: which projects; every one if left out.
        location: which locations of Vertex AI; every one, and ml v1's jobs, if left out.
        timeline: emulated seconds in each state; a state that is left out keeps its usual duration. Here and
            in `final` states go by the words of either service: PREPARING is PENDING.
        final: the state in which jobs come to rest; one that is not terminal is never left.
        error_message: of a job that ends.
        error_code: `error.code` of a job of Vertex AI that fails; by default it follows from the message.
        trials: HyperparameterOutput objects, in the order in which they are to be shown, or Trial objects of
            Vertex AI, which shows them in an order of its own; they become complete one after another while
            the job runs. ml v1's jobs take the former only.
        training_output: fields that replace those of a training job's output; for ml v1.
        prediction_output: fields that replace those of a prediction job's output.
        vertex_output: output-only fields that replace those of a job of Vertex AI.
    """

    job_id: Pattern = ""
    project: Pattern | None = None
    location: Pattern | None = None
    timeline: Annotated[dict[State, Annotated[float, Field(ge=0, le=1e12)]], BeforeValidator(_timeline)] = (
        Field(default_factory=dict)
    )
    final: AnyState | None = None
    error_message: str | None = None
    error_code: Annotated[int, Field(ge=1, le=16)] | None = None
    trials: list[Trial] | None = None
    training_output: TrainingOutput | None = None
    prediction_output: PredictionOutput | None = None
    vertex_output: VertexFields | None = None

    @field_validator("timeline")
    @classmethod
    def _passing(cls, timeline: dict[State, float]) -> dict[State, float]:
        for state in timeline:
            if state.terminal:
                raise ValueError(f"a job does not leave {state}, so that it has no duration there")
        return timeline

    def covers(self, project: str, *names: str, location: str = "") -> bool:
        """Whether a job is one of those that the script means."""
        return (
            _matches(self.job_id, *names)
            and _matches(self.project, project)
            and _matches(self.location, location)
        )

    @property
    def ml_v1_trials(self) -> list[dict[str, Any]] | None:
        """The trials for a job of ml v1; None where the script has none for it."""
        found = [trial for trial in self.trials or () if not is_vertex_trial(trial)]
        return None if self.trials is None or (self.trials and not found) else found

    def vertex_pace(self, usual: vertex.Pace) -> vertex.Pace:
        """The pace of a job of Vertex AI; a job that never runs still ends as it would."""
        given = {read_word(state): seconds for state, seconds in self.timeline.items()}
        pace = replace(usual, seconds={**usual.seconds, **given})
        if not usual.runs:
            return pace
        error = usual.error if self.error_message is None else self.error_message
        return replace(pace, final=self.final or usual.final, error=error)

    def vertex_output_of(self, collection: str) -> dict[str, Any]:
        """Output-only fields of a job of Vertex AI: the script's own, or what its predictionOutput says."""
        given = self.prediction_output or {} if collection == "batchPredictionJobs" else {}
        counts = {
            shown: given[name]
            for name, shown in (("predictionCount", "successfulCount"), ("errorCount", "failedCount"))
            if name in given
        }
        found: dict[str, Any] = {"completionStats": counts} if counts else {}
        if "outputPath" in given:
            found["outputInfo"] = {"gcsOutputDirectory": given["outputPath"]}
        if "nodeHours" in given:
            found["resourcesConsumed"] = {"replicaHours": given["nodeHours"]}
        own = aiplatform_v1().message(COLLECTIONS[collection])
        known = {name: value for name, value in (self.vertex_output or {}).items() if own.field(name)}
        return own.prune({**found, **known})

    def pace(self, usual: Pace) -> Pace:
        """The pace of a job that would otherwise have its usual one."""
        return Pace(
            {**usual.seconds, **self.timeline},
            final=ml_v1_state(self.final) if self.final else usual.final,
            error=usual.error if self.error_message is None else self.error_message,
            max_wait=usual.max_wait,
            max_run=usual.max_run,
        )


class Denial(ControlBody):
    """Permissions that the caller lacks on jobs, or on objects of Cloud Storage.

    Attributes:
        job_id: which jobs, by id or display name; every one if left out.
        project: which projects; every one if left out.
        location: which locations of Vertex AI; every request if left out.
        object: which objects, as `BUCKET/OBJECT`; every one if left out.
        denied: permissions, `ml.jobs.cancel` or `aiplatform.customJobs.create` say. Methods that need one of
            them answer 403, and `testIamPermissions` leaves them out.
    """

    job_id: Pattern = ""
    project: Pattern | None = None
    location: Pattern | None = None
    object: Pattern | None = None
    denied: list[str]

    def denies(self, permission: str, subject: Subject) -> bool:
        """Whether the caller lacks a permission on a job or an object."""
        return (
            permission in self.denied
            and _matches(self.job_id, *subject.names)
            and _matches(self.project, subject.project)
            and _matches(self.location, subject.location)
            and _matches(self.object, subject.stored)
        )


class Forced(ControlBody):
    """A state that a job enters at once.

    Attributes:
        state: the state, further on than the present one, in the words of either service.
        error_message: of a terminal state.
    """

    state: AnyState
    error_message: str = ""


class BucketPlace(ControlBody):
    """Where a bucket of Cloud Storage is.

    Attributes:
        location: a region, or a multi-region such as `us`.
    """

    location: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")]


Body = TypeVar("Body", bound=ControlBody)


def read_bodies(model: type[Body], value: Any) -> list[Body]:
    """Read one body, or a list of them.

    Raises:
        ApiError: 400 that names field, value and rule.
    """
    items = value if isinstance(value, list) else [value]
    try:
        return TypeAdapter(list[model]).validate_python(items)  # type: ignore[valid-type]
    except ValidationError as error:
        lines = (
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']} (given: {problem['input']!r:.200})"
            for problem in error.errors()
        )
        raise ApiError(400, "\n".join(lines)) from None


def read_body(model: type[Body], value: Any) -> Body:
    """Read one body.

    Raises:
        ApiError: 400 that names field, value and rule.
    """
    if not isinstance(value, dict):
        raise ApiError(400, f"the body should be one object, not {type(value).__name__}")
    return read_bodies(model, value)[0]


class Faults:
    """The faults in force, in the order in which they were set; the first that fits befalls a request."""

    def __init__(self) -> None:
        self._faults: list[tuple[Fault, list[int]]] = []

    def add(self, faults: Sequence[Fault]) -> None:
        """Put faults behind those in force."""
        self._faults += [(fault, [0]) for fault in faults]

    def clear(self) -> None:
        """Lift all faults."""
        self._faults.clear()

    def take(self, method: str, subject: Subject) -> Fault | None:
        """The fault that befalls a request, counted; None for the usual case."""
        for entry in self._faults:
            fault, hits = entry
            if fault.befalls(method, subject):
                hits[0] += 1
                if fault.times is not None and hits[0] >= fault.times:
                    self._faults.remove(entry)
                return fault
        return None

    def as_json(self) -> list[dict[str, Any]]:
        """The faults in force and how many requests each has befallen."""
        return [
            {**fault.model_dump(mode="json", by_alias=True, exclude_unset=True), "hits": hits[0]}
            for fault, hits in self._faults
        ]


def _matches(pattern: str | None, *texts: str) -> bool:
    return pattern is None or any(re.search(pattern, text) for text in texts)

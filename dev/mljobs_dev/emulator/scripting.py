"""What tests configure in advance: faults of requests, scripted jobs, denied permissions.

These are the bodies of the control surface; `jobId` patterns are regular expressions that may match anywhere
in the id (`^x$` is the exact one).
"""

import re
from collections.abc import Callable, Sequence
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

from mljobs_dev.emulator.errors import ApiError
from mljobs_dev.emulator.lifecycle import Pace, State
from mljobs_dev.emulator.schema import ml_v1

API_METHODS = (
    "ml.projects.jobs.create",
    "ml.projects.jobs.get",
    "ml.projects.jobs.list",
    "ml.projects.jobs.patch",
    "ml.projects.jobs.cancel",
    "ml.projects.jobs.getIamPolicy",
    "ml.projects.jobs.setIamPolicy",
    "ml.projects.jobs.testIamPermissions",
    "logging.entries.list",
    "storage.buckets.get",
    "storage.objects.get",
    "storage.objects.insert",
    "storage.objects.list",
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


def _outcome(schema: str) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        try:
            return ml_v1().message(schema).decode(value, "value")
        except ApiError as error:
            raise ValueError(error.message) from None

    return read


Pattern = Annotated[str, AfterValidator(_pattern)]
Trial = Annotated[dict[str, Any], BeforeValidator(_outcome("GoogleCloudMlV1__HyperparameterOutput"))]
TrainingOutput = Annotated[dict[str, Any], BeforeValidator(_outcome("GoogleCloudMlV1__TrainingOutput"))]
PredictionOutput = Annotated[dict[str, Any], BeforeValidator(_outcome("GoogleCloudMlV1__PredictionOutput"))]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True, strict=False)


class Action(StrEnum):
    """What a fault does to a request."""

    ERROR = "error"
    DROP_BEFORE = "dropBefore"
    DROP_AFTER = "dropAfter"
    DELAY = "delay"
    TRUNCATE = "truncate"


class Fault(_Body):
    """A fault that befalls requests of a method.

    Attributes:
        method: the method's name in the discovery document; every method if left out.
        job_id: which jobs; every job, and `list` too, if left out.
        project: which projects; every one if left out.
        object: which objects of Cloud Storage, as `BUCKET/OBJECT`; every one if left out.
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
    object: Pattern | None = None
    times: Annotated[int, Field(ge=1)] | None = None
    action: Action
    status: Annotated[int, Field(ge=400, le=599)] = 503
    message: str = ""
    retry_after: Annotated[int, Field(ge=0)] | None = None
    html: bool = False
    seconds: Annotated[float, Field(ge=0, le=LONGEST)] = 0.0

    def befalls(self, method: str, project: str, job_id: str, stored: str = "") -> bool:
        """Whether a request is one of those that the fault means."""
        return (
            self.method in (None, method)
            and _matches(self.job_id, job_id)
            and _matches(self.project, project)
            and _matches(self.object, stored)
        )

    def error(self) -> ApiError:
        """The answer of an `error`."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return ApiError(self.status, self.message, headers=headers)


class Script(_Body):
    """How jobs go on, and how they end.

    Attributes:
        job_id: which jobs.
        project: which projects; every one if left out.
        timeline: emulated seconds in each state; a state that is left out keeps its usual duration.
        final: the state in which jobs come to rest; one that is not terminal is never left.
        error_message: of a job that ends.
        trials: HyperparameterOutput objects, in the order in which they are to be shown; they become complete
            one after another while the job runs.
        training_output: fields that replace those of a training job's output.
        prediction_output: fields that replace those of a prediction job's output.
    """

    job_id: Pattern = ""
    project: Pattern | None = None
    timeline: dict[State, Annotated[float, Field(ge=0, le=1e12)]] = Field(default_factory=dict)
    final: State | None = None
    error_message: str | None = None
    trials: list[Trial] | None = None
    training_output: TrainingOutput | None = None
    prediction_output: PredictionOutput | None = None

    @field_validator("timeline")
    @classmethod
    def _passing(cls, timeline: dict[State, float]) -> dict[State, float]:
        for state in timeline:
            if state.terminal:
                raise ValueError(f"a job does not leave {state}, so that it has no duration there")
        return timeline

    def covers(self, project: str, job_id: str) -> bool:
        """Whether a job is one of those that the script means."""
        return _matches(self.job_id, job_id) and _matches(self.project, project)

    def pace(self, usual: Pace) -> Pace:
        """The pace of a job that would otherwise have its usual one."""
        return Pace(
            {**usual.seconds, **self.timeline},
            final=self.final or usual.final,
            error=usual.error if self.error_message is None else self.error_message,
            max_wait=usual.max_wait,
            max_run=usual.max_run,
        )


class Denial(_Body):
    """Permissions that the caller lacks on jobs, or on objects of Cloud Storage.

    Attributes:
        job_id: which jobs; every one if left out.
        project: which projects; every one if left out.
        object: which objects, as `BUCKET/OBJECT`; every one if left out.
        denied: permissions, `ml.jobs.cancel` say. Methods that need one of them answer 403, and
            `testIamPermissions` leaves them out.
    """

    job_id: Pattern = ""
    project: Pattern | None = None
    object: Pattern | None = None
    denied: list[str]

    def denies(self, permission: str, project: str, job_id: str, stored: str = "") -> bool:
        """Whether the caller lacks a permission on a job or an object."""
        return (
            permission in self.denied
            and _matches(self.job_id, job_id)
            and _matches(self.project, project)
            and _matches(self.object, stored)
        )


class Forced(_Body):
    """A state that a job enters at once.

    Attributes:
        state: the state, further on than the present one.
        error_message: of a terminal state.
    """

    state: State
    error_message: str = ""


Body = TypeVar("Body", bound=_Body)


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

    def take(self, method: str, project: str, job_id: str, stored: str = "") -> Fault | None:
        """The fault that befalls a request, counted; None for the usual case."""
        for entry in self._faults:
            fault, hits = entry
            if fault.befalls(method, project, job_id, stored):
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


def _matches(pattern: str | None, text: str) -> bool:
    return pattern is None or re.search(pattern, text) is not None

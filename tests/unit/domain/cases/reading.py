"""Reads the cases of decide and project: `NAME.in.yaml` says what is known, `NAME.out.yaml` what follows.

A resource, a job and the settings are read as the operator reads them. What it would overlook is an error
here, so that no case says more than it tests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import AwareDatetime, Field
from pydantic.alias_generators import to_camel

from mljobs.api import outputs
from mljobs.api.base import JsonObject, Model
from mljobs.api.jobclass import JobClass as JobClassResource
from mljobs.api.resources import KINDS, Metadata
from mljobs.backends import facts_of_class
from mljobs.backends.mlv1.facts import MlV1Facts
from mljobs.backends.vertex.facts import VertexFacts
from mljobs.config import Settings
from mljobs.domain import errors, port
from mljobs.domain.classes.choice import standing_of
from mljobs.domain.classes.job_class import JobClass, Standing, Turn
from mljobs.domain.decide import AdminPolicy
from mljobs.domain.job.observation import Call, FailedCall, Observation, Relabelling
from mljobs.domain.job.resource import Resource, Target
from mljobs.domain.port import Facts, Job, Reference
from mljobs.main import policy_of
from tests.tiny.facts import TinyFacts

FOLDER = Path(__file__).parent
SERVICES: Mapping[str, Facts] = {"MLv1": MlV1Facts(), "VertexAI": VertexFacts(), "Tiny": TinyFacts()}
"""What is known of services. Tiny names jobs itself; it changes no labels, and has no IAM policies."""

_ERRORS = {error.__name__: error for error in errors.JobServiceError.__subclasses__()}
_SETTINGS = {to_camel(name): name for name in Settings.model_fields}
_METADATA = {*map(to_camel, Metadata.model_fields), "deletionTimestamp", "finalizers"}


class Failure(Model):
    """A call that failed; see `FailedCall`. `status` and `cause` are those of its error."""

    error: str
    message: str
    status: int | None = None
    cause: errors.Denial | outputs.Cause | None = None
    generation: int
    retry_at: AwareDatetime
    retry: str = ""

    def failed_call(self, call: Call) -> FailedCall:
        more = {name: value for name in ("status", "cause") if (value := getattr(self, name)) is not None}
        error = _ERRORS[self.error](self.message, **more)
        return FailedCall(call, error, self.generation, self.retry_at, retry=self.retry)


class About(Model):
    """The job that is meant; see `Target`."""

    project: str
    job_id: str
    attempt: int


class Contest(Model):
    """How often labels were put right; see `Relabelling`."""

    generation: int
    count: int
    at: AwareDatetime


class Surplus(Model):
    """A job too many, in the service's JSON."""

    reference: str
    job: JsonObject


class Cause(Model):
    """Why a job has failed, as its backend says; see `Failure` of the port."""

    cause: outputs.Cause
    exit_code: int | None = None
    message: str = ""


class Known(Model):
    """What is known of a job; see `Observation`.

    `job` is the service's JSON, `reference` its name where the service has chosen that, `failed` the last
    failures by the kind of call.
    """

    since: AwareDatetime
    about: About | None = None
    alone: bool = False
    job: JsonObject | None = None
    failure: Cause | None = None
    reference: str | None = None
    seen_at: AwareDatetime | None = None
    created: bool = False
    cancelled: bool = False
    bound: list[JsonObject] | None = None
    absences: int = 0
    absent_since: AwareDatetime | None = None
    absent_at: AwareDatetime | None = None
    checked_while_deleting: bool = False
    outcome_unknown_at: AwareDatetime | None = None
    relabelling: Contest | None = None
    extra: list[Surplus] = Field(default_factory=list)
    searched_at: AwareDatetime | None = None
    failed: dict[Call, Failure] = Field(default_factory=dict)

    def observation(self, resource: Resource, facts: Facts) -> Observation:
        """The same as the core has it."""
        fields = {
            name: value for name, value in self if name not in ("about", "failure", "reference", "failed")
        }
        target = resource.placed(Target(**dict(self.about))) if self.about else None
        job = None
        if self.job:
            named = facts.reference(target.scope, self.job["jobId"]) if target else None
            job = Job.parse(self.job, Reference(self.reference) if self.reference else named or Reference(""))
            job = replace(job, failure=port.Failure(**dict(self.failure)) if self.failure else None)
        changed = {
            "target": target,
            "job": job,
            "relabelling": Relabelling(**dict(self.relabelling)) if self.relabelling else None,
            "extra": tuple(Job.parse(one.job, Reference(one.reference)) for one in self.extra),
            "failed_calls": {call: failure.failed_call(call) for call, failure in self.failed.items()},
        }
        return Observation(**{**fields, **changed})


class Body(Model):
    """A resource as `kubectl get -o yaml` shows it, without what the operator does not read."""

    api_version: Literal["mljobs.dev/v1alpha1"]
    kind: Literal["TrainingJob", "PredictionJob"]
    metadata: JsonObject
    spec: JsonObject
    status: JsonObject

    def unread(self) -> list[str]:
        """What the operator would overlook: a spec may break rules, but not by the names of its fields."""
        kind = KINDS[self.kind]
        names = {to_camel(name) for name in kind.spec.model_fields}
        read = kind.status.model_validate(self.status).document()
        return [
            *(f"metadata.{key}" for key in self.metadata.keys() - _METADATA),
            *(f"spec.{key}" for key in self.spec.keys() - names),
            *(f"status.{key}" for key in self.status if read.get(key) != self.status[key]),
        ]


class Document(Model):
    """What stands in a file `NAME.in.yaml`; `settings` as in the operator's configuration file."""

    now: AwareDatetime
    service: Literal["MLv1", "VertexAI", "Tiny"] = "MLv1"
    settings: JsonObject = Field(default_factory=dict)
    classes: list[JsonObject] = Field(default_factory=list)
    namespace_labels: dict[str, str] | None = None
    turn: str | None = None
    resource: Body
    observation: Known


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        name: its folder and its file's name, without the endings.
        rule: the rule that it shows, in a sentence.
        resource: the object.
        known: what is known of its job.
        policy: the administrator's settings.
        now: the time.
    """

    name: str
    rule: str
    resource: Resource
    known: Observation
    policy: AdminPolicy
    now: datetime

    @property
    def answer(self) -> Path:
        """The file that says what follows."""
        return FOLDER / f"{self.name}.out.yaml"


def without_times(made_from: type[yaml.resolver.BaseResolver]) -> dict[str, list[tuple[str, Any]]]:
    """How YAML's plain words are read, but for times, which stay texts as in JSON."""
    times = "tag:yaml.org,2002:timestamp"
    return {
        first: [row for row in rows if row[0] != times]
        for first, rows in made_from.yaml_implicit_resolvers.items()
    }


def load(text: str) -> Any:
    """Read YAML in which no key stands twice."""
    return yaml.load(text, Loader=_Loader)  # noqa: S506


class _Loader(yaml.CSafeLoader):
    """Reads what JSON can hold."""

    yaml_implicit_resolvers = without_times(yaml.CSafeLoader)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        made = super().construct_mapping(node, deep)
        if len(made) != len(node.value):
            raise yaml.constructor.ConstructorError(None, None, "a key stands twice", node.start_mark)
        return made


def rule_of(path: Path) -> str:
    """The comment that a file begins with.

    Raises:
        ValueError: it begins with something else.
    """
    first = path.read_text("utf-8").partition("\n")[0]
    if not first.startswith("# "):
        raise ValueError(f"{path}: its first line is no comment that says which rule the case shows")
    return first[2:]


def names() -> list[str]:
    """The names of all cases: of their first files."""
    return sorted(str(path.relative_to(FOLDER))[: -len(".in.yaml")] for path in FOLDER.rglob("*.in.yaml"))


@cache
def case(name: str) -> Case:
    """Read what is known in a case.

    Raises:
        ValueError: something in it is not read; the message names file and field.
    """
    path = FOLDER / f"{name}.in.yaml"
    try:
        return read(name, rule_of(path), path.read_text("utf-8"))
    except (ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: {error}") from error


def read(name: str, rule: str, text: str) -> Case:
    """Read the text of a file `NAME.in.yaml`."""
    document = Document.model_validate(load(text))
    unread = document.resource.unread()
    if unread:
        raise ValueError(f"nothing reads {', '.join(unread)}")
    body = document.resource.model_dump(by_alias=True)
    facts, standing = SERVICES[document.service], Standing()
    if document.classes:
        classes = [
            JobClass.parse(JobClassResource.model_validate(one).document()) for one in document.classes
        ]
        standing = standing_of(body, {one.name: one for one in classes}, document.namespace_labels)
        facts = facts_of_class(standing.job_class) if standing.job_class else facts
    if document.turn is not None:
        again = document.now + timedelta(minutes=1)
        turn = Turn(given=False, message=document.turn, again=again) if document.turn else Turn(given=True)
        standing = replace(standing, turn=turn)
    resource = Resource.parse(body, facts, standing)
    settings = Settings.model_validate({_SETTINGS[key]: value for key, value in document.settings.items()})
    known = document.observation.observation(resource, facts)
    return Case(name, rule, resource, known, policy_of(settings), document.now)

"""Checks the spec of a JobSchedule, and that of its template by the rules of the template's kind."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from mljobs.api.crd import CelRule, structural
from mljobs.api.field_error import FieldErrorType
from mljobs.api.jobschedule import NAME_LIMIT, ConcurrencyPolicy, JobScheduleSpec, JobTemplate
from mljobs.api.resources import GROUP
from mljobs.domain.schedule.cron import Cron, zone_named
from mljobs.domain.spec import metadata
from mljobs.domain.spec.problems import MISSING, Problem, Source, join
from mljobs.domain.spec.validate import model_problems
from mljobs.domain.spec.validate import validate as validate_job

CEL_RULES: Mapping[str, Sequence[CelRule]] = {
    "": [
        CelRule(
            f"self.metadata.name.size() <= {NAME_LIMIT}",
            f"the name must have at most {NAME_LIMIT} characters: the names of runs are longer",
        )
    ]
}
"""What the API server checks of a JobSchedule beside its schema. The spec in the template is beyond CEL,
which cannot look into values of any form."""

OF_A_CLASS = "project-of-the-class"
"""Stands for the project of jobs that name none, where a JobClass may name one: only a run has a class, and
is judged by it."""

TEMPLATE = "spec.template"
_SCHEMA = structural(JobScheduleSpec)


def validate(
    name: str, spec: Mapping[str, Any], *, default_project: str | None = None
) -> tuple[JobScheduleSpec | None, tuple[Problem, ...]]:
    """Check a JobSchedule.

    Args:
        name: of the resource.
        spec: as the API server stores it.
        default_project: the project of jobs that name none.

    Returns:
        The model, or None if there are problems; and the problems.
    """
    try:
        model = JobScheduleSpec.model_validate(spec, by_alias=True, by_name=False)
    except ValidationError as error:
        return None, tuple(model_problems(error, _SCHEMA))
    problems = (*_of_schedule(name, model), *_of_template(model, default_project))
    return None if problems else model, problems


def _of_schedule(name: str, spec: JobScheduleSpec) -> Iterator[Problem]:
    if len(name) > NAME_LIMIT:
        rule = f"must have at most {NAME_LIMIT} characters: the names of runs are longer"
        yield _problem("metadata.name", name, rule)
    try:
        zone = zone_named(spec.time_zone)
    except ValueError as error:
        yield _problem("spec.timeZone", spec.time_zone, str(error))
        zone = zone_named(None)
    try:
        Cron.parse(spec.schedule, zone)
    except ValueError as error:
        yield _problem("spec.schedule", spec.schedule, str(error))


def _of_template(spec: JobScheduleSpec, default_project: str | None) -> Iterator[Problem]:
    template = spec.template
    yield from _of_metadata(template)
    if "jobId" in template.spec:
        yield _problem(
            f"{TEMPLATE}.spec.jobId",
            template.spec["jobId"],
            "must not be set: a project takes each id once, and a schedule has many runs",
            FieldErrorType.FORBIDDEN,
        )
    replacing = spec.concurrency_policy is ConcurrencyPolicy.REPLACE
    if replacing and template.spec.get("deletionPolicy") == "Orphan":
        yield _problem(
            f"{TEMPLATE}.spec.deletionPolicy",
            "Orphan",
            "must be Cancel where concurrencyPolicy is Replace: the job of a replaced run would go on",
        )
    for problem in validate_job(template.kind, template.spec, default_project=default_project).problems:
        yield replace(problem, path=join(TEMPLATE, problem.path))


def _of_metadata(template: JobTemplate) -> Iterator[Problem]:
    found = template.metadata.document() if template.metadata else {}
    for problem in metadata.problems({**found, "name": "run"}):
        yield replace(problem, path=join(TEMPLATE, problem.path))
    for field, values in found.items():
        for key in values:
            if key.rpartition("/")[0] == GROUP:
                rule = f"names that begin with {GROUP}/ are the operator's"
                path = f"{TEMPLATE}.metadata.{field}[{key}]"
                yield _problem(path, values[key], rule, FieldErrorType.FORBIDDEN)


def _problem(
    path: str, value: Any, rule: str, error_type: FieldErrorType = FieldErrorType.INVALID
) -> Problem:
    return Problem(
        path,
        MISSING if value is None else value,
        rule,
        source=Source.OPERATOR,
        error_type=error_type,
        id="schedule",
    )

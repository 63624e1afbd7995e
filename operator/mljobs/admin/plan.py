"""`mljobs plan`: what a description would make the operator do, found out without a cluster.

Problems go to stdout, one a line; without any, the body of the create request does, or those for several
services side by side. Warnings and notes go to stderr, so that the request can be piped on.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from mljobs.admin.plan_input import Usage, documents, text_of

if TYPE_CHECKING:
    from mljobs.admin.plan_classes import Admitted, GivenClasses
    from mljobs.backends import Service, Terms
    from mljobs.console.documents.reading import Document
    from mljobs.domain.port import Facts
    from mljobs.domain.spec.lenient import Reading
    from mljobs.domain.spec.problems import Problem
    from mljobs.domain.spec.validate import JobSpec

UNKNOWN_UID = "not-known-yet"
"""Stands for the uid of a resource that does not exist yet."""

UNNAMED = "unnamed"
"""Stands for the name of a description that has none."""

DEFAULT_PROJECT = "administrators-default"
"""Stands for the administrator's default, which may exist in the cluster; that is not asked here."""

_DERIVED = re.compile(r"_[0-9a-f]{16}_1$")


class Output(StrEnum):
    """How the requests for several services are printed."""

    TABLE = "table"
    JSON = "json"


@dataclass(frozen=True)
class _Options:
    service_name: str
    values_shown: bool
    project: str | None
    namespace: str
    name: str
    uid: str | None
    kind: str | None
    values: Sequence[str]
    service: "Service"
    facts: "Facts"
    terms: "Terms"
    classes: "GivenClasses | None" = None


@dataclass(frozen=True)
class _Plan:
    """What became of one document: its requests where it has no problems, and its class refuses nothing.

    There is one, or one for each of its placements.
    """

    title: str
    problems: Sequence["Problem"]
    warnings: Sequence["Problem"]
    notes: Sequence[str]
    requests: Sequence[Mapping[str, Any]]
    line: str = ""
    refused: Sequence[str] = ()


def plan(
    file: Annotated[
        str,
        typer.Option(
            "--filename",
            "-f",
            metavar="FILE",
            help="Manifests, read as kubectl does; or a Job of the API or gcloud's config.yaml, read as "
            "gcloud does. YAML or JSON, - for standard input.",
        ),
    ],
    project: Annotated[
        str | None, typer.Option(help="Project of what names none, as the administrator's default.")
    ] = None,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Namespace of what names none.")
    ] = "default",
    name: Annotated[str, typer.Option(help="Name of what has none, such as a config.yaml.")] = UNNAMED,
    uid: Annotated[
        str | None, typer.Option(help="The resource's uid, from which the job's id is derived.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option(help="TrainingJob or PredictionJob, for what does not say so itself.")
    ] = None,
    values: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="Set a field of the spec, such as trainingInput.region=us-central1; VALUE is YAML.",
        ),
    ] = None,
    services: Annotated[
        list[str] | None,
        typer.Option(
            "--service",
            metavar="MLv1|VertexAI",
            help="The service that is to run the jobs, MLv1 where left out. Given for each of the two, their "
            "requests stand side by side.",
        ),
    ] = None,
    given_class: Annotated[
        str | None,
        typer.Option(
            "--class",
            metavar="NAME|FILE",
            help="The JobClass that decides: one of the cluster by its name, or those of a YAML file. It "
            "says which service runs the jobs, where, and what is laid under their specs.",
        ),
    ] = None,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="How requests for two services are printed.")
    ] = Output.TABLE,
    values_shown: Annotated[
        bool, typer.Option("--show-env", help="Print the values of environment variables, too.")
    ] = False,
    locations: Annotated[
        list[str] | None,
        typer.Option(
            "--location",
            metavar="REGION",
            help="Allow no regions but these, as the setting locations does; the first is the default.",
        ),
    ] = None,
    tables: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Laid over the tables of machines and images, as the setting tables."
        ),
    ] = None,
) -> None:
    """Check descriptions of jobs without a cluster, and print the requests that they make.

    Prints each problem on its own line and exits with 1, or prints the create request as JSON (a list of
    them for several descriptions, or for several placements of one) and exits with 0. What the service does
    not support as it is written is reported on stderr. With both services their requests are compared, of
    several placements the first: a table, or as JSON an object with the requests for each.
    """
    names = list(dict.fromkeys(services or ["MLv1"]))
    try:
        found = documents(text_of(file), kind)
        if given_class:
            beside = {"service": services, "project": project, "location": locations, "tables": tables}
            _nothing_beside_class(beside)
        classes = _classes(given_class, found, namespace) if given_class else None
        asked = [
            _settled(
                service,
                locations or (),
                tables,
                values_shown=values_shown,
                project=project,
                namespace=namespace,
                name=name,
                uid=uid,
                kind=kind,
                values=values or (),
                classes=classes,
            )
            for service in names
        ]
        plans = {
            options.service_name: [_plan(document, options, number) for number, document in found]
            for options in asked
        }
    except Usage as error:
        print(f"mljobs plan: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    raise typer.Exit(_report(plans, output))


def _settled(service: str, locations: Sequence[str], tables: Path | None, **rest: Any) -> _Options:
    """Read what the administrator would have set.

    Raises:
        Usage: it makes no sense.
    """
    from mljobs.backends import Terms, service_named

    try:
        found = service_named(service)
        terms = Terms.read(tuple(locations), tables)
        return _Options(service_name=service, service=found, facts=found.facts(terms), terms=terms, **rest)
    except ValueError as error:
        raise Usage(str(error)) from None


def _nothing_beside_class(options: Mapping[str, Any]) -> None:
    """Refuse options that say what the class says.

    Raises:
        Usage: there is one.
    """
    for name, value in options.items():
        if value:
            raise Usage(f"--{name} cannot be given beside --class: the class says it")


def _classes(value: str, found: Sequence[tuple[int, "Document"]], namespace: str) -> "GivenClasses":
    from mljobs.admin.plan_classes import ClassesError, read_classes

    metas = [document.value.get("metadata") for _, document in found]
    named = [meta.get("namespace") for meta in metas if isinstance(meta, Mapping)]
    try:
        return read_classes(value, [namespace, *(name for name in named if isinstance(name, str))])
    except ClassesError as error:
        raise Usage(f"--class {value}: {error}") from None


def _report(plans: Mapping[str, Sequence[_Plan]], output: Output) -> int:
    """Print what was found, by service, and return the exit code."""
    _tell(plans, lambda made: [problem.text for problem in made.warnings], "warning: ", sys.stderr)
    _tell(plans, lambda made: made.notes, "note: ", sys.stderr)
    _tell(plans, lambda made: [*made.refused, *(one.text for one in made.problems)], "", sys.stdout)
    if any(made.problems or made.refused for of_service in plans.values() for made in of_service):
        return 1
    requests = {name: _requests(of_service) for name, of_service in plans.items()}
    if len(plans) == 1:
        (requests,) = requests.values()
    elif output is Output.TABLE:
        _compare(plans)
        return 0
    print(json.dumps(requests, indent=2, ensure_ascii=False))
    return 0


def _tell(
    plans: Mapping[str, Sequence[_Plan]],
    lines: Callable[[_Plan], Sequence[str]],
    word: str,
    stream: TextIO,
) -> None:
    """Print the lines of all plans, each with a document's and a service's name where there are several.

    What all services say is said once.
    """
    for about in zip(*plans.values(), strict=True):
        title = f"{about[0].title}: " if len(next(iter(plans.values()))) > 1 else ""
        said = [lines(made) for made in about]
        common = [line for line in said[0] if all(line in other for other in said)]
        for line in common:
            print(f"{word}{title}{line}", file=stream)
        for name, own in zip(plans, said, strict=True):
            for line in own:
                if line not in common:
                    print(f"{word}{name}: {title}{line}", file=stream)


def _requests(plans: Sequence[_Plan]) -> Any:
    requests = [list(made.requests) if len(made.requests) > 1 else made.requests[0] for made in plans]
    return requests if len(requests) > 1 else requests[0]


def _compare(plans: Mapping[str, Sequence[_Plan]]) -> None:
    from mljobs.admin.compare import lines, side_by_side

    (left, ours), (right, theirs) = plans.items()
    for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        if len(ours) > 1:
            print(f"{'' if number == 0 else chr(10)}{one.title}")
        columns = [(name, lines(made.line, made.requests[0])) for name, made in ((left, one), (right, other))]
        for row in side_by_side(*columns):
            print(row)


def _plan(document: "Document", options: _Options, number: int) -> _Plan:
    from mljobs.admin.plan_schedules import is_schedule, next_run

    if not is_schedule(document.value):
        return _plan_job(document, options, number)
    found = next_run(document, datetime.now(UTC), options.project or DEFAULT_PROJECT)
    title = f"document {number}, {found.title}"
    if found.run is None:
        return _Plan(title, [*document.problems, *found.problems], (), (), ())
    made = _plan_job(found.run, options, number)
    return replace(
        made,
        title=title,
        problems=found.located(made.problems),
        warnings=found.located(made.warnings),
        notes=[*found.notes, *made.notes],
    )


def _plan_job(document: "Document", options: _Options, number: int) -> _Plan:
    from mljobs.admin.plan_requests import Calls, reviewed
    from mljobs.admin.plan_values import with_values
    from mljobs.domain.port import Owner
    from mljobs.domain.spec.defaults import completed
    from mljobs.domain.spec.lenient import read
    from mljobs.domain.spec.problems import masked, printable
    from mljobs.domain.spec.validate import validate

    reading = completed(read(document.value, options.kind, exact=document.exact))
    try:
        reading = with_values(reading, options.values, exact=document.exact)
    except ValueError as error:
        raise Usage(str(error)) from None
    admitted = _admitted(reading, options)
    if admitted:
        reading, options = admitted.reading, _within(options, admitted)
    project = options.project or DEFAULT_PROJECT
    validated = validate(reading.kind, reading.spec, default_project=project)
    named = f" {printable(reading.name)}" if reading.name else ""
    problems = [*validated.problems]
    worded = {problem.path for problem in problems}
    spelled = [*document.problems, *reading.problems]
    problems += [problem for problem in spelled if problem.severity == "error" and problem.path not in worded]
    warnings = [problem for problem in spelled if problem.severity == "warning"]
    allowed = () if options.classes else options.facts.locations  # a class says so itself
    found = reviewed(reading, options.facts, allowed, project) if validated.spec else ()
    problems += [problem for problem in found if problem.severity == "error"]
    warnings += [*validated.warnings, *(problem for problem in found if problem.severity == "warning")]
    title = f"document {number}, {reading.kind}{named}"
    refused = _refused(admitted, validated.spec, options) if admitted else ()
    if validated.spec is None or problems or refused:
        return _Plan(title, problems, warnings, [], [], refused=refused)
    job_id, labels, notes = _identity(reading, options)
    owner = Owner(
        reading.namespace or options.namespace,
        reading.name or options.name,
        options.uid or reading.uid or UNKNOWN_UID,
    )
    calls = Calls(options.service, options.facts, options.terms, owner, job_id, labels)
    made = calls.of(reading, project, str(reading.spec.get("projectId") or options.project))
    bodies = [call.body for call in made]
    if not options.values_shown:
        shown = [masked(body) for body in bodies]
        if shown != bodies:
            notes = [*notes, "values of environment variables are not shown: --show-env prints them"]
        bodies = shown
    lines = [call.line for call in made]
    notes = [*_notes(reading, options, lines), *(admitted.notes if admitted else ()), *notes]
    return _Plan(title, problems, warnings, notes, bodies, made[0].plain)


def _admitted(reading: "Reading", options: _Options) -> "Admitted | None":
    from mljobs.admin.plan_classes import admit

    if options.classes is None:
        return None
    return admit(options.classes, reading, reading.namespace or options.namespace)


def _within(options: _Options, admitted: "Admitted") -> _Options:
    """What the class of a document says in place of the options."""
    from mljobs.backends import Terms, service_named

    given = admitted.job_class
    if given is None or admitted.facts is None:
        return options
    terms = Terms(given.locations, given.tables)
    service = service_named(given.service)
    return replace(options, service=service, facts=admitted.facts, terms=terms, project=given.default_project)


def _refused(admitted: "Admitted", spec: "JobSpec | None", options: _Options) -> Sequence[str]:
    """What the class does not allow."""
    from mljobs.admin.plan_classes import beyond

    if admitted.refused:
        return [admitted.refused]
    return beyond(admitted, spec, options.namespace, options.name)


def _identity(reading: "Reading", options: _Options) -> tuple[str, dict[str, str], list[str]]:
    """The job's id and ownership labels, and notes on what in them only stands for the real ones."""
    from mljobs.domain.job import naming
    from mljobs.domain.port import Owner

    namespace, name = reading.namespace or options.namespace, reading.name or options.name
    uid = options.uid or reading.uid
    chosen = reading.spec.get("jobId")
    chosen = chosen if isinstance(chosen, str) else None
    owner = Owner(namespace, name, uid or UNKNOWN_UID)
    job_id = options.facts.job_id(owner, 1, chosen)
    labels = naming.ownership_labels(owner, 1)
    if uid:
        return job_id, labels, []
    if chosen or not _DERIVED.search(job_id):
        return job_id, labels, [f"the label mljobs-uid gets the resource's uid in place of {UNKNOWN_UID}"]
    job_id = _DERIVED.sub("_UID_1", job_id)
    note = (
        f"jobId {job_id} is a placeholder: the id is derived from namespace, name, uid and attempt, and the "
        f"uid is known only once the resource exists (as is the label mljobs-uid); give --uid for the real id"
    )
    return job_id, labels, [note]


def _notes(reading: "Reading", options: _Options, lines: Sequence[str]) -> list[str]:
    from mljobs.admin.plan_requests import runs
    from mljobs.domain.job.resource import managed_elsewhere

    project = reading.spec.get("projectId") or options.project
    unnamed = "no projectId: the administrator's default is used, if there is one (--project)"
    notes = [*lines] if project else [unnamed]
    if reading.spec.get("suspend") is True:
        notes.append("spec.suspend is true: nothing is submitted until it is false")
    notes += runs(reading, options.facts)
    if managed_elsewhere(reading.spec):
        notes.append(f"spec.managedBy is {reading.spec['managedBy']}: this operator submits nothing")
    return notes

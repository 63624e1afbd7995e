"""From gcloud's command line to a manifest; nothing is asked of a cluster."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mljobs.kubectl.failure import TROUBLE, Failure
from mljobs.kubectl.flags import Flag, Given, Spec, flag_for
from mljobs.kubectl.manifest import Manifest, is_job_id, manifest, resource_name

if TYPE_CHECKING:
    from mljobs.domain.spec.lenient import Reading
    from mljobs.domain.spec.problems import Problem

REGION_VARIABLE = "CLOUDSDK_COMPUTE_REGION"
"""gcloud's variable for the region: it goes before the file, and after the flag."""

_ANY_PROJECT = "administrators-default"
"""Stands for the administrator's default project, which only the operator knows."""


@dataclass(frozen=True)
class Request:
    """What was asked for.

    Attributes:
        kind: `TrainingJob` or `PredictionJob`.
        job: the command's argument.
        given: the flags.
        flags: all flags of the command.
        merge: puts the flags over a spec.
        config: the file of `--config`, or None.
        args: what stood after `--`; None if that was not there.
        extra: fields of the spec that gcloud has no flag for.
        namespace: of the resource; None for the file's own.
    """

    kind: str
    job: str
    given: Given
    flags: Sequence[Flag]
    merge: Callable[[Spec, Given], Spec]
    config: str | None = None
    args: Sequence[str] | None = None
    extra: Mapping[str, Any] | None = None
    namespace: str | None = None


@dataclass(frozen=True)
class Submission:
    """A manifest that keeps all rules, and what is odd in it."""

    manifest: Manifest
    warnings: Sequence[str]


def prepare(request: Request) -> Submission:
    """Make the manifest.

    Raises:
        Failure: the config file or a flag cannot be read, or the spec breaks rules: each in a line.
    """
    from mljobs.domain.spec.defaults import completed
    from mljobs.domain.spec.validate import validate

    name = _resource_name(request.job)
    reading = _with_flags(completed(_config(request)), request)
    validated = validate(reading.kind, reading.spec, default_project=_ANY_PROJECT)
    spelled = [problem for problem in reading.problems if problem.severity == "error"]
    known = {problem.path for problem in spelled}
    problems = [*spelled, *(problem for problem in validated.problems if problem.path not in known)]
    if problems:
        lines = [_line(problem, request.flags) for problem in problems]
        raise Failure(lines[0], *lines[1:])
    warnings = [problem for problem in reading.problems if problem.severity == "warning"]
    made = manifest(
        request.kind, name, reading.spec, namespace=request.namespace or reading.namespace or None
    )
    return Submission(made, [_line(problem, request.flags) for problem in (*warnings, *validated.warnings)])


def _resource_name(job: str) -> str:
    name = resource_name(job)
    if not name:
        raise Failure(f"JOB {job}: must have letters or digits", code=TROUBLE)
    return name


def _line(problem: "Problem", flags: Sequence[Flag]) -> str:
    flag = flag_for(problem.path, flags)
    return f"{problem.text} ({flag})" if flag else problem.text


def _config(request: Request) -> "Reading":
    """The content of the `--config` file; empty if there is none."""
    from mljobs.console.documents.loaded import Unreadable
    from mljobs.console.documents.reading import documents
    from mljobs.domain.spec.lenient import Reading, read

    if request.config is None:
        return Reading(request.kind)
    try:
        text = sys.stdin.read() if request.config == "-" else Path(request.config).read_text("utf-8")
        found = documents(text)
    except (OSError, UnicodeDecodeError, Unreadable, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Failure(f"--config {request.config}: cannot be read: {reason}", code=TROUBLE) from None
    if len(found) > 1:
        raise Failure(f"--config {request.config}: has {len(found)} documents, must have one", code=TROUBLE)
    if not found:
        return Reading(request.kind)
    reading = read(found[0].value, request.kind)
    if reading.kind != request.kind:
        raise Failure(
            f"--config {request.config}: describes a {reading.kind}",
            hint=f"submit it with `kubectl mljobs submit {reading.kind.removesuffix('Job').lower()}`",
            code=TROUBLE,
        )
    # The name comes from the command line: a manifest without one is complete.
    problems = [problem for problem in reading.problems if problem.path != "metadata.name"]
    return replace(reading, problems=(*found[0].problems, *problems))


def _with_flags(reading: "Reading", request: Request) -> "Reading":
    """Put the command line over what the file says, and bring the whole into canonical form."""
    from mljobs.api.resources import KINDS
    from mljobs.domain.spec.lenient import canonical
    from mljobs.kubectl.flags import put

    field = KINDS[request.kind].input_field
    spec = request.merge(dict(reading.spec), request.given)
    if request.args is not None:  # without any, the file's are taken back, as gcloud does
        spec = put(spec, f"{field}.args", list(request.args) or None)
    if is_job_id(request.job):
        spec = put(spec, "jobId", request.job)
    for key, value in (request.extra or {}).items():
        spec = put(spec, key, value)
    region = os.environ.get(REGION_VARIABLE)
    if region and "--region" not in request.given:
        spec = put(spec, f"{field}.region", region)
    if "vertex" in reading.spec and field not in reading.spec:
        spec = _into_the_block(spec, field, request)
    others = {kind.input_field for name, kind in KINDS.items() if name != request.kind}
    foreign = {key: value for key, value in spec.items() if key in others}
    mine, problems = canonical(request.kind, {key: value for key, value in spec.items() if key not in others})
    earlier = [problem for problem in reading.problems if problem not in problems]
    return replace(reading, spec=_ordered({**mine, **foreign}), problems=(*earlier, *problems))


_IN_THE_BLOCK = {
    "TrainingJob": {
        "region": "vertex.region",
        "serviceAccount": "vertex.jobSpec.serviceAccount",
        "network": "vertex.jobSpec.network",
        "enableWebAccess": "vertex.jobSpec.enableWebAccess",
        "encryptionConfig": "vertex.encryptionSpec",
    },
    "PredictionJob": {"region": "vertex.region"},
}
"""By kind, the fields of an input that Vertex AI has as they are, and their places in its block."""


def _into_the_block(spec: Spec, field: str, request: Request) -> Spec:
    """What flags say of a job that the file describes in Vertex AI's words: as a whole, without an input.

    Raises:
        Failure: a flag says what is another matter there.
    """
    from mljobs.kubectl.flags import put

    job_input = spec.get(field) or {}
    spec = {key: value for key, value in spec.items() if key != field}
    for key, value in job_input.items():
        place = _IN_THE_BLOCK[request.kind].get(key)
        if place is None:
            flag = flag_for(f"spec.{field}.{key}", request.flags) or "arguments after --"
            raise Failure(
                f"{flag}: not with a file that describes the whole job in Vertex AI's words",
                hint="say it in the file; --project, --region and --labels go with both",
                code=TROUBLE,
            )
        spec = put(spec, place, value)
    return spec


def _ordered(spec: Spec) -> Spec:
    """The spec with what identifies the job first, as people write it."""
    first = ("projectId", "jobId", "labels")
    head = {key: spec[key] for key in first if key in spec}
    return {**head, **{key: value for key, value in spec.items() if key not in first}}

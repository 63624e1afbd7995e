"""What the service that runs a job cannot do, or does otherwise than the spec says: known before any call."""

from dataclasses import dataclass

from mljobs.domain.port import Facts
from mljobs.domain.spec.problems import Problem, Severity, Source
from mljobs.domain.spec.validate import JobSpec


@dataclass(frozen=True)
class Review:
    """What a service says to a spec.

    Attributes:
        refused: what it cannot do.
        losses: what is lost or becomes something else.
    """

    refused: tuple[Problem, ...] = ()
    losses: tuple[Problem, ...] = ()


def review(kind: str, spec: JobSpec, facts: Facts) -> Review:
    """Hold a valid spec against the service.

    Args:
        kind: `TrainingJob` or `PredictionJob`.
        spec: the validated spec.
        facts: of the service.
    """
    problems = [*_beyond(spec, facts), *facts.review(kind, spec.document())]
    refused = tuple(problem for problem in problems if problem.severity is Severity.ERROR)
    paths = {problem.path for problem in refused}
    losses = (problem for problem in problems if problem.severity is Severity.WARNING)
    return Review(refused, tuple(problem for problem in losses if problem.path not in paths))


def _beyond(spec: JobSpec, facts: Facts) -> list[Problem]:
    if not spec.iam_bindings or facts.capabilities.iam:
        return []
    rule = "the service that runs the job has no IAM policies of jobs; remove the bindings"
    return [Problem("spec.iamBindings", spec.iam_bindings, rule, source=Source.OPERATOR, id="no-iam")]

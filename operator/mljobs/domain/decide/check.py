"""Whether a job can be created for a resource: by the rules, by what the service supports, and by size."""

from dataclasses import replace

from mljobs.domain.decide.plan import AdminPolicy, facts_of
from mljobs.domain.decide.review import review
from mljobs.domain.job.resource import Resource
from mljobs.domain.spec.problems import Problem, Source
from mljobs.domain.spec.sizes import OBJECT_BYTES, stored_bytes
from mljobs.domain.spec.validate import Validated, validate


def check(resource: Resource, policy: AdminPolicy) -> Validated:
    """Check a resource before a job is created for it, so that no job runs whose status cannot be stored."""
    validated = validate(resource.kind, resource.spec, default_project=policy.default_project)
    if validated.spec is None:
        return validated
    refused = review(resource.kind, validated.spec, facts_of(resource)).refused
    if refused:
        return replace(validated, spec=None, problems=refused)
    size = stored_bytes({"metadata": resource.metadata, "spec": resource.spec})
    if size <= OBJECT_BYTES:
        return validated
    problem = Problem(
        "metadata",
        resource.metadata,
        f"the stored object has {size} bytes, and at most {OBJECT_BYTES} leave room for its status: shorten "
        f"its annotations or its spec",
        source=Source.OPERATOR,
        id="object-stored-size",
    )
    return replace(validated, spec=None, problems=(problem,))


def problems_below(resource: Resource, path: str) -> tuple[Problem, ...]:
    """The problems of a part of the spec that may change while the job runs.

    Args:
        resource: whose spec it is.
        path: of the part, such as `spec.labels`.
    """
    problems = validate(resource.kind, resource.spec, default_project="-").problems
    return tuple(problem for problem in problems if problem.path.startswith(path))

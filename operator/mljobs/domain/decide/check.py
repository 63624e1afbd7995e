"""Whether a job can be created for a resource: by the rules, by what the service supports, and by size."""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from mljobs.api.base import JsonObject
from mljobs.domain.decide.plan import AdminPolicy, facts_of, in_placement, spec_in
from mljobs.domain.decide.review import review
from mljobs.domain.job.placement import Placement, placements_of
from mljobs.domain.job.resource import Resource
from mljobs.domain.port import Facts
from mljobs.domain.spec.problems import Problem, Source
from mljobs.domain.spec.sizes import OBJECT_BYTES, stored_bytes
from mljobs.domain.spec.validate import Validated, validate

VERDICTS_KEPT = 256
"""Specs whose verdict is remembered, since a submission asks twice, and each waiting try again: more than are
worked on at once. A verdict holds the whole spec."""

LARGEST_KEPT = 16 * 1024
"""Characters of a spec whose verdict is remembered."""


def check(resource: Resource, policy: AdminPolicy, attempt: int) -> Validated:
    """Check a resource before a job is created for it, so that no job runs whose status cannot be stored.

    Args:
        resource: whose placements are all checked, before the first of them is tried.
        policy: the administrator's settings.
        attempt: whose spec is the one that is validated.
    """
    placements = placements_of(resource.spec)
    if placements:
        anywhere = validate(resource.kind, resource.spec, default_project=policy.default_project)
        if anywhere.spec is None:  # as the API server has it, even where a placement sets it right
            return anywhere
    for number, placement in enumerate(placements):
        there = _checked(replace(resource, spec=spec_in(resource, placement)), policy.default_project)
        if there.spec is None:
            return replace(there, problems=tuple(in_words(problem, number) for problem in there.problems))
    validated = _checked(in_placement(resource, attempt), policy.default_project)
    if validated.spec is None:
        return validated
    size = stored_bytes({"metadata": resource.metadata, "spec": resource.spec}) + resource.left_out
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


def document_at(resource: Resource, placement: Placement, policy: AdminPolicy) -> JsonObject | None:
    """The valid spec of a job in a placement, in canonical JSON; None where it is not valid."""
    placed = replace(resource, spec=spec_in(resource, placement))
    spec = _checked(placed, policy.default_project).spec  # mostly remembered from `check`
    return spec.document() if spec else None


def in_words(problem: Problem, number: int) -> Problem:
    """A problem of a spec that is placed, which says where.

    Args:
        problem: of the spec as the placement makes it.
        number: of the placement, from 0, as paths have it.
    """
    if problem.path.startswith("spec.placements"):
        return problem
    return replace(problem, rule=f"{problem.rule} (as it is in spec.placements[{number}])")


def _checked(resource: Resource, default_project: str | None) -> Validated:
    facts = facts_of(resource)
    try:
        text = json.dumps(resource.spec)
    except (ValueError, TypeError, RecursionError):  # no JSON: the rules say what is wrong
        text = ""
    if text and len(text) <= LARGEST_KEPT:
        return _remembered(facts, resource.kind, text, default_project)
    return _judged(facts, resource.kind, resource.spec, default_project)


@lru_cache(maxsize=VERDICTS_KEPT)
def _remembered(facts: Facts, kind: str, text: str, default_project: str | None) -> Validated:
    """The verdict on a spec, which is the same as long as its text is."""
    return _judged(facts, kind, json.loads(text), default_project)


def _judged(facts: Facts, kind: str, spec: Mapping[str, Any], default_project: str | None) -> Validated:
    validated = validate(kind, spec, default_project=default_project)
    if validated.spec is None:
        return validated
    refused = review(kind, validated.spec, facts).refused
    return replace(validated, spec=None, problems=refused) if refused else validated


def problems_below(resource: Resource, path: str) -> tuple[Problem, ...]:
    """The problems of a part of the spec that may change while the job runs.

    Args:
        resource: whose spec it is.
        path: of the part, such as `spec.labels`.
    """
    problems = validate(resource.kind, resource.spec, default_project="-").problems
    return tuple(problem for problem in problems if problem.path.startswith(path))

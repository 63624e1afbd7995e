"""What of a spec the service does otherwise than it says, for the condition that tells it."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from mljobs.domain.decide.plan import in_placement
from mljobs.domain.decide.review import Review, review
from mljobs.domain.job.resource import Resource
from mljobs.domain.port import Facts
from mljobs.domain.spec.validate import validate

SPECS_KEPT = 4096
"""Specs whose review is remembered: a status is made far more often than a spec changes."""


SOME_PROJECT = "some-project"
"""In place of the default project, which is of no matter here."""


def translation(resource: Resource) -> Review | None:
    """What the service says to a resource's spec.

    Returns:
        None where the service takes specs as they are, or where the spec is refused.
    """
    facts = resource.facts
    if resource.standing.reason is not None and not resource.submitted:
        return None  # no service is chosen
    if facts is None or not facts.capabilities.translates:
        return None
    attempt = resource.target.attempt if resource.target else 1
    return _reviewed(facts, resource.kind, _text(in_placement(resource, attempt).spec))


@lru_cache(maxsize=SPECS_KEPT)
def _reviewed(facts: Facts, kind: str, text: str) -> Review | None:
    spec = validate(kind, json.loads(text), default_project=SOME_PROJECT).spec
    if spec is None:
        return None
    found = review(kind, spec, facts)
    return None if found.refused else found


def _text(spec: Mapping[str, Any]) -> str:
    try:
        return json.dumps(spec, default=str)
    except (ValueError, RecursionError):  # what contains itself is no spec
        return "{}"

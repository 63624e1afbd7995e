"""What a placement of `spec.placements` says, and the spec of a job that is placed there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mljobs.api.policies import PLACEMENTS_LIMIT, CapacityKind
from mljobs.api.resources import KINDS

Spec = Mapping[str, Any]


@dataclass(frozen=True)
class Placement:
    """Where an attempt runs, and on what kind of capacity; what is empty is as the spec says.

    Attributes:
        region: of the service.
        strategy: the kind of capacity.
        max_wait: how long a FLEX_START job may wait at the service, such as `3600s`.
        start_deadline: seconds for an attempt to be RUNNING.
    """

    region: str = ""
    strategy: str = ""
    max_wait: str = ""
    start_deadline: int | None = None


def placements_of(spec: Spec) -> Sequence[Placement]:
    """The placements of a spec, which need not be valid; what is of a wrong type says nothing."""
    rows = spec.get("placements")
    if not isinstance(rows, list | tuple):
        return ()
    return [_placement(row) for row in rows[:PLACEMENTS_LIMIT] if isinstance(row, Mapping)]


def _placement(row: Spec) -> Placement:
    seconds = row.get("startDeadlineSeconds")
    whole = isinstance(seconds, int) and not isinstance(seconds, bool) and 0 < seconds < 2**31
    return Placement(
        region=_text(row.get("region")),
        strategy=_text(row.get("strategy")),
        max_wait=_text(row.get("maxWaitDuration")),
        start_deadline=seconds if whole else None,
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def regions_of(spec: Spec) -> Sequence[str]:
    """The regions that the placements of a spec name."""
    return [one.region for one in placements_of(spec) if one.region]


def spec_at(kind: str, spec: Spec, placement: Placement | None, *, translates: bool) -> Spec:
    """The spec of a job in a placement: as if it had named region and kind of capacity itself.

    Args:
        kind: `TrainingJob` or `PredictionJob`.
        spec: unchecked; what is of a wrong type stays as it is.
        placement: where; None leaves the spec as it is.
        translates: whether the service is Vertex AI, which alone has kinds of capacity.
    """
    if placement is None:
        return spec
    made = dict(spec)
    if placement.region:
        made |= _in_region(kind, spec, placement.region)
    if translates and kind == "TrainingJob" and placement.strategy:
        made |= _on_capacity(made, placement)
    return made


def _in_region(kind: str, spec: Spec, region: str) -> Spec:
    field = KINDS[kind].input_field
    given, block = spec.get(field), spec.get("vertex")
    made: dict[str, Any] = {field: {**given, "region": region}} if isinstance(given, Mapping) else {}
    if isinstance(block, Mapping) and ("region" in block or not made):
        made["vertex"] = {**block, "region": region}
    return made


def _on_capacity(spec: Spec, placement: Placement) -> Spec:
    block = spec.get("vertex", {})
    if not isinstance(block, Mapping):
        return {}
    job = block.get("jobSpec", {})
    if not isinstance(job, Mapping):
        return {}
    scheduling = job.get("scheduling", {})
    if not isinstance(scheduling, Mapping):
        return {}
    made = {**scheduling, "strategy": placement.strategy}
    if placement.max_wait:
        made["maxWaitDuration"] = placement.max_wait
    elif placement.strategy != CapacityKind.FLEX_START:
        made.pop("maxWaitDuration", None)  # which FLEX_START alone has
    return {"vertex": {**block, "jobSpec": {**job, "scheduling": made}}}

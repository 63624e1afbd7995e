"""What a placement of `spec.placements` says, and the spec of a job that is placed there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mljobs.api.policies import PLACEMENTS_LIMIT, CapacityKind
from mljobs.api.resources import KINDS, TRAINING_JOB
from mljobs.domain.job.machines import NO_MACHINE, Machine, on_input, on_vertex

Spec = Mapping[str, Any]


@dataclass(frozen=True)
class Placement:
    """Where an attempt runs, and on what kind of capacity; what is empty is as the spec says.

    Attributes:
        region: of the service.
        strategy: the kind of capacity.
        max_wait: how long a FLEX_START job may wait at the service, such as `3600s`.
        start_deadline: seconds for an attempt to be RUNNING.
        machine: what it runs on.
    """

    region: str = ""
    strategy: str = ""
    max_wait: str = ""
    start_deadline: int | None = None
    machine: Machine = NO_MACHINE


def placements_of(spec: Spec) -> Sequence[Placement]:
    """The placements of a spec, which need not be valid; what is of a wrong type says nothing."""
    rows = spec.get("placements")
    if not isinstance(rows, list | tuple):
        return ()
    return [_placement(row) for row in rows[:PLACEMENTS_LIMIT] if isinstance(row, Mapping)]


def _placement(row: Spec) -> Placement:
    accelerator = _text(row.get("acceleratorType"))
    count = _number(row.get("acceleratorCount")) if accelerator else None
    return Placement(
        region=_text(row.get("region")),
        strategy=_text(row.get("strategy")),
        max_wait=_text(row.get("maxWaitDuration")),
        start_deadline=_number(row.get("startDeadlineSeconds")),
        machine=Machine(_text(row.get("machineType")), accelerator, count or 0),
    )


def _number(value: Any) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 < value < 2**31 else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def regions_of(spec: Spec) -> Sequence[str]:
    """The regions that the placements of a spec name."""
    return [one.region for one in placements_of(spec) if one.region]


def spec_at(kind: str, spec: Spec, placement: Placement | None, *, translates: bool) -> Spec:
    """The spec of a job in a placement: as if it had named region, machines and kind of capacity itself.

    Args:
        kind: `TrainingJob` or `PredictionJob`.
        spec: unchecked; what is of a wrong type stays as it is.
        placement: where; None leaves the spec as it is.
        translates: whether the service is Vertex AI, which alone has kinds of capacity, and machines of
            predictions.
    """
    if placement is None:
        return spec
    made = dict(spec)
    if placement.region:
        made |= _in_region(kind, spec, placement.region)
    if translates and kind == TRAINING_JOB.name and placement.strategy:
        made |= _on_capacity(made, placement)
    if placement.machine.named and translates:
        return on_vertex(kind, made, placement.machine)
    return on_input(kind, made, placement.machine) if placement.machine.named else made


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

"""Which of `spec.placements` an attempt is in, as a status shows it."""

from mljobs.api.base import JsonObject
from mljobs.domain.job.resource import Resource, Target
from mljobs.domain.policies.placements import placement_at, position_of


def placement(resource: Resource, target: Target, location: str) -> JsonObject | None:
    """The placement of an accepted attempt; once it is shown it stays so, whatever the list comes to say.

    Args:
        resource: with the status that it has now.
        target: the attempt's job.
        location: where that is.

    Returns:
        None where the attempt is in none.
    """
    if resource.submitted:
        shown = resource.status.get("placement")
        return dict(shown) if shown else None
    position = position_of(resource, target.attempt)
    there = placement_at(position, resource.spec)
    if position is None or there is None:
        return None
    said = {
        "region": location or there.region,
        "strategy": there.strategy,
        "machineType": there.machine.type,
        "acceleratorType": there.machine.accelerator,
        "acceleratorCount": there.machine.count,
    }
    named = {key: value for key, value in said.items() if value}
    return {"number": position.number, "round": position.round, **named}

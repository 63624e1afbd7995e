"""In which of `spec.placements` an attempt is, and in which one the next is.

What is recorded is a place in the list, counted from 1, and the round. What it means is read from the spec
as it is, so that a list that was changed counts for the attempts to come.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mljobs.api.outputs import Cause
from mljobs.api.policies import FailureAction, PlacementEvent
from mljobs.domain.job.placement import Placement, placements_of
from mljobs.domain.job.resource import Resource
from mljobs.domain.job.timestamps import moment

EVENTS = frozenset(event.value for event in PlacementEvent)
"""The causes that may be events."""


@dataclass(frozen=True)
class Position:
    """How far a resource is in its placements.

    Attributes:
        number: the placement's place in the list, from 1.
        round: from 1.
        refused_at: when the placement before it has refused the create call; None where none has.
    """

    number: int = 1
    round: int = 1
    refused_at: datetime | None = None


def position_of(resource: Resource, attempt: int) -> Position | None:
    """Where the newest attempt is, or the one after it would be.

    Args:
        resource: with its record.
        attempt: the number of that attempt.

    Returns:
        None where the spec has no placements, or the attempt was submitted before it had any.
    """
    if not placements_of(resource.spec):
        return None
    known = _recorded(resource)
    if known is None:
        target = resource.target
        without = resource.submitted and target is not None and target.attempt >= attempt
        return None if without else Position()
    recorded, here = known
    if recorded >= attempt:
        return here
    here = Position(here.number, here.round)
    failure = resource.record.get("failure")
    moves = isinstance(failure, Mapping) and failure.get("action") == FailureAction.NEXT_PLACEMENT
    return (after(here, resource.spec) or here) if moves else here


def position_after(resource: Resource, attempt: int) -> Position | None:
    """Where the attempt after the newest one is, if it goes on to the next placement; None if none is left.

    If that one has been refused there already, it is where it has come to.
    """
    known = _recorded(resource)
    if known is not None and known[0] > attempt:
        return known[1]
    return after(position_of(resource, attempt), resource.spec)


def _recorded(resource: Resource) -> tuple[int, Position] | None:
    """The attempt whose placement is recorded, and where it is."""
    known = resource.record.get("placement")
    if not isinstance(known, Mapping):
        return None
    refused_at = moment(known["refusedAt"]) if known.get("refusedAt") else None
    return int(known["attempt"]), Position(int(known["number"]), int(known["round"]), refused_at)


def after(position: Position | None, spec: Mapping[str, Any]) -> Position | None:
    """What is tried after a placement; None if all of them were, in all rounds.

    Args:
        position: where it is; None for an attempt that is in none.
        spec: with the placements as they are.
    """
    count = len(placements_of(spec))
    if count == 0:
        return None
    if position is None:
        return Position()
    if position.number < count:
        return Position(position.number + 1, position.round)
    return Position(1, position.round + 1) if position.round <= rounds_of(spec) else None


def steps_before(position: Position, spec: Mapping[str, Any]) -> int:
    """How many placements were tried before, in all rounds."""
    return (position.round - 1) * len(placements_of(spec)) + position.number - 1


def placement_at(position: Position | None, spec: Mapping[str, Any]) -> Placement | None:
    """The placement that a position means by now: the last one, if the list has become shorter."""
    found = placements_of(spec)
    return found[min(position.number, len(found)) - 1] if position and found else None


def placed(resource: Resource, attempt: int) -> Placement | None:
    """The placement of the newest attempt, or of the one after it; None where there is none."""
    return placement_at(position_of(resource, attempt), resource.spec)


def moves_on(spec: Mapping[str, Any], cause: Cause) -> bool:
    """Whether a failure for this cause is an event of the placements."""
    if not placements_of(spec) or cause.value not in EVENTS:
        return False
    policy = spec.get("placementPolicy")
    events = policy.get("onEvents") if isinstance(policy, Mapping) else None
    return cause.value in events if isinstance(events, list | tuple) and events else True


def rounds_of(spec: Mapping[str, Any]) -> int:
    """How many more rounds follow the first one."""
    policy = spec.get("placementPolicy")
    rounds = policy.get("rounds") if isinstance(policy, Mapping) else None
    return rounds if isinstance(rounds, int) and not isinstance(rounds, bool) and rounds > 0 else 0


def described(position: Position, spec: Mapping[str, Any]) -> str:
    """A position in words: `placement 2 of 3 (europe-west4, SPOT, n1-standard-8), round 1 of 2`."""
    found, rounds = placements_of(spec), rounds_of(spec) + 1
    there = placement_at(position, spec)
    words = [word for word in (there.region, there.strategy, *there.machine.words) if word] if there else []
    text = f"placement {min(position.number, len(found))} of {len(found)}"
    text += f" ({', '.join(words)})" if words else ""
    return text + (f", round {position.round} of {rounds}" if rounds > 1 else "")


def tried(spec: Mapping[str, Any]) -> str:
    """What is said of a ladder that is used up."""
    count, rounds = len(placements_of(spec)), rounds_of(spec) + 1
    what = "The only placement was" if count == 1 else f"All {count} placements were"
    return f"{what} tried{f', in {rounds} rounds' if rounds > 1 else ''}"

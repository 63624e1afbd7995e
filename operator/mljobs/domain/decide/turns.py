"""Turns: where the class of a resource has limits, its next job is submitted once it has its turn."""

from datetime import datetime

from mljobs.domain.decide.decisions import (
    Decision,
    Finish,
    Hold,
    Keep,
    Leave,
    Move,
    Record,
    Refuse,
    Release,
    Stall,
    Submit,
    Wait,
)
from mljobs.domain.decide.plan import AdminPolicy
from mljobs.domain.decide.unknown_outcome import outcome_unknown, resolve_outcome
from mljobs.domain.job.observation import Observation
from mljobs.domain.job.resource import Resource, Target
from mljobs.domain.port import Order
from mljobs.domain.reasons import Reason


def to_create(decision: Decision) -> Order | None:
    """The job that a decision leads to the creation of, if it does."""
    step = decision.then if isinstance(decision, Record) else decision
    return step.order if isinstance(step, Submit) else None


def priority_of(order: Order) -> int:
    """The priority that a spec gives its job, as the service has it; 0 where it says nothing."""
    scheduling = (order.spec.get("trainingInput") or {}).get("scheduling") or {}
    return int(scheduling.get("priority") or 0)


def out_of_turn(
    resource: Resource, target: Target, observation: Observation, policy: AdminPolicy, now: datetime
) -> Decision | None:
    """What is done in place of a create call that has no turn.

    A job whose create call may have been made has had its turn, or somebody has forged the annotation: that
    is found out before.
    """
    waits = wait_for_turn(resource)
    if waits and outcome_unknown(resource, observation, policy):
        return resolve_outcome(resource, target, observation, policy, now)
    return waits


def wait_for_turn(resource: Resource) -> Wait | None:
    """Wait until it is the resource's turn; None if it is, or if nobody has to wait."""
    turn = resource.standing.turn
    if turn is None or turn.given:
        return None
    return Wait(Reason.LIMIT_REACHED, turn.message, again=turn.again)


def settled(decision: Decision) -> bool:
    """Whether no create call of the resource's next job is under way, or may be, after this decision.

    It then needs no room in its class; where it has a job, that one is counted by its record. Another
    placement may want more accelerators, and has a turn of its own.
    """
    if isinstance(decision, Wait):
        return decision.reason is not Reason.OUTCOME_UNKNOWN
    return isinstance(decision, Hold | Stall | Refuse | Finish | Keep | Leave | Move | Release)

"""The IAM bindings of a running job follow the spec."""

from datetime import datetime

from mljobs.api.record import RECORDED_BINDINGS
from mljobs.domain.decide.check import problems_below
from mljobs.domain.decide.decisions import Announce, BindIam, Decision, Refuse, Stall, Watch
from mljobs.domain.decide.failed_calls import rejection_of, wait_for
from mljobs.domain.decide.ownership import read_first
from mljobs.domain.job.iam import recorded_bindings
from mljobs.domain.job.observation import Call, Observation
from mljobs.domain.job.resource import Resource, Target
from mljobs.domain.reasons import Reason


def bind(resource: Resource, target: Target, observation: Observation, now: datetime) -> Decision:
    """Set the bindings in the policy; a process that has not done so itself verifies what is recorded.

    The record may only announce bindings, if the process died before it made the call.
    """
    wanted = resource.iam_bindings
    recorded = recorded_bindings(resource, target, observation)
    verified = observation.bound is not None or not recorded
    if verified and list(recorded) == list(wanted):
        return Watch(target)
    problems = problems_below(resource, "spec.iamBindings")
    if problems:
        return Refuse(problems)
    rejection = rejection_of(resource, observation, Call.IAM)
    if rejection:
        return Stall(
            Reason.REJECTED,
            f"The service refused the bindings: {rejection.message} Correct spec.iamBindings.",
        )
    failed = observation.waiting(now, Call.IAM)
    if failed:
        return wait_for(failed)
    announced = [*recorded, *(binding for binding in wanted if binding not in recorded)]
    if len(announced) > RECORDED_BINDINGS:  # make room first
        wanted = [binding for binding in recorded if binding in wanted]
    elif len(announced) > len(recorded):
        return Announce(target, announced)
    return read_first(target, observation, now) or BindIam(target, wanted, recorded)

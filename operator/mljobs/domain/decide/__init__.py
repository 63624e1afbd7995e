"""What to do next about one resource: a pure function of the resource and of what is known of its job.

It is called again after every effect and every change, so that each answer is one step, and a crash between
two steps is the same as calling it again.
"""

from datetime import datetime

from mljobs.domain.decide.admission import out_of_reach
from mljobs.domain.decide.decisions import Decision, Keep, Release
from mljobs.domain.decide.deletion import delete
from mljobs.domain.decide.extra_jobs import defer_until_search
from mljobs.domain.decide.intents import record, recorded_first, ruled_out
from mljobs.domain.decide.plan import AdminPolicy, intent_for, plan_target
from mljobs.domain.decide.running import Polled, polled, run
from mljobs.domain.decide.submission import start
from mljobs.domain.job.observation import Observation
from mljobs.domain.job.resource import Resource

__all__ = ["AdminPolicy", "Polled", "decide", "polled"]


def decide(resource: Resource, observation: Observation, policy: AdminPolicy, now: datetime) -> Decision:
    """Choose the next step.

    Args:
        resource: the object as last read.
        observation: of the job of `resource.target`; one about another attempt counts as empty.
        policy: the administrator's settings.
        now: the time, with a zone.

    Returns:
        One step, which says in `again` when to ask for the next one.
    """
    if resource.managed_elsewhere:
        # our finalizer came with a copied manifest: it protects no job, and nobody else may remove it
        return Release() if resource.deleting and resource.held else Keep()
    if resource.standing.pending and not resource.recorded:
        return Keep()  # the labels of its namespace are being read
    policy = policy.within(resource.job_class)
    return recorded_first(resource, _next(resource, observation, policy, now))


def _next(resource: Resource, observation: Observation, policy: AdminPolicy, now: datetime) -> Decision:
    planned = resource.held or resource.adopt
    target = resource.target or (plan_target(resource, policy, 1) if planned else None)
    observation = observation.about(target)
    if resource.deleting:
        unreachable = out_of_reach(resource, target, observation)
        if unreachable:
            return unreachable
        decision = delete(resource, target, observation, policy, now)
        decision = ruled_out(resource, target, observation, policy, now, decision)
        return (
            defer_until_search(resource, target, observation, policy, now, decision) if target else decision
        )
    if target and resource.accepted(observation.job):
        if resource.target is None or not (resource.held or resource.ended):
            # `kubectl replace`, say, has removed our finalizer or intent: a deletion would leak the job
            return record(resource, intent_for(resource, target, now))
        decision = run(resource, target, observation, policy, now)
        return defer_until_search(resource, target, observation, policy, now, decision)
    return start(resource, observation, policy, now)

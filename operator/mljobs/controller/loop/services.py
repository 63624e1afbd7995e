"""The services that jobs are at: what is known of them, calls and polls, each by the class of a job."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mljobs.controller.loop.classes import Classes
from mljobs.controller.loop.lanes import Lane, Lanes, Terms
from mljobs.controller.loop.store import Key
from mljobs.domain import errors
from mljobs.domain.decide import Polled
from mljobs.domain.decide.admission import operator_may_end
from mljobs.domain.decide.decisions import Adopt, Cancel, CancelExtra, Effect, Read, Search, Submit
from mljobs.domain.job.observation import Observation
from mljobs.domain.job.resource import Resource
from mljobs.domain.port import OPERATOR

logger = logging.getLogger(__name__)

UNUSABLE = frozenset(
    {
        errors.Denial.SERVICE_ACCOUNT,
        errors.Denial.FEDERATION,
        errors.Denial.IMPERSONATION,
        errors.Denial.CREDENTIALS,
        errors.Denial.NO_CREDENTIALS,
        errors.Denial.PERMISSION,
    }
)
"""Why an identity cannot end a job that it has submitted: the operator's own may."""


class Services:
    """Finds for each resource what its class gives, and the lane that its calls go by.

    Args:
        classes: all of them.
        lanes: opened as they are needed.
    """

    def __init__(self, classes: Classes, lanes: Lanes) -> None:
        self._classes = classes
        self._lanes = lanes

    def resource(self, body: Mapping[str, Any]) -> Resource:
        """Read a resource with what its class gives it."""
        return self._classes.resource(body)

    async def follow(self, key: Key, resource: Resource | None, polled: Polled | None) -> None:
        """Poll the job of a resource; None: stop polling for it."""
        lane = await self._lane(self._terms(resource)) if resource and polled else None
        self._lanes.follow(key, lane, polled)

    def forget(self, uid: str) -> None:
        """A resource is gone."""
        self._classes.unpin(uid)

    async def carry_out(self, effect: Effect, resource: Resource, known: Observation) -> Observation:
        """Make one call by the lane of the resource's job, and add its outcome to what is known.

        A resource that is being deleted may outlive its identity, as when its namespace is deleted with the
        ServiceAccount in it: its job is then ended as the operator itself.
        """
        if isinstance(effect, Submit | Adopt):
            self._classes.pin(resource)  # a change of the class does not touch a call that is under way
        terms = self._terms(resource)
        seen = await (await self._lane(terms)).effects.carry_out(effect, resource, known)
        own = replace(terms, route=replace(terms.route, caller=OPERATOR))
        ends = isinstance(effect, Read | Search | Cancel | CancelExtra)
        replaceable = ends and own != terms and operator_may_end(resource)
        if not (replaceable and _unusable(known, seen)):
            if isinstance(effect, Submit) and seen.job is None and not seen.outcome_unknown_at:
                self._classes.unpin(resource.uid)
            return seen
        logger.warning("the identity of the class is of no use any longer; the operator's own ends the job")
        return await (await self._lane(own)).effects.carry_out(effect, resource, known)

    def _terms(self, resource: Resource) -> Terms:
        return Terms.of(self._classes.route(resource), self._classes.terms(resource))

    async def _lane(self, terms: Terms) -> Lane:
        return await self._lanes.lane(terms)


def _unusable(before: Observation, after: Observation) -> bool:
    """Whether a call has failed just now because of who has made it."""
    new = (one for call, one in after.failed_calls.items() if before.failed_calls.get(call) is not one)
    return any(isinstance(one.error, errors.Denied) and one.error.cause in UNUSABLE for one in new)

"""Retention: a resource that has finished is kept for its ttl, and is then deleted."""

from datetime import datetime

from mljobs.domain.decide.decisions import Discard, Finish
from mljobs.domain.job.resource import Resource
from mljobs.domain.policies.ttl import expires_at


def keep_for_its_ttl(resource: Resource, now: datetime) -> Finish | Discard:
    """Show how it has ended, until it is time to delete it. What is recorded as finished starts no job."""
    due = expires_at(resource)
    if due is None:
        return Finish()
    return Discard() if due <= now else Finish(again=due)

"""Whatever has happened, what a resource shows is true of its spec, of its job, and of the newest generation.

All combinations of what can be recorded, wanted and known are made. What each word and each message claims is
judged here from the resource and the job alone.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from mljobs.api.base import JsonObject
from mljobs.api.outputs import TERMINAL_STATES
from mljobs.domain.decide import AdminPolicy, decide
from mljobs.domain.decide.decisions import Announce, Decision, Keep, Settled
from mljobs.domain.job import naming
from mljobs.domain.job.observation import Observation
from mljobs.domain.job.resource import Resource
from mljobs.domain.show.project import project
from mljobs.domain.spec.validate import validate
from tests.unit.domain.situations import RECORDED, Situation, situations
from tests.unit.domain.world import NOW


def shown(situation: Situation) -> Iterator[tuple[Resource, Observation, Decision, JsonObject]]:
    """All that is shown until nothing changes any more, or a call is made."""
    subject, known = situation.subject, situation.known
    for _ in range(6):
        decision = decide(subject, known, AdminPolicy(), NOW)
        if isinstance(decision, Keep):
            yield subject, known, decision, dict(subject.status)
        if not isinstance(decision, Settled):
            return
        after = project(subject, known, decision, NOW)
        yield subject, known, decision, after
        if after == subject.status and not isinstance(decision, Announce):
            return
        subject = replace(subject, status=after)
        known = known.announced() if isinstance(decision, Announce) else known
    pytest.fail(f"{situation.name}: its statuses have no end")


@cache
def is_invalid(kind: str, spec: str) -> bool:
    """Whether a spec, as JSON, has problems: the same few are judged thousands of times."""
    return bool(validate(kind, json.loads(spec)).problems)


ACTIVE = ("QUEUED", "PREPARING", "RUNNING", "CANCELLING")


class Judge:
    """Says what is not true about a status.

    Args:
        subject: the resource as it was decided on.
        known: what was known of its job.
        after: what it shows.
    """

    def __init__(self, subject: Resource, known: Observation, after: JsonObject) -> None:
        self.subject = subject
        self.after = after
        self.rows = {row["type"]: row for row in after.get("conditions") or ()}
        self.known = known.about(subject.target)
        job = self.known.job
        self.ours = job is not None and naming.is_owned(job.labels, subject.uid)
        self.accepted = subject.submitted or self.ours
        self.newest = after.get("attempt") == (subject.target.attempt if subject.target else None)
        self.state = after.get("state", "") if self.accepted and self.newest else ""
        self.over = self.state in TERMINAL_STATES
        suspended = self.says("Suspended", "True") and self.accepted
        self.ended_by_suspension = suspended and self.state == "CANCELLED"
        self.invalid = is_invalid(subject.kind, json.dumps(subject.spec))

    def says(self, kind: str, value: str) -> bool:
        return bool(self.rows.get(kind, {}).get("status") == value)

    def lies(self) -> Iterator[str]:
        if self.after["observedGeneration"] != self.subject.generation:
            yield "another generation is observed"
        for kind, row in self.rows.items():
            if row["observedGeneration"] != self.subject.generation:
                yield f"{kind} is of another generation"
            if not self.claim(row["reason"]):
                yield f"{kind}={row['status']}: {row['reason']} is not true"
            if "spec.suspend is true" in row["message"] and not self.subject.suspend:
                yield f"{kind}: {row['message']}"
        yield from self.states()
        yield from self.work()

    def claim(self, reason: str) -> bool:
        """Whether what a reason says is so."""
        spec, job = self.subject, self.known.job
        claims: Mapping[str, Any] = {
            "NotSuspended": not spec.suspend,
            "Suspended": spec.suspend and (not self.accepted or self.over),
            "Suspending": spec.suspend and not self.over,
            "Resuming": not spec.suspend
            and not spec.deleting
            and (not self.over or self.state == "CANCELLED"),
            "Watching": self.accepted and not self.over and not spec.deleting,
            "Finished": self.over,
            "NotFinished": not self.over,
            "FoundAgain": self.accepted and not self.over,
            "JobSucceeded": self.state == "SUCCEEDED",
            "JobFailed": self.state == "FAILED",
            "JobCancelled": self.state == "CANCELLED",
            "Accepted": self.accepted,
            "Adopted": self.accepted,
            "Deleting": spec.deleting and spec.held,
            "Released": spec.deleting and not spec.held,
            "InvalidSpec": self.invalid,
            "Lost": self.accepted and job is None and not self.over,
            "Taken": spec.submitted and job is not None and not self.ours,
            "JobIdTaken": not self.accepted,
            "Waiting": self.says("Stalled", "True"),
        }
        return bool(claims.get(reason, True))

    def states(self) -> Iterator[str]:
        if self.says("Submitted", "True") != self.accepted:
            yield "Submitted is not whether the service has accepted the job"
        if self.says("Succeeded", "True") != (self.state == "SUCCEEDED"):
            yield "Succeeded is not whether the job has"
        lost = self.rows.get("Succeeded", {}).get("reason") == "Lost"
        failed = self.over and self.state != "SUCCEEDED" and not self.ended_by_suspension
        if self.says("Succeeded", "False") and not (failed or lost):
            yield "Succeeded=False of a job that may still succeed"
        if failed and self.says("Succeeded", "Unknown") and not self.says("Stalled", "True"):
            yield "the job has ended without success, and Succeeded does not say so"
        job = self.known.job
        if job and self.accepted and not self.subject.ended:
            furthest = self.furthest(job.state)
            if self.after.get("state") != furthest:
                yield f"the job is {furthest}"

    def furthest(self, state: str) -> str:
        """A job's state; if it has been further before, that one: no state steps back."""
        before = self.subject.state
        same = self.subject.submitted and self.subject.recorded == self.subject.target
        both = [word for word in (state, before) if word in ACTIVE]
        return max(both, key=ACTIVE.index) if same and len(both) > 1 else state

    def work(self) -> Iterator[str]:
        """What is still to be done is announced, and what is stuck is no progress."""
        busy, stuck = self.says("Reconciling", "True"), self.says("Stalled", "True")
        if busy and stuck:
            yield "it goes on, and cannot go on"
        if self.due() and not (busy or stuck):
            yield "something is due, and it does not say so"
        if not self.due() and busy and not self.waits():
            yield "nothing is due, and it says so"

    def due(self) -> bool:
        if self.subject.deleting:
            return self.subject.held
        if not self.accepted:
            return False
        if self.over:
            return self.ended_by_suspension and not self.subject.suspend
        return self.subject.suspend or self.says("Suspended", "True")

    def waits(self) -> bool:
        return any(trouble.retry_at > NOW for trouble in self.known.failed_calls.values()) or (
            self.known.outcome_unknown_at is not None or not self.known.alone
        )


@pytest.mark.parametrize("was", RECORDED)
def test_whatever_is_shown_is_true(was: str) -> None:
    found: dict[str, str] = {}
    count = 0
    for situation in situations(was):
        for subject, known, decision, after in shown(situation):
            count += 1
            for lie in Judge(subject, known, after).lies():
                found.setdefault(f"{lie} [{type(decision).__name__}]", situation.name)
    assert count > 100
    assert not found, "\n".join(f"{lie}\n    {name}" for lie, name in found.items())

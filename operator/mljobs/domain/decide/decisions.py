"""The next steps that can be decided for a resource. Each is a value: the controller executes it.

Each also says when to decide again, so that the controller needs no rule of its own for that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Self

from mljobs.domain.job.resource import Intent, Target
from mljobs.domain.policies.deadlines import Exceeded
from mljobs.domain.policies.placements import Position
from mljobs.domain.policies.retry import Retry
from mljobs.domain.port import Job, Order
from mljobs.domain.reasons import Reason
from mljobs.domain.spec.problems import Problem

AT_ONCE = datetime.min.replace(tzinfo=UTC)
"""When to decide again after a step that is only the first of several: as soon as it is taken."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What all answers have in common.

    Attributes:
        again: when to decide again at the latest; None: when something changes, and not before.
    """

    again: datetime | None = None

    def by(self, moment: datetime) -> Self:
        """The same answer, decided again at that time at the latest."""
        return replace(self, again=min(self.again, moment) if self.again else moment)


@dataclass(frozen=True, kw_only=True)
class Step(Answer):
    """An answer that leads to the next one: what it has brought is decided on at once."""

    again: datetime | None = AT_ONCE


@dataclass(frozen=True)
class Submit(Step):
    """Submit this job, whose intent is recorded."""

    intent: Intent
    order: Order
    warnings: Sequence[Problem] = ()


@dataclass(frozen=True)
class Adopt(Step):
    """Adopt the job, whose intent is recorded, by setting our labels on it.

    Attributes:
        intent: names the job.
        labels: all labels to set.
        etag: of the job as it was read, so that a job which has changed since is evaluated again.
    """

    intent: Intent
    labels: Mapping[str, str]
    etag: str


@dataclass(frozen=True)
class Record(Step):
    """Record the intent together with the finalizer.

    Attributes:
        intent: names the job.
        then: what it is recorded for, which is decided again once that is done, unless it is `foreseen`;
            None: the job exists.
        first: whether no earlier process can have called create for the job.
    """

    intent: Intent
    then: Submit | Adopt | None = None
    first: bool = False


@dataclass(frozen=True)
class Read(Step):
    """Read the job: whether it exists, or who owns it, is not known."""

    target: Target


@dataclass(frozen=True)
class UpdateLabels(Step):
    """Patch the job's labels, guarded by the etag of the job as it was read."""

    target: Target
    labels: Mapping[str, str]
    etag: str


@dataclass(frozen=True)
class BindIam(Step):
    """Set our bindings in the job's IAM policy.

    Attributes:
        target: the job.
        wanted: what the spec asks for.
        applied: what we have set before.
    """

    target: Target
    wanted: Sequence[Mapping[str, Any]]
    applied: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Cancel(Step):
    """Cancel the job, which carries our uid label."""

    target: Target


@dataclass(frozen=True)
class Search(Step):
    """Search for jobs of the attempt other than the accepted one."""

    target: Target


@dataclass(frozen=True)
class CancelExtra(Step):
    """Cancel an extra job of an attempt.

    Attributes:
        target: the job to keep.
        extra: the job to cancel.
    """

    target: Target
    extra: Job


@dataclass(frozen=True)
class Release(Answer):
    """Remove the finalizer.

    Attributes:
        left_behind: the full name of a job that may still run, for an Event; empty if none can.
    """

    left_behind: str = ""


@dataclass(frozen=True)
class Watch(Answer):
    """The service owns the job: poll it."""

    target: Target


@dataclass(frozen=True)
class Suspend(Step):
    """Record that the suspension ends this attempt; the cancel call follows once that is stored."""

    target: Target


@dataclass(frozen=True)
class Expire(Step):
    """Record that a deadline ends this attempt; the cancel call follows once that is stored."""

    target: Target
    exceeded: Exceeded


@dataclass(frozen=True)
class Move(Step):
    """Record that the next create call of an attempt is for another placement: this one has refused it.

    Attributes:
        target: the job that was refused.
        position: where the next one is.
        message: what has happened, for people.
    """

    target: Target
    position: Position
    message: str


@dataclass(frozen=True)
class Announce(Step):
    """Record bindings before they are set in the policy, so that a crash leaves none unaccounted for.

    Attributes:
        target: the job.
        bindings: those that are set and those that are about to be.
    """

    target: Target
    bindings: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Leave(Answer):
    """Being deleted, and held by finalizers of others; it has no job, and there is nothing left to do."""


@dataclass(frozen=True)
class Hold(Answer):
    """Suspended, and no job runs."""


@dataclass(frozen=True)
class Backoff(Answer):
    """The attempt has failed, and another one follows later."""

    target: Target
    following: Retry


@dataclass(frozen=True)
class Finish(Answer):
    """The job has ended."""


@dataclass(frozen=True)
class Discard(Answer):
    """Delete the resource: it has finished, and its ttl has passed."""


@dataclass(frozen=True)
class Refuse(Answer):
    """The spec breaks rules: no call until it is changed."""

    problems: Sequence[Problem]


@dataclass(frozen=True)
class Stall(Answer):
    """It cannot proceed until somebody changes something."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class Wait(Answer):
    """A call has to be tried again later.

    Attributes:
        reason: of the conditions.
        message: what happened, and what the user can do.
        again: when that is.
    """

    reason: Reason
    message: str
    again: datetime = field(kw_only=True)


@dataclass(frozen=True)
class Keep(Answer):
    """Nothing to do and nothing to report."""


Effect = Submit | Adopt | Read | Search | UpdateLabels | BindIam | Cancel | CancelExtra
"""Steps that call the service; decide is called again with the outcome."""

Settled = Watch | Suspend | Expire | Move | Announce | Leave | Hold | Backoff | Finish | Refuse | Stall | Wait
"""Steps that are shown in the status."""

Decision = Effect | Settled | Record | Release | Discard | Keep

"""What the operator can do next about one resource. Each is a value: the controller carries it out.

Each says too when the question is to be asked again, so that whoever asks needs no rule of his own for that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Self

from mljobs.domain.job.resource import Intent, Target
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
    """Write the intent down if it is not there yet, then submit this job."""

    intent: Intent
    order: Order
    warnings: Sequence[Problem] = ()


@dataclass(frozen=True)
class Adopt(Step):
    """Write the intent down if it is not there yet, then take the job over by giving it our labels.

    Attributes:
        intent: names the job.
        labels: all that it is to have.
        etag: of the job that was judged, so that one which has changed since is judged anew.
    """

    intent: Intent
    labels: Mapping[str, str]
    etag: str


@dataclass(frozen=True)
class Record(Step):
    """Write the intent down: its job is there, and nothing holds the resource."""

    intent: Intent


@dataclass(frozen=True)
class Look(Step):
    """Read the job: it is not known whether it exists, or whose it is."""

    target: Target


@dataclass(frozen=True)
class UpdateLabels(Step):
    """Patch the job's labels, guarded by the etag of the job that was compared."""

    target: Target
    labels: Mapping[str, str]
    etag: str


@dataclass(frozen=True)
class BindIam(Step):
    """Bring our bindings into the job's IAM policy.

    Attributes:
        target: the job.
        wanted: what the spec asks for.
        applied: what was put there before.
    """

    target: Target
    wanted: Sequence[Mapping[str, Any]]
    applied: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Cancel(Step):
    """Ask the service to end the job, which has been seen to carry our uid."""

    target: Target


@dataclass(frozen=True)
class Search(Step):
    """Look for jobs that the attempt has besides the accepted one."""

    target: Target


@dataclass(frozen=True)
class CancelExtra(Step):
    """Ask the service to end a job of ours that an attempt has too many.

    Attributes:
        target: the job that stays.
        extra: the one that goes.
    """

    target: Target
    extra: Job


@dataclass(frozen=True)
class Release(Answer):
    """Take the finalizer off.

    Attributes:
        left_behind: the full name of a job that may still run, for an event; empty where none can.
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
class Announce(Step):
    """Record bindings before they are put into the policy, so that a crash leaves no stranger there.

    Attributes:
        target: the job.
        bindings: those that are there and those that are about to be.
    """

    target: Target
    bindings: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Leave(Answer):
    """Being deleted and held by others; it has no job, and nothing of it is ours any more."""


@dataclass(frozen=True)
class Hold(Answer):
    """Suspended, and no job runs."""


@dataclass(frozen=True)
class Finish(Answer):
    """The job has ended."""


@dataclass(frozen=True)
class Refuse(Answer):
    """The spec breaks rules: no call before somebody changes it."""

    problems: Sequence[Problem]


@dataclass(frozen=True)
class Stall(Answer):
    """It cannot go on without a change by somebody, for a reason that the service gave."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class Wait(Answer):
    """A call has to be tried again later.

    Attributes:
        reason: what the conditions say.
        message: what happened, and what a user can do.
        again: when that is.
    """

    reason: Reason
    message: str
    again: datetime = field(kw_only=True)


@dataclass(frozen=True)
class Keep(Answer):
    """Nothing to do and nothing to say."""


Effect = Submit | Adopt | Look | Search | UpdateLabels | BindIam | Cancel | CancelExtra
"""What needs a call to the service; decide is asked again with its outcome."""

Settled = Watch | Suspend | Announce | Leave | Hold | Finish | Refuse | Stall | Wait
"""What is shown in the status."""

Decision = Effect | Settled | Record | Release | Keep

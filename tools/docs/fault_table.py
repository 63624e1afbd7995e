"""What a resource shows, and what is tried again, for each call of the job service and each fault.

The documentation's table is made from here, and so are the tests that bring every fault about.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from mljobs.controller.loop.poller import READS_PER_ROUND
from mljobs.domain import errors
from mljobs.domain.job.observation import FIRST_DELAY, LONGEST_DELAY, OTHERWISE
from mljobs.domain.job.resource import FORCE_RELEASE
from mljobs.domain.policies.lost import ANSWERS, FEW
from mljobs.domain.reasons import ConditionType, Reason


class Fault(StrEnum):
    """What a call meets instead of its answer."""

    BAD_REQUEST = "400"
    UNAUTHENTICATED = "401"
    FORBIDDEN = "403"
    NOT_FOUND = "404"
    CONFLICT = "409"
    THROTTLED = "429"
    THROTTLED_FOR = "429 with Retry-After"
    INTERNAL = "500"
    BAD_GATEWAY = "502"
    UNAVAILABLE = "503"
    PAGE = "an HTML page instead of JSON"
    REFUSED = "connection refused"
    RESET = "connection reset before the call is applied"
    DROPPED = "connection reset after the call is applied"
    CUT = "an answer cut short"
    SLOW = "no answer within `requestTimeout`"


class FaultedCall(StrEnum):
    """What the operator asks of the service, and when."""

    CREATE = "`create`"
    READ_AFTER_CREATE = "`get` after a create call without an answer"
    POLL = "`get` of a running job"
    LIST = "`list` of a project's running jobs"
    PATCH = "`patch` of the labels"
    CANCEL = "`cancel` on deletion"
    GET_POLICY = "`getIamPolicy`"
    SET_POLICY = "`setIamPolicy`"
    TEST_PERMISSIONS = "`testIamPermissions` after a denied `cancel`"


class Again(StrEnum):
    """When a call is made again."""

    BACKING_OFF = "backing off"
    NEXT_POLL = "at the next poll"
    AT_ONCE = "at once, twice at most; then after 1 s, …, 60 s"
    SPEC_CHANGE = "never for the same spec"
    NEVER = "never"


Condition = tuple[ConditionType, str, Reason]
"""Type, status and reason of a condition."""


@dataclass(frozen=True)
class Row:
    """What one call does about some faults.

    Attributes:
        call: the call.
        faults: the faults that make no difference to each other.
        error: how the port words them.
        shown: conditions of the resource until the call succeeds; none where it shows nothing of the fault.
        again: when the call is made again.
        event: the reason of the Event, if there is one.
        note: what else a user should know.
    """

    call: FaultedCall
    faults: tuple[Fault, ...]
    error: type[errors.JobServiceError]
    shown: tuple[Condition, ...] = ()
    again: Again = Again.BACKING_OFF
    event: Reason | None = None
    note: str = ""


def delays(error: type[errors.JobServiceError]) -> tuple[float, float]:
    """The first and the longest delay after an error, in seconds."""
    first, longest = OTHERWISE
    return FIRST_DELAY.get(error, first), LONGEST_DELAY.get(error, longest)


_UNKNOWN = (
    Fault.INTERNAL,
    Fault.BAD_GATEWAY,
    Fault.UNAVAILABLE,
    Fault.PAGE,
    Fault.REFUSED,
    Fault.RESET,
    Fault.DROPPED,
    Fault.CUT,
    Fault.SLOW,
)
_QUOTA = (Fault.THROTTLED, Fault.THROTTLED_FOR)
_DENIED = (Fault.UNAUTHENTICATED, Fault.FORBIDDEN)


def _submitted(status: str, reason: Reason) -> Condition:
    return (ConditionType.SUBMITTED, status, reason)


def _reconciling(reason: Reason) -> Condition:
    return (ConditionType.RECONCILING, "True", reason)


def _stalled(reason: Reason) -> Condition:
    return (ConditionType.STALLED, "True", reason)


def _create() -> Iterator[Row]:
    yield Row(
        FaultedCall.CREATE,
        (Fault.BAD_REQUEST,),
        errors.Rejected,
        (_submitted("False", Reason.REJECTED), _stalled(Reason.REJECTED)),
        Again.SPEC_CHANGE,
        Reason.REJECTED,
        "If an earlier call got no answer, the operator first verifies that there is no job.",
    )
    yield Row(
        FaultedCall.CREATE,
        _DENIED,
        errors.Denied,
        (_submitted("False", Reason.DENIED), _stalled(Reason.DENIED)),
        event=Reason.DENIED,
    )
    yield Row(
        FaultedCall.CREATE,
        (Fault.NOT_FOUND,),
        errors.ProjectNotFound,
        (_submitted("False", Reason.PROJECT_NOT_FOUND), _stalled(Reason.PROJECT_NOT_FOUND)),
        event=Reason.PROJECT_NOT_FOUND,
        note="What is missing is the project: the message names the field. A corrected one is tried at once.",
    )
    yield Row(
        FaultedCall.CREATE,
        _QUOTA,
        errors.Throttled,
        (_submitted("False", Reason.THROTTLED), _reconciling(Reason.THROTTLED)),
        event=Reason.THROTTLED,
        note="The project's other create calls wait as long as `Retry-After` says.",
    )
    yield Row(
        FaultedCall.CREATE,
        (Fault.CONFLICT, *_UNKNOWN),
        errors.Unavailable,
        (_submitted("Unknown", Reason.OUTCOME_UNKNOWN), _reconciling(Reason.OUTCOME_UNKNOWN)),
        event=Reason.OUTCOME_UNKNOWN,
        note=(
            "The same id is submitted again. If it is in use, the job is read: one with our uid is adopted "
            "(`Adopted`), any other is `JobIdTaken`."
        ),
    )


def _look() -> Iterator[Row]:
    for faults, error, reason in _KINDS:
        # while it is fresh, the create call without an answer is the graver of the two
        denied = reason is Reason.DENIED
        reported = reason if denied else Reason.OUTCOME_UNKNOWN
        stuck = _stalled(reported) if denied else _reconciling(reported)
        note = "" if denied else f"If it lasts for a minute, the reason is `{reason}`."
        yield Row(
            FaultedCall.READ_AFTER_CREATE,
            faults,
            error,
            (_submitted("Unknown", reported), stuck),
            event=reported,
            note=note,
        )
    yield Row(
        FaultedCall.READ_AFTER_CREATE,
        (Fault.NOT_FOUND,),
        errors.NotFound,
        (_submitted("Unknown", Reason.OUTCOME_UNKNOWN),),
        note="The create call is made again; while the answers contradict each other, ever more slowly.",
    )


def _poll() -> Iterator[Row]:
    denied = (_stalled(Reason.DENIED),)
    yield Row(
        FaultedCall.POLL,
        _DENIED,
        errors.Denied,
        denied,
        event=Reason.DENIED,
        note="The state shown may be old.",
    )
    yield Row(
        FaultedCall.POLL,
        (Fault.NOT_FOUND,),
        errors.NotFound,
        again=Again.NEXT_POLL,
        note="If it lasts for `lostAfter`, the job is `Lost`: it is stalled, and submits nothing again.",
    )
    for faults, error, reason in _KINDS:
        if reason is not Reason.DENIED:
            yield Row(FaultedCall.POLL, faults, error)


def _list() -> Iterator[Row]:
    note = "The project is left alone until then."
    yield Row(FaultedCall.LIST, _QUOTA, errors.Throttled, again=Again.NEXT_POLL, note=note)
    others = tuple(fault for fault in Fault if fault not in _QUOTA)
    note = f"Jobs of the project are read one by one instead, {READS_PER_ROUND} at most."
    yield Row(FaultedCall.LIST, others, errors.JobServiceError, again=Again.NEXT_POLL, note=note)


def _effects(call: FaultedCall, refused: Reason | None) -> Iterator[Row]:
    """A call that changes a job that is there."""
    for faults, error, reason in _KINDS:
        if reason is Reason.DENIED:
            yield Row(call, faults, error, (_stalled(reason),), event=reason)
        elif error is errors.Rejected and refused:
            yield Row(call, faults, error, (_stalled(refused),), Again.SPEC_CHANGE, refused)
        else:
            yield Row(call, faults, error, (_reconciling(reason),), event=reason)


def _without_conflict(rows: Iterator[Row]) -> Iterator[Row]:
    """The rows of a call that is guarded by an etag, whose 409 says that the etag is old."""
    for row in rows:
        faults = tuple(fault for fault in row.faults if fault is not Fault.CONFLICT)
        yield Row(row.call, faults, row.error, row.shown, row.again, row.event, row.note)


def _tend() -> Iterator[Row]:
    gone = "The next polls show whether the job is lost."
    yield from _without_conflict(_effects(FaultedCall.PATCH, Reason.REJECTED))
    yield Row(
        FaultedCall.PATCH,
        (Fault.CONFLICT,),
        errors.StaleEtag,
        (_reconciling(Reason.SERVICE_UNAVAILABLE),),
        event=Reason.SERVICE_UNAVAILABLE,
        note="The job is read again. If it has changed, the call is made again at once, and nothing shown.",
    )
    yield Row(FaultedCall.PATCH, (Fault.NOT_FOUND,), errors.NotFound, again=Again.NEXT_POLL, note=gone)
    yield from _effects(FaultedCall.GET_POLICY, Reason.REJECTED)
    yield Row(FaultedCall.GET_POLICY, (Fault.NOT_FOUND,), errors.NotFound, again=Again.NEXT_POLL, note=gone)
    yield from _without_conflict(_effects(FaultedCall.SET_POLICY, Reason.REJECTED))
    yield Row(
        FaultedCall.SET_POLICY,
        (Fault.CONFLICT,),
        errors.StaleEtag,
        again=Again.AT_ONCE,
        note="The policy is read again each time, so that nobody's change is lost.",
    )
    yield Row(FaultedCall.SET_POLICY, (Fault.NOT_FOUND,), errors.NotFound, again=Again.NEXT_POLL, note=gone)


def _cancel() -> Iterator[Row]:
    for row in _effects(FaultedCall.CANCEL, None):
        denied = row.error is errors.Denied
        note = (
            "The message names the permission `ml.jobs.cancel` where the service says that it is missing."
            if denied
            else "The resource stays until the service has accepted the call."
        )
        yield Row(row.call, row.faults, row.error, row.shown, row.again, row.event, note)
    yield Row(
        FaultedCall.CANCEL,
        (Fault.NOT_FOUND,),
        errors.NotFound,
        (_reconciling(Reason.DELETING),),
        event=Reason.DELETING,
        note="The resource goes after `lostAfter` without the job; if it is there again, it is cancelled.",
    )
    yield Row(
        FaultedCall.TEST_PERMISSIONS,
        tuple(fault for fault in Fault),
        errors.JobServiceError,
        (_stalled(Reason.DENIED),),
        Again.NEVER,
        Reason.DENIED,
        "The message is that of the denied `cancel`, without the permission's name.",
    )


_KINDS: tuple[tuple[tuple[Fault, ...], type[errors.JobServiceError], Reason], ...] = (
    ((Fault.BAD_REQUEST,), errors.Rejected, Reason.SERVICE_UNAVAILABLE),
    (_DENIED, errors.Denied, Reason.DENIED),
    (_QUOTA, errors.Throttled, Reason.THROTTLED),
    ((Fault.CONFLICT, *_UNKNOWN), errors.Unavailable, Reason.SERVICE_UNAVAILABLE),
)
"""The usual kinds of faults: how the port words them, and the reason that a waiting resource gives."""

TABLE: tuple[Row, ...] = (*_create(), *_look(), *_poll(), *_list(), *_tend(), *_cancel())
"""Every call with every fault, each once."""

SURPRISES: Mapping[str, str] = {
    "A recorded job vanishes": (
        f"After {ANSWERS} consecutive answers that there is none, over `lostAfter` (five minutes) or longer: "
        f"`Succeeded=False` and `Stalled=True`, both `Lost`. Nothing is submitted again. A deletion looks "
        f"once more, and ends."
    ),
    "A lost job is there again": (
        "It is read every `lostInterval` (ten minutes), and resumed: `Succeeded=Unknown`, "
        "`FoundAgain`. A deletion cancels it."
    ),
    "Many jobs of a project vanish at once": (
        f"Where {FEW} jobs or more are missing in one round of polls, and half of the project's or more, it "
        f"is the service that is wrong: no resource changes, no deletion ends, the log says so once, and "
        f"`mljobs_missing_jobs` counts them. The annotation `{FORCE_RELEASE}` lets a resource go."
    ),
    "A state goes back": (
        "A terminal state stays what it was. Any other state is shown as the service says it."
    ),
    "A page of `list` repeats jobs": "They count once.",
    "A page of `list` skips jobs": "A job that no page has shown is read by itself.",
    "The job exists, and its create call is answered with 409 again and again while `get` finds none": (
        "`Submitted=Unknown`, `OutcomeUnknown`; the calls go on ever more slowly."
    ),
    "Calls fail for causes that take turns, 503 and 429 say": (
        "The most severe one of the last minute is reported, so that they are one status write and one Event."
    ),
}
"""What a service can do besides: the answer is well-formed and wrong, or never the same."""

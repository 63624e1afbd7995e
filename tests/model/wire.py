"""The calls between the operator and its two servers: each waits until the model says what becomes of it."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from mljobs.controller.kube import errors as kube
from mljobs.domain import errors
from tests.model.loop import VirtualLoop

Side = Literal["service", "kube"]
Outcome = Literal[
    "ok", "lost", "failed", "late", "throttled", "throttled long", "denied", "rejected", "stale", "absent"
]
"""What becomes of a call.

    ok              it takes effect and is answered
    lost            it takes effect, and the answer gets lost
    failed          it does not take effect, which the caller cannot know
    late            no answer; it takes effect later, or never
    throttled …     429 without and with a Retry-After of 40 s
    denied          403
    rejected        400; of the API server: a webhook or a quota refuses it
    stale           a read is answered by a replica that lags behind
    absent          a read is answered by a replica that has not heard of the job yet
"""

CallKind = Literal["effects", "reads"]

TIMEOUT = 30.0
"""Seconds after which the operator's clients give a call up."""

_SERVICE_ERRORS: dict[Outcome, Callable[[], errors.JobServiceError]] = {
    "lost": lambda: errors.Unavailable("connection reset"),
    "failed": lambda: errors.Unavailable("service unavailable", status=503),
    "late": lambda: errors.Unavailable("no complete answer within 30 s"),
    "throttled": lambda: errors.Throttled("quota"),
    "throttled long": lambda: errors.Throttled("quota", retry_after=40),
    "denied": lambda: errors.Denied("permission denied", status=403),
    "rejected": lambda: errors.Rejected("bad request"),
}

_KUBE_ERRORS: dict[Outcome, Callable[[], kube.KubeError]] = {
    "rejected": lambda: kube.Refused("a webhook says no"),
}


@dataclass(eq=False)
class Call:
    """One call on its way.

    Attributes:
        side: which server it goes to.
        method: the port's or Kube's method.
        subject: what it is about, for reports.
        sent: when, in the loop's time.
        take_effect: applies it; gives the answer or raises the natural error.
        future: the caller waits for it.
        stale: gives the answer of a replica that lags behind; None if there is none to give.
        absent: whether a replica may not have heard of the subject yet.
        reads: whether it changes nothing.
        owner: the uid of the resource whose job it makes.
    """

    side: Side
    method: str
    subject: Any
    sent: float
    take_effect: Callable[[], Any]
    future: asyncio.Future[Any]
    stale: Callable[[], Any] = lambda: None
    absent: Callable[[], bool] = lambda: False
    reads: bool = False
    owner: str = ""

    def error(self, outcome: Outcome) -> Exception:
        if self.side == "service":
            return _SERVICE_ERRORS[outcome]()
        unreachable = lambda: kube.Unreachable("the API server did not answer")  # noqa: E731
        return _KUBE_ERRORS.get(outcome, unreachable)()


@dataclass
class Late:
    """A call that nobody waits for any longer, and that may still take effect."""

    call: Call
    until: float


@dataclass
class Wire:
    """All calls in progress.

    Args:
        loop: tells the time, and runs the callers.
        linger: seconds for which a call may still take effect after its caller has given up.

    Attributes:
        calls: that wait for an answer, in the order in which they were sent.
        late: calls without a caller that may still take effect.
        planned: what becomes of the next calls of a kind, instead of `ok`.
        counts: calls so far, by method.
        told: hears what becomes of each call.
        sent: hears of each call when it is made.
        answered: hears of each call and its outcome just before the caller does.
    """

    loop: VirtualLoop
    linger: float
    calls: list[Call] = field(default_factory=list)
    late: list[Late] = field(default_factory=list)
    planned: list[tuple[Side, CallKind, Outcome]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    told: Callable[[str], None] = lambda _: None
    sent: Callable[[Call], None] = lambda _: None
    answered: Callable[[Call, Outcome], None] = lambda _call, _outcome: None

    async def send(
        self,
        side: Side,
        method: str,
        subject: Any,
        take_effect: Callable[[], Any],
        *,
        reads: bool = False,
        stale: Callable[[], Any] = lambda: None,
        absent: Callable[[], bool] = lambda: False,
        owner: str = "",
    ) -> Any:
        """Make a call and wait for what becomes of it."""
        future: asyncio.Future[Any] = self.loop.create_future()
        call = Call(side, method, subject, self.loop.now, take_effect, future, stale, absent, reads, owner)
        self.counts[method] += 1
        self.calls.append(call)
        self.sent(call)
        return await future

    def answer(self, call: Call, outcome: Outcome = "ok") -> None:
        """Let a call have its outcome, and its caller go on."""
        outcome = self._possible(call, outcome)
        self.told(f"  {call.side}.{call.method} {call.subject}: {outcome}")
        self.calls.remove(call)
        self.answered(call, outcome)
        if outcome == "late":
            self.late.append(Late(call, self.loop.now + self.linger))
        result: Any = None
        error: Exception | None = None
        if outcome in ("ok", "lost"):
            try:
                result = call.take_effect()
            except (errors.JobServiceError, kube.KubeError) as natural:
                error = natural
        elif outcome == "stale":
            result = call.stale()
        elif outcome == "absent":
            error = errors.NotFound("no such job")
        if outcome not in ("ok", "stale", "absent"):
            error = call.error(outcome)
        if not call.future.done():
            if error:
                call.future.set_exception(error)
            else:
                call.future.set_result(result)
        self.loop.settle()

    def expire(self) -> None:
        """Let callers give up, and late calls be too late."""
        for call in [call for call in self.calls if self.loop.now - call.sent >= TIMEOUT]:
            if call in self.calls:
                self.answer(call, "late")
        self.late = [late for late in self.late if self.loop.now < late.until]

    def land(self, late: Late) -> None:
        """Let a late call take effect."""
        self.late.remove(late)
        self.told(f"  {late.call.side}.{late.call.method} {late.call.subject}: takes effect late")
        try:
            late.call.take_effect()
        except (errors.JobServiceError, kube.KubeError) as natural:
            self.told(f"    but {natural}")

    def abandon(self) -> None:
        """The callers have died: each call that changes anything may still take effect, or not."""
        for call in self.calls:
            if not call.reads:
                self.late.append(Late(call, self.loop.now + self.linger))
        self.calls.clear()

    def flow(self, seconds: float, *, but: Call | None = None, most: int = 10_000) -> int:
        """Answer all calls, perhaps but one, while time passes.

        Returns:
            How many there were.
        """
        until, answered = self.loop.now + seconds, 0
        self.loop.settle()
        while True:
            while call := next((call for call in self.calls if call is not but), None):
                self.answer(call, self._plan(call))
                answered += 1
                assert answered <= most, f"the operator calls without end: {self.counts}"
            if self.loop.now >= until:
                return answered
            self.loop.advance(until - self.loop.now, to_timer=True)
            self.expire()

    def _plan(self, call: Call) -> Outcome:
        for plan in self.planned:
            side, kind, outcome = plan
            if side == call.side and (kind == "reads") == call.reads:
                self.planned.remove(plan)
                return outcome
        return "ok"

    def _possible(self, call: Call, outcome: Outcome) -> Outcome:
        """The outcome, or the nearest that the call can have."""
        if outcome == "stale" and call.stale() is None:
            return "ok"
        if outcome == "absent" and not call.absent():
            return "ok"
        if outcome == "late" and call.reads:
            return "failed"
        return outcome

"""Every line of the table of faults, over HTTP: what is shown, what is tried again, how fast, and the end.

All cases run at once in one operator. Each has a resource and a project of its own, in which the emulator
fails. What a resource has shown is read from the history of its status, so that nothing depends on when a
test looks.
"""

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from mljobs.api.resources import TRAINING_JOB
from mljobs.domain import errors
from mljobs.domain.reasons import Reason
from tests.e2e.support import Job, Json, Namespace, conditions, eventually, training
from tests.e2e.support_stack import Emulator
from tools.docs.fault_table import TABLE, Again, Fault, FaultedCall, Row, delays

LONG_ENOUGH = 90.0
"""Seconds in which all cases end, the slowest retry included."""

RETRY_AFTER = 7

METHODS = {
    FaultedCall.CREATE: "create",
    FaultedCall.READ_AFTER_CREATE: "get",
    FaultedCall.POLL: "get",
    FaultedCall.LIST: "list",
    FaultedCall.PATCH: "patch",
    FaultedCall.CANCEL: "cancel",
    FaultedCall.GET_POLICY: "getIamPolicy",
    FaultedCall.SET_POLICY: "setIamPolicy",
    FaultedCall.TEST_PERMISSIONS: "testIamPermissions",
}

ACTIONS: dict[Fault, Json] = {
    Fault.BAD_REQUEST: {"action": "error", "status": 400},
    Fault.UNAUTHENTICATED: {"action": "error", "status": 401},
    Fault.FORBIDDEN: {"action": "error", "status": 403},
    Fault.NOT_FOUND: {"action": "error", "status": 404},
    Fault.CONFLICT: {"action": "error", "status": 409},
    Fault.THROTTLED: {"action": "error", "status": 429},
    Fault.THROTTLED_FOR: {"action": "error", "status": 429, "retryAfter": RETRY_AFTER},
    Fault.INTERNAL: {"action": "error", "status": 500},
    Fault.BAD_GATEWAY: {"action": "error", "status": 502},
    Fault.UNAVAILABLE: {"action": "error", "status": 503},
    Fault.PAGE: {"action": "error", "status": 404, "html": True},
    Fault.RESET: {"action": "dropBefore"},
    Fault.DROPPED: {"action": "dropAfter"},
    Fault.CUT: {"action": "truncate"},
    Fault.SLOW: {"action": "delay", "seconds": 4},
}
"""What the emulator is told. A refused connection is no answer of the emulator's, and tested elsewhere."""

BINDINGS = [{"role": "roles/viewer", "members": ["user:a@example.com"]}]
TROUBLE = {
    Reason.REJECTED,
    Reason.DENIED,
    Reason.PROJECT_NOT_FOUND,
    Reason.THROTTLED,
    Reason.OUTCOME_UNKNOWN,
    Reason.SERVICE_UNAVAILABLE,
    Reason.LOST,
    Reason.DELETING,
}

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def operator_options() -> dict[str, object]:
    return {"settings": {"MLJOBS_REQUEST_TIMEOUT": "2"}}


@dataclass(frozen=True)
class Case:
    """One call with one fault."""

    row: Row
    fault: Fault
    number: int = field(default_factory=lambda: next(_numbers))

    @property
    def project(self) -> str:
        return f"case-{self.number}"

    @property
    def method(self) -> str:
        return METHODS[self.row.call]

    @property
    def deletes(self) -> bool:
        return self.row.call in (FaultedCall.CANCEL, FaultedCall.TEST_PERMISSIONS)

    @property
    def done(self) -> bool:
        """Whether the call takes effect although it fails."""
        return self.fault in (Fault.DROPPED, Fault.CUT, Fault.SLOW)

    @property
    def times(self) -> int | None:
        """How often the call fails: forever where it is never made again, twice where that does not last."""
        if self.row.again is Again.SPEC_CHANGE:
            return None
        if self.done and self.row.call in (FaultedCall.PATCH, FaultedCall.SET_POLICY):
            return 1  # what is read next shows that nothing is left to do
        lasts = self.row.error is errors.Denied or self.row.again in (Again.NEXT_POLL, Again.NEVER)
        return 1 if lasts else 2

    def __str__(self) -> str:
        return f"{self.row.call}: {self.fault}"


def cases() -> Iterator[Case]:
    for row in TABLE:
        for fault in row.faults:
            if row.call is not FaultedCall.LIST and fault is not Fault.REFUSED:
                yield Case(row, fault)


@dataclass
class Story:
    """What has become of a case."""

    case: Case
    job: Job
    uid: str
    emulator: Emulator
    statuses: list[Json] = field(default_factory=list)

    def begin(self) -> None:
        """Do what leads to the call that fails, where the resource itself does not."""
        if self.case.row.call is FaultedCall.PATCH:
            self.job.patch_spec(labels={"team": "b"})
        elif self.case.deletes:
            self.job.delete()

    def over(self) -> bool:
        """Whether the call has succeeded in the end, or the resource has given up for this spec."""
        found = self.job.object()
        if self.case.deletes:
            return found is None
        status = (found or {}).get("status") or {}
        shown = conditions(status)
        if self.case.row.again is Again.SPEC_CHANGE:
            return shown.get("Stalled") == ("True", Reason.REJECTED)
        good = shown.get("Submitted", ("", ""))[0] == "True" and "Stalled" not in shown
        if self.case.row.call is FaultedCall.PATCH:
            good = good and status["labels"].get("team") == "b"
        if self.case.row.call in (FaultedCall.GET_POLICY, FaultedCall.SET_POLICY):
            good = good and status.get("record", {}).get("iamBindings") == BINDINGS
        return good and len(self.calls()) > (self.case.times or 0) - self.case.done

    def calls(self) -> list[Json]:
        return self.emulator.effects(method=self.case.method, project=self.case.project)

    def problems(self) -> Iterator[str]:
        yield from self._shown()
        yield from self._paced()
        yield from self._announced()

    def _shown(self) -> Iterator[str]:
        row = self.case.row
        wanted = {(kind.value, status, reason.value) for kind, status, reason in row.shown}
        seen = [{(kind, *rest) for kind, rest in conditions(status).items()} for status in self.statuses]
        if wanted and not any(wanted <= shown for shown in seen):
            yield f"never showed {wanted}, but {seen}"
        if not wanted:
            yield from (f"showed {row}" for shown in seen for row in shown if row[2] in TROUBLE)
        for status in self.statuses:
            for condition in status.get("conditions") or ():
                if not condition["message"]:
                    yield f"has a condition without a message: {condition}"

    def _paced(self) -> Iterator[str]:
        calls, times = self.calls(), self.case.times
        if times is None:
            if len(calls) != 1:
                yield f"called {len(calls)} times what is never to be called again"
            return
        if self.case.row.again is not Again.BACKING_OFF or self.case.fault is Fault.SLOW:
            return
        first, longest = delays(self.case.row.error)
        moments = [datetime.fromisoformat(call["time"]).timestamp() for call in calls]
        for count in range(1, min(times + 1, len(moments))):
            least = min(first * 2 ** (count - 1), longest) / 2
            if self.case.fault is Fault.THROTTLED_FOR:
                least = max(least, RETRY_AFTER)
            gap = moments[count] - moments[count - 1]
            if gap < least - 0.05:
                yield f"called again after {gap:.2f} s, and {least} s is the least"

    def _announced(self) -> Iterator[str]:
        event = self.case.row.event
        reasons = eventually(
            lambda: Counter(one["reason"] for one in self.job.namespace.events(self.uid)),
            lambda found: not event or found[event],
            what=f"an Event {event}",
            report=self.job.namespace.report,
        )
        if event and reasons[event] != 1:
            yield f"posted {event} {reasons[event]} times: {reasons}"
        if not event and (unexpected := set(reasons) & TROUBLE) - {Reason.OUTCOME_UNKNOWN}:
            yield f"posted {unexpected}"


def apply(namespace: Namespace, emulator: Emulator, case: Case) -> Story:
    """Tell the emulator how to fail, and make the resource."""
    if case.row.call is FaultedCall.READ_AFTER_CREATE:
        emulator.fault("dropAfter", method="create", project=f"^{case.project}$", times=1)
    if case.row.call is FaultedCall.TEST_PERMISSIONS:
        emulator.fault("error", method="cancel", project=f"^{case.project}$", times=1, status=403)
    fault = {**ACTIONS[case.fault], **({"times": case.times} if case.times else {})}
    emulator.fault(fault.pop("action"), method=case.method, project=f"^{case.project}$", **fault)
    spec: dict[str, Any] = {"projectId": case.project, "labels": {"team": "a"}}
    if case.row.call in (FaultedCall.GET_POLICY, FaultedCall.SET_POLICY):
        spec["iamBindings"] = BINDINGS
    job = namespace.create(training(case.project, spec))
    return Story(case, job, job.uid, emulator)


def read_history(namespace: Namespace, stories: list[Story]) -> None:
    """Read what every resource has ever shown."""
    by_name = {story.job.name: story for story in stories}
    namespace.create(training("last-page", {"projectId": "last-page", "suspend": True}))
    for _, found in namespace.history(TRAINING_JOB):
        name = found["metadata"]["name"]
        if name == "last-page":
            return
        by_name[name].statuses.append(found.get("status") or {})
    pytest.fail("the history has no end")


def test_every_call_with_every_fault(namespace: Namespace, emulator: Emulator) -> None:
    stories = [apply(namespace, emulator, case) for case in cases()]
    waiting = [story for story in stories if story.case.row.call is FaultedCall.PATCH or story.case.deletes]
    for story in waiting:
        story.job.until_condition("Submitted", "True")
        story.begin()

    def unfinished() -> list[str]:
        return [str(story.case) for story in stories if not story.over()]

    eventually(
        unfinished,
        lambda left: not left,
        what="every case has come to its end",
        within=LONG_ENOUGH,
        report=namespace.report,
    )
    read_history(namespace, stories)
    found = [f"{story.case}: {problem}" for story in stories for problem in story.problems()]
    assert not found, "\n".join(found)
    doubled = Counter(row["project"] for row in emulator.effects(method="create") if row["applied"])
    assert all(count == 1 for count in doubled.values()), doubled

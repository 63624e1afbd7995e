"""Causes that take turns: the worst is told for a minute, so that a resource does not change each time."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import cycle, islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mljobs.domain import errors
from mljobs.domain.decide import AdminPolicy, decide
from mljobs.domain.decide.decisions import Settled
from mljobs.domain.job.observation import STEADY, Call, Observation
from mljobs.domain.job.resource import Resource
from mljobs.domain.reasons import ConditionType
from mljobs.domain.show.events import transitions
from mljobs.domain.show.project import project
from tests.conditions import condition_of
from tests.unit.domain.world import NOW, intent, job, later, observed, resource, status

AWAY = errors.Unavailable("The service is currently unavailable.", status=503)
BUSY = errors.Throttled("Quota exceeded.")
DENIED = errors.Denied("Permission denied.", status=403)

Failure = tuple[Call, errors.JobServiceError]


class Teller:
    """A resource whose calls fail one after the other, each when it is due.

    Attributes:
        statuses: what was written, in order.
        events: the reasons of what was posted, in order.
    """

    def __init__(self, subject: Resource, known: Observation) -> None:
        self.subject = subject
        self.known = known
        self.now = NOW
        self.statuses: list[Mapping[str, Any]] = []
        self.events: list[str] = []

    def fail(self, method: Call, error: errors.JobServiceError, *, after: float | None = None) -> None:
        due = [trouble.retry_at for trouble in self.known.failed_calls.values()]
        self.now = max([self.now, *due]) if after is None else self.now + timedelta(seconds=after)
        generation = self.subject.generation
        self.known = self.known.failed(method, error, generation=generation, now=self.now, jitter=1)
        self.show()

    def show(self) -> None:
        decision = decide(self.subject, self.known, AdminPolicy(), self.now)
        assert isinstance(decision, Settled), decision
        shown = project(self.subject, self.known, decision, self.now)
        if shown != self.subject.status:
            self.events += [event.reason.value for event in transitions(self.subject.status, shown)]
            self.statuses.append(shown)
            self.subject = replace(self.subject, status=shown)

    def told(self, kind: str = "Reconciling") -> tuple[str, str]:
        """Reason and message of a condition."""
        found = condition_of(self.subject, ConditionType(kind))
        return str(found.get("reason")), str(found.get("message"))


def submitting() -> Teller:
    return Teller(resource(intended=intent()), observed(alone=True))


def deleting() -> Teller:
    return Teller(resource(intended=intent(), status=status(), deleting=True), observed(job=job()))


def every(seconds: float, failures: Iterable[Failure], teller: Teller) -> Teller:
    for method, error in failures:
        teller.fail(method, error, after=seconds)
    return teller


def test_503_and_429_in_turn_for_an_hour_are_one_write_and_one_event() -> None:
    teller = submitting()
    for error in cycle([AWAY, BUSY]):
        teller.fail(Call.CREATE, error)
        if teller.now - NOW > timedelta(hours=1):
            break
    assert teller.events == ["OutcomeUnknown"]
    assert len(teller.statuses) == 1
    assert "currently unavailable" in teller.told()[1]


def test_what_sounds_better_takes_its_place_a_minute_after_the_worse_was_last_met() -> None:
    teller = submitting()
    teller.fail(Call.CREATE, AWAY)
    every(20, [(Call.CREATE, BUSY)] * 2, teller)
    assert teller.told()[0] == "OutcomeUnknown"
    every(20, [(Call.CREATE, BUSY)] * 2, teller)
    assert teller.told()[0] == "Throttled"
    assert teller.events == ["OutcomeUnknown", "Throttled"]


@pytest.mark.parametrize("worse", [AWAY, DENIED])
def test_what_is_worse_is_told_at_once(worse: errors.JobServiceError) -> None:
    teller = every(1, [(Call.CREATE, BUSY), (Call.CREATE, worse)], submitting())
    assert worse.message in teller.told()[1]


def test_calls_of_different_kinds_take_turns_too() -> None:
    """The look before a cancel meets 503, the cancel 429."""
    turns = islice(cycle([(Call.CANCEL, BUSY), (Call.GET, AWAY)]), 40)
    teller = deleting()
    for method, error in turns:
        teller.fail(method, error, after=15)
        if method is Call.GET:
            teller.known = teller.known.saw(job(), teller.now)
    assert teller.events == ["Throttled", "ServiceUnavailable"]


def test_a_call_that_has_succeeded_is_told_of_no_longer() -> None:
    teller = submitting()
    teller.fail(Call.CREATE, AWAY)
    teller.known = teller.known.saw(job("QUEUED", labels={"team": "x"}), teller.now, by=Call.CREATE)
    teller.subject = replace(teller.subject, spec={**teller.subject.spec, "labels": {"a": "b"}})
    teller.fail(Call.PATCH, BUSY, after=1)
    assert teller.told()[0] == "Throttled"


def test_a_changed_spec_is_told_of_at_once() -> None:
    teller = submitting()
    teller.fail(Call.CREATE, DENIED)
    teller.subject = replace(teller.subject, generation=2)
    teller.fail(Call.CREATE, BUSY, after=1)
    assert teller.told()[0] == "Throttled"


def test_a_wording_that_changes_with_each_answer_is_written_once_a_minute() -> None:
    numbered = [(Call.CREATE, errors.Unavailable(f"request {n} failed", status=503)) for n in range(61)]
    teller = every(10, numbered, submitting())
    assert len(teller.statuses) == 11  # at once, and after each of ten minutes
    assert teller.events == ["OutcomeUnknown"]
    assert "request 60 failed" in teller.told()[1]


def test_polls_that_are_denied_and_fail_in_turn_keep_saying_denied() -> None:
    teller = Teller(resource(intended=intent(), status=status()), observed(job=job()))
    every(10, [(Call.GET, error) for error in [DENIED, AWAY] * 20], teller)
    assert teller.events == ["Denied"]
    assert teller.told("Stalled")[0] == "Denied"


@given(
    st.lists(
        st.tuples(
            st.sampled_from([AWAY, BUSY, DENIED, errors.NotFound("There is none.")]), st.floats(0.1, 90)
        )
    )
)
def test_a_cause_is_told_only_while_it_is_fresh_or_the_worst(
    answers: list[tuple[errors.JobServiceError, float]],
) -> None:
    """What is told was met within the last minute, or is what was met last."""
    teller, met = submitting(), dict[str, datetime]()
    for error, pause in answers:
        teller.fail(Call.CREATE, error, after=pause)
        met[error.message] = teller.now
        (told,) = [message for message in met if message in teller.told()[1]]
        assert told == error.message or teller.now - met[told] < STEADY


def test_delays_are_those_of_the_last_failure() -> None:
    teller = submitting()
    teller.fail(Call.CREATE, AWAY)
    teller.fail(Call.CREATE, errors.Throttled("Quota exceeded.", retry_after=100), after=1)
    waiting = teller.known.waiting(teller.now, Call.CREATE)
    assert waiting is not None
    assert waiting.retry_at == later(101)

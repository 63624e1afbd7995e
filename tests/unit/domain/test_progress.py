"""What a resource shows of its job goes one way, in whatever order the service's words come."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mljobs.api.outputs import TERMINAL_STATES
from mljobs.domain.decide import AdminPolicy, decide
from mljobs.domain.decide.decisions import Settled
from mljobs.domain.show.progress import ORDER
from mljobs.domain.show.project import project
from tests.unit.domain.world import NOW, intent, job, observed, resource, status

STARTS = st.sampled_from([None, "2026-01-02T03:00:01Z", "2026-01-02T03:00:02.5Z"])
SEEN = st.lists(st.tuples(st.sampled_from([*ORDER, *sorted(TERMINAL_STATES)]), STARTS), min_size=1)


@given(SEEN)
def test_neither_the_state_nor_the_start_steps_back(seen: list[tuple[str, str | None]]) -> None:
    subject = resource(intended=intent(), status=status(state="QUEUED"))
    furthest, start, ended = 0, None, ""
    for word, moment in seen:
        told: dict[str, Any] = {"startTime": moment} if moment else {}
        known = observed(job=job(word, **told))
        decision = decide(subject, known, AdminPolicy(), NOW)
        assert isinstance(decision, Settled)
        shown = project(subject, known, decision, NOW)
        subject = replace(subject, status=shown)
        if ended:
            assert shown["state"] == ended
            continue
        start = start or moment
        assert shown.get("startTime") == start
        if word in TERMINAL_STATES:
            ended = word
            assert shown["state"] == ended
        else:
            rank = [state.value for state in ORDER].index(shown["state"])
            assert rank >= furthest
            furthest = rank

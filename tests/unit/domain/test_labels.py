"""Labels that somebody keeps changing, and what is remembered of those that were the spec's."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from mljobs.domain.decide import AdminPolicy, decide
from mljobs.domain.decide.decisions import Settled, UpdateLabels, Wait
from mljobs.domain.job.observation import CONTEST_LONGEST, CONTEST_OVER, Observation
from mljobs.domain.reasons import Reason
from mljobs.domain.show.project import project
from tests.unit.domain.world import NOW, intent, job, observed, resource, status

SUBJECT = resource(intended=intent(), status=status(labelKeys=["team"]), spec={"labels": {"team": "a"}})
POLL = timedelta(seconds=10)


def test_who_keeps_changing_them_meets_an_answer_ever_more_rarely() -> None:
    """A bot that puts its own value back at each poll, for six hours."""
    known, now = observed(job=job(labels={"team": "a"})), NOW
    patched, said = [], set()
    while now < NOW + timedelta(hours=6):
        known = known.saw(job(labels={"team": "bot"}), now)
        step = decide(SUBJECT, known, AdminPolicy(), now)
        if isinstance(step, UpdateLabels):
            patched.append(now)
            known = known.relabelled(job(labels={"team": "a"}), now, generation=1, keys=["team"])
        else:
            assert isinstance(step, Wait)
            assert step.reason is Reason.LABELS_CONTESTED
            assert "this resource sets: team." in step.message
            said.add(step.message)
        now += POLL
    pauses = [late - early for early, late in pairwise(patched)]
    assert pauses[:3] == [POLL, timedelta(seconds=30), timedelta(seconds=60)]
    assert max(pauses) == CONTEST_LONGEST
    assert len(patched) < 6 * 4 + 10
    assert len(said) == 1  # so that there is one Event, which is counted


def test_a_change_after_a_quiet_hour_is_the_first_again() -> None:
    known: Observation = observed()
    for minute in range(5):
        known = known.relabelled(job(), NOW + timedelta(minutes=minute), generation=1, keys=["team"])
    assert known.relabelling
    assert known.relabelling.pause == timedelta(minutes=4)
    later = NOW + timedelta(minutes=5) + CONTEST_OVER
    known = known.relabelled(job(), later, generation=1, keys=["team"])
    assert known.relabelling
    assert known.relabelling.pause == timedelta()


@pytest.mark.parametrize(
    ("recorded", "spec", "there", "expected"),
    [
        (None, {"team": "a"}, {"team": "a", "cost": "7"}, ["team"]),
        (["team"], {}, {"cost": "7"}, []),
        (["team"], {}, {"team": "a", "cost": "7"}, ["team"]),  # not removed yet
        (["b", "a"], {"c": "1"}, {"a": "1", "c": "1"}, ["a", "c"]),
        (None, {}, {}, []),
    ],
)
def test_what_is_recorded_of_them(
    recorded: list[str] | None, spec: dict[str, str], there: dict[str, str], expected: list[str]
) -> None:
    before = {**status(), **({} if recorded is None else {"labelKeys": recorded})}
    subject = resource(intended=intent(), status=before, spec={"labels": spec})
    known = observed(job=job("CANCELLING", labels=there))
    step = decide(subject, known, AdminPolicy(), NOW)
    assert isinstance(step, Settled)
    shown = project(subject, known, step, NOW)
    assert shown["labelKeys"] == expected
    again = replace(subject, status=shown)
    assert project(again, known, step, NOW) == shown

"""Labels that somebody keeps changing."""

from datetime import timedelta
from itertools import pairwise

from mljobs.domain.decide import AdminPolicy, decide
from mljobs.domain.decide.decisions import UpdateLabels, Wait
from mljobs.domain.job.observation import CONTEST_LONGEST, CONTEST_OVER, Observation
from mljobs.domain.reasons import Reason
from tests.unit.domain.world import NOW, intent, job, observed, resource, status

SUBJECT = resource(
    intended=intent(), status=status(remembered={"labelKeys": ["team"]}), spec={"labels": {"team": "a"}}
)
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

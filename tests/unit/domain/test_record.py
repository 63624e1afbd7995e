"""Nothing is decided by what a status says to people: `status.record` alone is remembered."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mljobs.domain.decide import AdminPolicy, decide, polled
from mljobs.domain.job.observation import Observation
from mljobs.domain.job.resource import Resource
from mljobs.domain.reasons import ConditionType, Reason
from tests.unit.domain.situations import LIVES, RECORDED, WANTED
from tests.unit.domain.world import NOW, START, TARGET, job, missing, observed, resource

POLICY = AdminPolicy(default_project="proj")
KNOWN: Mapping[str, Observation] = {
    "nothing": Observation(since=START),
    "alone": observed(alone=True),
    "running": observed(job=job()),
    "cancelled": observed(job=job("CANCELLED")),
    "missing": missing(),
}
NONSENSE: Mapping[str, Any] = {
    "none": [],
    "all true": [
        {"type": kind, "status": "True", "reason": reason, "message": "", "observedGeneration": 9}
        for kind, reason in zip(ConditionType, (Reason.LOST, Reason.REJECTED) * 9, strict=False)
    ],
    "all false": [{"type": kind, "status": "False", "reason": "Nonsense"} for kind in ConditionType],
    "no list": "conditions",
    "odd rows": [None, 7, {}, {"type": "Submitted"}],
}


def subject(recorded: str, wanted: str, life: str) -> Resource:
    intended, status = RECORDED[recorded]
    return resource(intended=intended, status=status, spec=WANTED[wanted], **LIVES[life])


@pytest.mark.parametrize("nonsense", NONSENSE)
@pytest.mark.parametrize("recorded", RECORDED)
def test_conditions_decide_nothing(recorded: str, nonsense: str) -> None:
    for wanted in WANTED:
        for life in LIVES:
            true = subject(recorded, wanted, life)
            told = replace(true, status={**true.status, "conditions": NONSENSE[nonsense]})
            for known in KNOWN.values():
                assert decide(told, known, POLICY, NOW) == decide(true, known, POLICY, NOW)
                assert polled(told, known) == polled(true, known)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda one: st.lists(one) | st.dictionaries(st.text(), one),
    )
)
def test_a_record_of_any_shape_can_be_read(record: Any) -> None:
    """Nobody may write it but the operator; another version of it may have."""
    for status in ({"record": record}, {**RECORDED["running"][1], "record": record}):
        odd = resource(intended=RECORDED["running"][0], status=status)
        for deleting in (False, True):
            decide(replace(odd, deleting=deleting), observed(job=job(target=TARGET)), POLICY, NOW)

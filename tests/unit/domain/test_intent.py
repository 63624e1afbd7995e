"""The record of an intended submission survives the way through an annotation."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mljobs.domain.classes.job_class import Standing
from mljobs.domain.decide import AdminPolicy, decide
from mljobs.domain.decide.decisions import Cancel, Record
from mljobs.domain.decide.intents import foreseen
from mljobs.domain.job.observation import Observation
from mljobs.domain.job.resource import FINALIZER, SUBMISSION, Intent, Target
from tests.unit.domain import world
from tests.unit.domain.world import JOB_ID, NOW, TARGET, job, observed, resource, status, target

INTENT = Intent(Target("p", "j_1", 2), 3, datetime(2026, 5, 4, 3, 2, 1, 123456, UTC))
TEXT = INTENT.encode("u")


@pytest.mark.parametrize("intent", [INTENT, replace(INTENT, adopting=True)])
def test_nothing_is_lost_not_even_a_part_of_a_second(intent: Intent) -> None:
    assert Intent.decode(intent.encode("u"), "u") == intent


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "{}",
        "[]",
        "null",
        "not JSON",
        TEXT.replace('"attempt": 2', '"attempt": "y"'),
        TEXT.replace("+00:00", ""),
        TEXT.replace("2026", "year"),
    ],
)
def test_what_nobody_of_ours_has_written_counts_for_nothing(text: str | None) -> None:
    assert Intent.decode(text, "u") is None


def test_an_annotation_that_was_copied_from_another_resource_counts_for_nothing() -> None:
    assert Intent.decode(TEXT, "v") is None


FORGED = [
    "1e999",
    "[" * 200_000,
    "x" * 300_000,
    TEXT.replace('"attempt": 2', '"attempt": 1e999'),
    TEXT.replace('"attempt": 2', '"attempt": true'),
    TEXT.replace('"attempt": 2', f'"attempt": {10**30}'),
    TEXT.replace('"attempt": 2', '"attempt": -1'),
    TEXT.replace('"jobId": "j_1"', '"jobId": ["j_1"]'),
    TEXT.replace('"jobId": "j_1"', '"jobId": ""'),
]


@pytest.mark.parametrize("text", FORGED, ids=lambda text: text[:40])
def test_a_forged_annotation_is_none(text: str) -> None:
    assert Intent.decode(text, "u") is None


@given(st.text() | st.from_regex(r"\[{0,2000}\{?") | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_any_text_can_stand_in_the_annotation(text: str) -> None:
    for recorded in (None, status()):
        subject = resource(held=True, status=recorded)
        odd = replace(subject, annotations={SUBMISSION: text})
        assert decide(replace(odd, deleting=True), observed(job=job()), AdminPolicy(), NOW) == Cancel(TARGET)


@pytest.mark.parametrize(
    "forged",
    [
        target("proj", "another", 1),
        target("other", JOB_ID, 1),
        target("proj", JOB_ID, 2),
        target("proj", "x", 7),
    ],
    ids=["job", "project", "attempt", "attempt and job"],
)
def test_an_intent_that_the_record_contradicts_changes_nothing(forged: Target) -> None:
    true = resource(intended=world.intent(), status=status())
    odd = resource(intended=world.intent(forged), held=True, status=status())
    for known in (observed(job=job()), observed(), observed(job=job("FAILED"))):
        for deleting in (False, True):
            one, other = replace(true, deleting=deleting), replace(odd, deleting=deleting)
            assert decide(other, known, AdminPolicy(), NOW) == decide(one, known, AdminPolicy(), NOW)


@pytest.mark.parametrize(
    "changed",
    [
        {"generation": 2},
        {"spec": {**resource().spec, "suspend": True}},
        {"deleting": True},
        {"finalizers": ()},
        {"finalizers": ("other.example.com/hold", FINALIZER)},
        {"annotations": {}},
        {"annotations": {SUBMISSION: "{}"}},
        {"status": {"observedGeneration": 1}},
        {"uid": "another"},
        {"facts": None},
        {"standing": Standing(pending=True)},
    ],
    ids=str,
)
def test_nothing_is_foreseen_of_a_resource_that_has_changed(changed: Mapping[str, Any]) -> None:
    new = resource(held=False)
    step = decide(new, Observation(since=NOW), AdminPolicy(), NOW)
    assert isinstance(step, Record)
    written = {SUBMISSION: step.intent.encode(new.uid)}
    after = replace(new, version="8", finalizers=(FINALIZER,), annotations=written)
    assert foreseen(step, new, after) == step.then
    assert foreseen(replace(step, first=False), new, after) is None
    assert foreseen(step, new, replace(after, **changed)) is None

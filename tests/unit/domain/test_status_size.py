"""A status stays small as it is stored, whatever is in it, and never loses what has to be remembered."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mljobs.api.base import JsonObject
from mljobs.api.resources import KINDS
from mljobs.domain.decide import AdminPolicy, decide
from mljobs.domain.decide.decisions import Record, Refuse, Settled
from mljobs.domain.job.resource import Resource
from mljobs.domain.show.project import project
from mljobs.domain.show.size import barest, fitted
from mljobs.domain.spec.sizes import ETCD_BYTES, OBJECT_BYTES, STATUS_BYTES, stored_bytes
from tests.unit.domain.world import NOW, intent, job, observed, resource, status

NASTY = ["<", "&", "\N{LINE SEPARATOR}", "\x01", '"', "é", "😀", "x"]
MEMORY = (
    "observedGeneration",
    "state",
    "attempt",
    "jobId",
    "jobName",
    "projectId",
    "record",
)
BINDINGS = [{"role": "roles/viewer", "members": ["user:a@example.com"]}]


def attempts(text: str) -> list[JsonObject]:
    return [
        {
            "attempt": n,
            "jobId": f"job_{n}",
            "jobName": f"projects/proj/jobs/job_{n}",
            "errorMessage": text * 512,
        }
        for n in range(1, 21)
    ]


def trials(text: str) -> list[JsonObject]:
    return [
        {
            "trialId": str(n),
            "finalMetric": {"objectiveValue": n},
            "hyperparameters": {f"{text * 100}{k}": text * 100 for k in range(4)},
        }
        for n in range(200)
    ]


def shown(subject: Resource, text: str, state: str = "FAILED") -> JsonObject:
    known = observed(
        job=job(
            state,
            errorMessage=text * 20_000,
            labels={f"{chr(0xE000 + n) * 60}{n}": "ä" * 63 for n in range(60)},
            trainingOutput={
                "trials": trials(text),
                "webAccessUris": {f"{text * 50}{n}": text * 500 for n in range(40)},
            },
        ),
        bound=BINDINGS,
    )
    decision = decide(subject, known, AdminPolicy(), NOW)
    assert isinstance(decision, Settled)
    return project(subject, known, decision, NOW)


@pytest.mark.parametrize("text", NASTY)
def test_the_largest_status_fits_and_stays_what_it_is(text: str) -> None:
    spec = {"iamBindings": BINDINGS}
    before = status(attempts=attempts(text), remembered={"iamBindings": BINDINGS})
    subject = resource(intended=intent(), status=before, spec=spec)
    first = shown(subject, text)
    assert stored_bytes(first) <= STATUS_BYTES
    assert KINDS["TrainingJob"].status.model_validate(first).document() == first
    assert set(MEMORY) <= set(first)
    assert first["record"]["iamBindings"] == BINDINGS
    again = replace(subject, status={**first, "state": "RUNNING"})
    assert shown(again, text) == first


@given(
    st.dictionaries(
        st.sampled_from([*MEMORY, "labels", "etag", "attempts", "trainingOutput", "x"]), st.none()
    )
)
def test_a_small_status_stays_as_it_is(keys: dict[str, None]) -> None:
    small: dict[str, Any] = {**status(attempts=attempts("x")[:3], trainingOutput={"trials": trials("x")[:3]})}
    for key in keys:
        small.pop(key, None)
    assert fitted(small) == small


def test_trials_that_are_left_out_are_counted() -> None:
    many: dict[str, Any] = {
        **status(),
        "trainingOutput": {"trials": trials("<")[:60], "bestTrial": trials("<")[0], "trialsTruncated": 7},
    }
    output = fitted(many)["trainingOutput"]
    assert 0 < len(output["trials"]) < 60
    assert output["trialsTruncated"] == 67 - len(output["trials"])
    assert output["bestTrial"] == trials("<")[0]


def test_the_barest_form_is_small_and_says_how_things_are() -> None:
    subject = resource(
        intended=intent(), status=status(attempts=attempts("<")), spec={"iamBindings": BINDINGS}
    )
    bare = barest(shown(subject, "<"))
    assert stored_bytes(bare) < 8 * 1024
    assert set(MEMORY) <= set(bare)
    assert [row["type"] for row in bare["conditions"]] == [
        "Submitted",
        "Succeeded",
        "Reconciling",
        "Suspended",
    ]
    assert KINDS["TrainingJob"].status.model_validate(bare).document() == bare


@pytest.mark.parametrize(("beside", "submits"), [(1000, True), (-1000, False)])
def test_nothing_is_submitted_whose_object_has_no_room_for_a_status(beside: int, submits: bool) -> None:
    empty = resource()
    fill = OBJECT_BYTES - stored_bytes({"metadata": {"annotations": {"a": ""}}, "spec": empty.spec}) - beside
    subject = replace(empty, metadata={"annotations": {"a": "x" * fill}})
    step = decide(subject, observed(target=None), AdminPolicy(), NOW)
    assert isinstance(step, Record if submits else Refuse), step
    if isinstance(step, Refuse):
        (problem,) = step.problems
        assert problem.text.startswith("metadata: Invalid value: ")
        assert "shorten its annotations or its spec" in problem.text
        assert OBJECT_BYTES + STATUS_BYTES < ETCD_BYTES

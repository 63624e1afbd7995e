"""Filters of jobs and of log entries."""

import contextlib
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from mljobs_dev.emulator.errors import ApiError
from mljobs_dev.emulator.expressions import FilterError, compile_filter
from mljobs_dev.emulator.listing import job_filter

Json = dict[str, Any]

JOBS: list[Json] = [
    {
        "jobId": "census_1",
        "state": "FAILED",
        "labels": {"team": "a", "mljobs-uid": "u1"},
        "createTime": "2026-01-01T00:00:00Z",
        "trainingInput": {
            "region": "us-central1",
            "scheduling": {},
            "workerCount": "3",
            "args": ["--x", "y"],
        },
    },
    {
        "jobId": "census_2",
        "state": "RUNNING",
        "labels": {"team": "b", "größe": "groß"},
        "createTime": "2026-01-02T00:00:00Z",
        "trainingInput": {
            "region": "us-east1",
            "scaleTier": "CUSTOM",
            "workerCount": "20",
            "enableWebAccess": True,
        },
    },
    {
        "jobId": "rnn",
        "state": "FAILED",
        "createTime": "2026-01-03T00:00:00Z",
        "predictionInput": {"region": "us-east1"},
    },
]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("", [0, 1, 2]),
        ("  ", [0, 1, 2]),
        ("jobId:census*", [0, 1]),
        ("jobId:census", []),
        ("job_id = rnn", [2]),
        ("jobId:rnn* AND state:FAILED", [2]),
        ("state:FAILED jobId:census*", [0]),
        ("state=FAILED OR state=RUNNING", [0, 1, 2]),
        ("state!=FAILED", [1]),
        ("NOT state:FAILED", [1]),
        ("-state:FAILED", [1]),
        ("NOT (state:FAILED AND jobId:census*)", [1, 2]),
        ("(state:FAILED)", [0, 2]),
        ("jobId:census* AND state:FAILED OR state:RUNNING", [0, 1]),
        ("labels.team=a", [0]),
        ("labels.team:(a OR b)", [0, 1]),
        ("labels.team:(a b)", [0, 1]),
        ("labels.mljobs-uid:*", [0]),
        ("labels:team", [0, 1]),
        ('labels."mljobs-uid"=u1', [0]),
        ('labels.team="a"', [0]),
        ("labels.team='b'", [1]),
        ("createTime>2026-01-01T12:00:00Z", [1, 2]),
        ('createTime<="2026-01-02T00:00:00Z"', [0, 1]),
        ('createTime>="2026-01-02"', [1, 2]),
        ("trainingInput.workerCount>5", [1]),
        ("training_input.worker_count<=3", [0]),
        ("trainingInput.args:--x", [0]),
        ("trainingInput.enableWebAccess:true", [1]),
        ("predictionInput.region:us-*", [2]),
        ("labels.größe=groß", [1]),
        ("labels.größe:*", [1]),
        ("trainingInput.scaleTier=BASIC", [0]),
        ("trainingInput.scaleTier=CUSTOM", [1]),
        ("trainingInput.scheduling.priority=0", [0]),
        ("trainingInput.enableWebAccess=false", [0]),
        ("jobPosition=0", [0, 1, 2]),
        ("jobPosition:*", []),
        ("errorMessage:*", []),
        ("endTime=0", []),
        ("jobPosition<1", [0, 1, 2]),
        ("predictionInput.batchSize!=0", [0, 1]),
        ("jobId:c?nsus_1", []),
        ("jobId:[rc]*", []),
    ],
)
def test_job_filter(expression: str, expected: list[int]) -> None:
    matches = job_filter(expression)
    assert [index for index, job in enumerate(JOBS) if matches(job)] == expected


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("nope:1", "the field 'nope' is unknown"),
        ("trainingInput.nope=1", "the field 'trainingInput.nope' is unknown"),
        ("jobId.x=1", "the field 'jobId.x' is unknown"),
        ("census", "'census' stands alone"),
        ("jobId=", "a value is missing"),
        ("(jobId=a", "a ')' is missing"),
        ("jobId=a)", "unexpected ')'"),
        ("jobId=(a", "is missing"),
        ("AND", "stands alone"),
        ("=a", "a name or a value is missing"),
        ("jobId=~x", "not supported"),
        ('jobId="a', "is missing"),
        ("(" * 100, "inside one another"),
    ],
)
def test_job_filter_refuses(expression: str, why: str) -> None:
    with pytest.raises(ApiError) as caught:
        job_filter(expression)
    assert caught.value.code == 400
    assert caught.value.message.startswith("Field: filter Error: ")
    assert why in caught.value.message


def equals(field: str, operator: str, value: str) -> Any:
    return lambda row: row.get(field) == value if operator == "=" else value in row.values()


@given(st.text(alphabet="ab=:()\"' \\-<>!ORANDT\n", max_size=40))
@example('a="\\"')
def test_any_text_is_a_filter_or_says_why_not(text: str) -> None:
    with contextlib.suppress(FilterError):
        assert compile_filter(text, equals)({"a": "b"}) in (True, False)


@given(st.text(max_size=20))
def test_any_quoted_text_is_one_value(text: str) -> None:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    assert compile_filter(f'a="{quoted}"', equals)({"a": text})

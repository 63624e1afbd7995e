"""The tables of causes: each row recognizes its own example, and what no row knows is Unknown."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mljobs.api.outputs import Cause
from mljobs.backends.google.causes import Row, classify, with_failure
from mljobs.backends.mlv1 import causes as mlv1
from mljobs.backends.vertex import causes as vertex
from mljobs.domain.port import Failure, Job

TABLES = {"MLv1": mlv1.ROWS, "VertexAI": vertex.ROWS}
EVERY = [(service, row) for service, rows in TABLES.items() for row in rows]

CASES = [
    (
        "MLv1",
        "The replica worker 3 exited with a non-zero status of 42. Termination reason: Error.",
        None,
        Cause.USER_CODE,
        42,
    ),
    (
        "MLv1",
        "The replica ps 0 ran out-of-memory and exited with a non-zero status of 247",
        None,
        Cause.OUT_OF_MEMORY,
        247,
    ),
    ("MLv1", "Something else.", None, Cause.UNKNOWN, None),
    ("MLv1", "", None, Cause.UNKNOWN, None),
    ("VertexAI", "Replicas low on memory: workerpool0.", 8, Cause.OUT_OF_MEMORY, None),
    ("VertexAI", "Resources are insufficient in region: europe-west4. Try", 8, Cause.NO_CAPACITY, None),
    ("VertexAI", "Something else.", 8, Cause.UNKNOWN, None),
    ("VertexAI", "Something else.", 13, Cause.INFRASTRUCTURE, None),
    (
        "VertexAI",
        "The replica workerpool1-11 exited with a non-zero status of 139.",
        13,
        Cause.USER_CODE,
        139,
    ),
    (
        "VertexAI",
        "The replica workerpool0-0 exited with a non-zero status of 99999999.",
        3,
        Cause.USER_CODE,
        None,
    ),
    ("VertexAI", "no permission", 7, Cause.PERMISSION, None),
]


@pytest.mark.parametrize(("service", "row"), EVERY, ids=lambda value: getattr(value, "example", value)[:40])
def test_a_row_is_the_first_to_recognize_its_example(service: str, row: Row) -> None:
    found = classify(TABLES[service], row.example, row.number)
    assert found.cause is row.cause
    first = next(one for one in TABLES[service] if one.failure(row.example, row.number))
    assert first is row
    assert row.source


@pytest.mark.parametrize(("service", "message", "number", "cause", "code"), CASES)
def test_what_services_say(
    service: str, message: str, number: int | None, cause: Cause, code: int | None
) -> None:
    assert classify(TABLES[service], message, number) == Failure(cause, code)


def test_no_row_goes_by_nothing() -> None:
    assert all(row.text or row.number is not None for _, row in EVERY)


def test_only_a_job_that_has_failed_has_a_cause() -> None:
    message = "The replica master 0 exited with a non-zero status of 1."
    for state, expected in (
        ("FAILED", Failure(Cause.USER_CODE, 1, message)),
        ("CANCELLED", None),
        ("RUNNING", None),
    ):
        job = Job.parse({"jobId": "a", "state": state, "errorMessage": message})
        assert with_failure(job, mlv1.ROWS).failure == expected


@pytest.mark.parametrize("rows", TABLES.values(), ids=TABLES)
@given(message=st.text(), number=st.none() | st.integers())
def test_any_text_is_read(rows: Sequence[Row], message: str, number: int | None) -> None:
    assert classify(rows, message, number).cause in Cause


@pytest.mark.parametrize("rows", TABLES.values(), ids=TABLES)
def test_a_long_text_is_read_in_a_moment(rows: Sequence[Row]) -> None:
    for part in ("The replica ", "Model server terminated: ", "9", "\n "):
        assert classify(rows, part * 500_000, None) == Failure(Cause.UNKNOWN)

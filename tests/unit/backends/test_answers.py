"""The mapping from HTTP answers to the error tree, as a pure function."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mljobs.backends.google.answers import MESSAGE_LIMIT, Answer, ErrorBody, Method, error_of, unreadable
from mljobs.domain.errors import JobServiceError, NotFound, Rejected, Throttled, Violation
from tests.unit.backends.raw_server import error

NOW = datetime(2024, 5, 1, 12, 0, 0, tzinfo=UTC)
GET = Method("ml.projects.jobs.get")
METHODS = [
    GET,
    Method("create", creates=True, named=True, of_parent=True),
    Method("create", creates=True, of_parent=True),
    Method("patch", guarded=True),
]
RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3.5s"}
BAD_REQUEST = {
    "@type": "type.googleapis.com/google.rpc.BadRequest",
    "fieldViolations": [{"field": "region", "description": "no such region"}, {"field": "scale_tier"}],
}


def answered(status: int, body: object, **headers: str) -> JobServiceError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return error_of(GET, Answer(status, named, json.dumps(body).encode()), NOW)


@pytest.mark.parametrize(
    ("header", "details", "seconds"),
    [
        ("7", (), 7.0),
        ("0", (), 0.0),
        ("Wed, 01 May 2024 12:00:30 GMT", (), 30.0),
        ("Wed, 01 May 2024 11:00:00 GMT", (), 0.0),
        ("Wed, 01 May 2024 12:00:30 -0000", (), 30.0),
        ("Fri, 01 May 2224 12:00:00 GMT", (), 86400.0),
        ("999999999", (), 86400.0),
        ("", (RETRY_INFO,), 3.5),
        ("7", (RETRY_INFO,), 7.0),
        ("soon", (RETRY_INFO,), 3.5),
        ("-5", (), None),
        ("1e3", (), None),
        ("٣", (), None),
        ("inf", (), None),
        ("", ({**RETRY_INFO, "retryDelay": "-1s"},), None),
        ("", ({**RETRY_INFO, "retryDelay": 3},), None),
        ("", ({**RETRY_INFO, "@type": "type.googleapis.com/google.rpc.Help"},), None),
        ("", (), None),
    ],
)
def test_retry_after(header: str, details: tuple[object, ...], seconds: float | None) -> None:
    body = error(429, "RESOURCE_EXHAUSTED", "Quota", *details)
    result = answered(429, body, retry_after=header)
    assert isinstance(result, Throttled)
    assert result.retry_after == seconds


@pytest.mark.parametrize(
    ("body", "violations"),
    [
        (
            error(400, "INVALID_ARGUMENT", "several", BAD_REQUEST),
            (Violation("region", "no such region"), Violation("scale_tier", "")),
        ),
        (
            error(400, "INVALID_ARGUMENT", "Field: region Error: a:\nb", v1_reason="badRequest"),
            (Violation("region", "a:\nb"),),
        ),
        (
            error(400, "INVALID_ARGUMENT", "Field: region Error: x", BAD_REQUEST, v1_reason="badRequest"),
            (Violation("region", "no such region"), Violation("scale_tier", "")),
        ),
        (error(400, "FAILED_PRECONDITION", "The job has ended."), ()),
        (error(400, "INVALID_ARGUMENT", "odd", {**BAD_REQUEST, "fieldViolations": "x"}, 7, None), ()),
        (
            error(
                400,
                "INVALID_ARGUMENT",
                "List of found errors:\t1.Field: job_spec.worker_pool_specs[0].machine_spec; Message: no.\t"
                "2.Field: display_name; Message: too long: a; b\t",
            ),
            (
                Violation("job_spec.worker_pool_specs[0].machine_spec", "no."),
                Violation("display_name", "too long: a; b"),
            ),
        ),
        ([error(400, "INVALID_ARGUMENT", "Field: job.job_id Error: x")], (Violation("job.job_id", "x"),)),
    ],
)
def test_violations(body: object, violations: tuple[Violation, ...]) -> None:
    result = answered(400, body)
    assert isinstance(result, Rejected)
    assert result.violations == violations


def test_a_long_message_is_cut() -> None:
    assert len(answered(404, error(404, "NOT_FOUND", "x" * 100_000)).message) == MESSAGE_LIMIT


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
ERRORS = st.fixed_dictionaries(
    {"error": st.fixed_dictionaries({"message": JSON}, optional=dict.fromkeys(("status", "details"), JSON))}
)
BODIES = (
    st.binary(max_size=64)
    | JSON.map(lambda x: json.dumps(x).encode())
    | ERRORS.map(lambda x: json.dumps(x).encode())
)


@given(
    st.sampled_from(METHODS),
    st.integers(100, 599),
    BODIES,
    st.dictionaries(st.sampled_from(["retry-after", "content-type"]), st.text(max_size=40)),
)
def test_every_answer_has_an_error(method: Method, status: int, body: bytes, headers: dict[str, str]) -> None:
    answer = Answer(status, headers, body)
    result = error_of(method, answer, NOW)
    assert isinstance(result, JobServiceError)
    assert result.status == status
    assert result.message == str(result)
    assert unreadable(method, answer).message
    if ErrorBody.parse(body) is None:  # facts need the API's own words
        assert type(result).__name__ in {"Throttled", "Denied", "Unavailable"}


def test_json_nested_too_deeply_is_no_error_body() -> None:
    assert ErrorBody.parse(b"[" * 100_000) is None


def test_a_fact_needs_the_api_s_words() -> None:
    assert isinstance(answered(404, error(404, "NOT_FOUND", "no job")), NotFound)
    page = error_of(GET, Answer(404, {"content-type": "text/html"}, b"<html>Not\n Found</html>"), NOW)
    assert type(page).__name__ == "Unavailable"
    assert "text/html: '<html>Not Found</html>'" in page.message
    assert "proxy" in page.message

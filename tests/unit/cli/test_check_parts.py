"""The judgements of `mljobs check`, on answers that no server at hand gives."""

import asyncio
import itertools
import json
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import urllib3
from hypothesis import given
from hypothesis import strategies as st
from kubernetes import client

from mljobs import __version__
from mljobs.admin import crds
from mljobs.admin.check import command as check
from mljobs.admin.check import service
from mljobs.admin.check.cluster import Answer, Cluster, ClusterError
from mljobs.admin.check.definitions import _expected, check_definitions, differences, normal
from mljobs.admin.check.finding import Finding, Status, failed, ok, skipped, warning
from mljobs.admin.check.load import Load, check_quotas
from mljobs.admin.check.network import trouble
from mljobs.admin.check.server import FULL, check_clock, check_version
from mljobs.api.kinds import ALL_KINDS
from mljobs.api.resources import KINDS, JobKind
from mljobs.backends.google.transport import NotConnected, OnceHttp
from mljobs.backends.mlv1.facts import PAGE_SIZE, PAGES_FROM
from mljobs.config import Settings
from mljobs.domain.errors import Unavailable
from tests.unit.backends.raw_server import RawServer, answer, hang
from tools.packaging.chart import KUBE_VERSION

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("major", "minor", "status"),
    [
        ("1", "29", Status.FAILED),
        ("0", "99", Status.FAILED),
        ("1", "30", Status.WARNING),
        ("1", "30+", Status.WARNING),
        ("1", "31", Status.OK),
        ("1", "31+", Status.OK),
        ("1", "37", Status.OK),
        ("2", "0", Status.OK),
        ("", "", Status.WARNING),
        ("1", "x", Status.WARNING),
    ],
)
def test_versions(major: str, minor: str, status: Status) -> None:
    document = {"major": major, "minor": minor, "gitVersion": f"v{major}.{minor}.1-cloud"}
    found = check_version(Answer(document, ""), "https://server")
    assert found.status is status
    assert f"v{major}.{minor}.1-cloud" in found.found
    assert bool(found.remedy) is (status is not Status.OK)


def test_the_chart_asks_for_the_version_with_which_all_is_well() -> None:
    assert KUBE_VERSION.startswith(">=" + ".".join(map(str, FULL)))


@pytest.mark.parametrize(
    ("theirs", "status", "words"),
    [
        ("Thu, 01 Jan 2026 12:00:00 GMT", Status.OK, "agree"),
        ("Thu, 01 Jan 2026 12:00:31 GMT", Status.OK, "agree"),
        ("Thu, 01 Jan 2026 11:59:31 GMT", Status.OK, "agree"),
        ("Thu, 01 Jan 2026 12:00:32 GMT", Status.WARNING, "ours is 31 s behind"),
        ("Thu, 01 Jan 2026 11:59:30 GMT", Status.WARNING, "ours is 31 s ahead of"),
        ("Wed, 31 Dec 2025 12:00:01 GMT", Status.WARNING, "ours is 86400 s ahead of"),
        ("", Status.SKIPPED, "does not report the time"),
        ("noon", Status.SKIPPED, "does not report the time"),
    ],
)
def test_clocks(theirs: str, status: Status, words: str) -> None:
    found = check_clock(Answer({}, theirs), NOW, NOW + timedelta(seconds=2))
    assert found.status is status
    assert words in found.found


def behind(*errors: BaseException) -> BaseException:
    """The first error, with the others behind it."""
    for error, cause in itertools.pairwise(errors):
        error.__cause__ = cause
    return errors[0]


UNTRUSTED = ssl.SSLCertVerificationError(1, "certificate verify failed")
TROUBLES: list[tuple[BaseException, str, str]] = [
    (socket.gaierror(-2, "Name or service not known"), "cannot be resolved: Name or service", "port 53"),
    (UNTRUSTED, "its certificate is not trusted", "HTTPLIB2_CA_CERTS"),
    (ssl.SSLError(1, "wrong version number"), "TLS failed", "speaks https"),
    (TimeoutError("timed out"), "did not answer in time", "drops the packets"),
    (urllib3.exceptions.ReadTimeoutError(None, "", "timed out"), "did not answer in time", "drops"),  # type: ignore[arg-type]
    (ConnectionRefusedError(111, "Connection refused"), "connection was refused", "host and port"),
    (ConnectionResetError(104, "Connection reset by peer"), "the connection broke", "host and port"),
    (OSError(101, "Network is unreachable"), "Network is unreachable", "drops the packets"),
]


@pytest.mark.parametrize(("cause", "what", "remedy"), TROUBLES, ids=lambda part: repr(part)[:40])
def test_the_innermost_cause_is_explained(cause: BaseException, what: str, remedy: str) -> None:
    for error in (cause, behind(Unavailable("no answer"), NotConnected("cannot connect"), cause)):
        found = trouble(error)
        assert found is not None
        assert what in found.what
        assert remedy in found.remedy


def test_the_network_is_not_blamed_for_other_errors() -> None:
    assert trouble(behind(Unavailable("no answer"), ValueError("no JSON"))) is None


def test_an_exchange_that_was_broken_off_at_its_end_counts_as_silence() -> None:
    """The connection that was shut then is no cause of it."""
    with RawServer([hang]) as server, ThreadPoolExecutor(1) as pool:
        http = OnceHttp(timeout=20, user_agent="test", proxied=False)
        asked = pool.submit(http.request, server.url)
        deadline = time.monotonic() + 20
        while not server.received:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        http.abort()
        error = asked.exception(20)
    assert isinstance(error, TimeoutError)
    found = trouble(behind(Unavailable("no answer"), error))
    assert found is not None
    assert "did not answer in time" in found.what


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, (*path, name))
    else:
        yield path


EXPECTED = {kind.name: json.dumps(_expected(kind)) for kind in KINDS.values()}
PLACES = [(kind, path) for kind, text in EXPECTED.items() for path in leaves(json.loads(text))]


@given(place=st.sampled_from(PLACES), removed=st.booleans())
def test_no_difference_goes_unseen(place: tuple[str, tuple[Any, ...]], removed: bool) -> None:
    kind, (*parents, last) = place
    expected, found = json.loads(EXPECTED[kind]), json.loads(EXPECTED[kind])
    target = found
    for name in parents:
        target = target[name]
    if removed:
        del target[last]
    else:
        target[last] = "something else"
    (seen,) = differences(expected, found)
    assert seen.startswith("missing: " if removed else "differs: ")
    assert len(list(differences(found, expected))) == 1


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_a_published_schema_has_the_same_normal_form(kind: JobKind) -> None:
    """What the API server adds when it publishes a schema, as seen with version 1.37."""
    (version,) = crds.definition(kind)["spec"]["versions"]
    published = json.loads(json.dumps(version["schema"]["openAPIV3Schema"]))
    published["x-kubernetes-group-version-kind"] = [{"kind": kind.name}]
    published["x-kubernetes-selectable-fields"] = [
        {"fieldPath": path.removeprefix(".")} for path in kind.selectable
    ]
    published["properties"]["kind"]["description"] = "Kind is a string value."
    published["properties"]["metadata"] = {"allOf": [{"$ref": "#/components/schemas/ObjectMeta"}]}
    integers = 0

    def add_alternatives(value: Any) -> None:
        nonlocal integers
        for item in value.values() if isinstance(value, dict) else ():
            add_alternatives(item)
        if isinstance(value, dict) and value.get("x-kubernetes-int-or-string") is True:
            value["anyOf"] = [{"type": "integer"}, {"type": "string"}]
            integers += 1

    add_alternatives(published)
    assert integers
    assert list(differences(_expected(kind), normal(published))) == []


@pytest.mark.parametrize(
    ("count", "interval", "limit", "status", "text"),
    [
        (0, 10, 300, Status.OK, "none of which has an active job"),
        (24, 10, 300, Status.OK, "24 active jobs take 144 reads a minute, of 300 allowed"),
        (24, 1, 0, Status.OK, "no limit is set"),
        (24, 1, 300, Status.WARNING, "1440 reads a minute, and 300 are allowed: a status may be 5 s old"),
        (PAGES_FROM, 10, 300, Status.OK, "take 6 reads a minute"),
        (10 * PAGE_SIZE, 10, 300, Status.OK, "take 60 reads a minute"),
        (60 * PAGE_SIZE, 10, 300, Status.WARNING, "a status may be 12 s old"),
    ],
)
def test_quotas(count: int, interval: float, limit: float, status: Status, text: str) -> None:
    settings = Settings(poll_interval=interval, others_per_minute=limit)
    (found,) = check_quotas(Load(1, {"p": count} if count else {}), settings)
    assert found.status is status
    assert text in found.found


@pytest.mark.parametrize(
    ("count", "limit", "status", "text"),
    [
        (500, 0, Status.OK, "500 jobs wait to be submitted; no limit is set"),
        (60, 60, Status.OK, "60 jobs wait to be submitted, of 60 allowed a minute"),
        (61, 60, Status.WARNING, "the last has to wait for about 2 minutes"),
    ],
)
def test_quotas_of_create_calls(count: int, limit: float, status: Status, text: str) -> None:
    (found,) = check_quotas(Load(count, waiting={"p": count}), Settings(creates_per_minute=limit))
    assert (found.check, found.status) == ("Create quota of project p", status)
    assert text in found.found


def test_projects_that_are_not_tried_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def tried(_client: object, _where: str, project: str, _what: str) -> list[Finding]:
        return [ok(project, "tried")]

    monkeypatch.setattr(service, "_check_project", tried)
    projects = [f"p-{number}" for number in range(service.PROJECTS + 2)]
    settings = Settings(endpoint="http://127.0.0.1:1", anonymous=True)
    _, *found, last = asyncio.run(service.check_service(settings, projects))
    assert [one.check for one in found] == projects[: service.PROJECTS]
    assert (last.status, last.found) == (Status.SKIPPED, "2 more projects were not tried: p-10, p-11")


FINDINGS = [
    ok("one", "all is [bold]well[/bold]"),
    warning("two", "it is slow", "wait"),
    failed("three", "it is broken", "fix it"),
    skipped("four", "not looked at"),
]


def test_json_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    check.print_json(FINDINGS)
    document = json.loads(capsys.readouterr().out)
    assert document["version"] == __version__
    assert document["passed"] is False
    assert [Finding(**{**row, "status": Status(row["status"])}) for row in document["checks"]] == FINDINGS
    check.print_json(FINDINGS[:2])
    assert json.loads(capsys.readouterr().out)["passed"] is True


def test_the_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    check.print_table(FINDINGS)
    shown = capsys.readouterr().out
    for finding in FINDINGS:
        assert f"│ {finding.check} " in shown
        assert f" {finding.status.value} " in shown
        assert finding.found in shown
    assert "→ wait" in shown
    assert "→ fix it" in shown
    assert max(map(len, shown.splitlines())) <= 140


@pytest.mark.parametrize("published", [answer(200), answer(403, {}), answer(404, {})])
def test_a_schema_that_is_not_published_is_left_out(published: Any) -> None:
    """While CRDs come and go, the API server answers 200 with nothing in it for a moment."""
    names = [{"name": f"{kind.plural}{part}"} for kind in ALL_KINDS.values() for part in ("", "/status")]
    with RawServer([answer(200, {"resources": names}), published]) as server:
        found = check_definitions(
            Cluster(client.ApiClient(client.Configuration(host=server.url.rstrip("/"))))
        )
    assert {one.status for one in found} == {Status.SKIPPED}
    assert len(found) == len(ALL_KINDS)


def test_a_schema_that_may_be_published_is_no_guess() -> None:
    with RawServer(
        [answer(200, {"resources": []}), answer(200, {"resources": [{"name": "a"}]}), answer(500)]
    ) as server:
        cluster = Cluster(client.ApiClient(client.Configuration(host=server.url.rstrip("/"), retries=False)))
        assert {one.status for one in check_definitions(cluster)} == {Status.FAILED}
        with pytest.raises(ClusterError, match="500"):
            check_definitions(cluster)

"""Opening a service from plain values."""

from typing import Any

import pytest

from mljobs import __version__
from mljobs.backends import Access, Limits, open_job_logs, open_job_service
from mljobs.backends.google.transport import is_loopback
from mljobs.backends.mlv1.client import MlV1Client
from mljobs.domain.errors import Unavailable
from tests.unit.backends.raw_server import RawServer, raw


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"endpoint": "ml.googleapis.com"}, "endpoint: 'ml.googleapis.com' must be an http or https URL"),
        ({"endpoint": "ftp://host"}, "endpoint: 'ftp://host' must be"),
        ({"endpoint": "http://"}, "endpoint: 'http://' must be"),
        ({"endpoint": "https://host/?key=x"}, "without a query"),
        (
            {"endpoint": "http://emulator:8080"},
            "would carry credentials in clear text: use https, or anonymous",
        ),
        ({"timeout": 0}, "timeout: 0 must be a number of seconds above 0"),
        ({"timeout": float("nan")}, "timeout: nan must be"),
        ({"threads": 0}, "threads: 0 must be at least 1"),
    ],
)
def test_what_cannot_work_is_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("?", r"\?")):
        open_job_service(Access(**arguments))


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"endpoint": "https://us-central1-ml.googleapis.com"},
        {"endpoint": "http://emulator:8080", "anonymous": True},
        {"endpoint": "http://localhost:8080"},
        {"endpoint": "http://[::1]:8080/"},
    ],
)
async def test_what_can_work_is_opened_without_a_request(arguments: dict[str, Any]) -> None:
    async with open_job_service(Access(**arguments)) as client, open_job_logs(**arguments):
        service: MlV1Client = client
        assert service is client


@pytest.mark.parametrize("slash", ["", "/"])
async def test_an_anonymous_request(slash: str) -> None:
    with RawServer() as server:
        async with open_job_service(
            Access(endpoint=server.url.rstrip("/") + slash, anonymous=True)
        ) as client:
            await client.get("example.com:p", "j")
        (request,) = server.received
    assert request.path == "/v1/projects/example.com:p/jobs/j?alt=json"
    assert "authorization" not in request.headers
    assert request.headers["user-agent"].startswith(f"mljobs-operator/{__version__} ")


async def test_what_each_method_sends() -> None:
    with RawServer() as server:
        async with open_job_service(
            Access(endpoint=server.url, anonymous=True, limits=Limits(0, 0))
        ) as client:
            await client.create("p", {"jobId": "j", "trainingInput": {"maxTrials": "0"}})
            await client.get("p", "j")
            await client.list_page("p")
            await client.list_page("p", query="state:FAILED", page_size=7, page_token="t/=")
            await client.patch_labels("p", "j", {"a": "b"}, "ZQ==")
            await client.patch_labels("p", "j", {}, "")
            await client.cancel("p", "j")
            await client.get_iam_policy("p", "j")
            await client.set_iam_policy("p", "j", {"bindings": [], "etag": "ZQ=="})
            await client.test_iam_permissions("p", "j", ["a", "b"])
        sent = [(r.method, r.path, r.json if r.body else None) for r in server.received]
    job = "/v1/projects/p/jobs/j"
    assert sent == [
        ("POST", "/v1/projects/p/jobs?alt=json", {"jobId": "j", "trainingInput": {"maxTrials": "0"}}),
        ("GET", f"{job}?alt=json", None),
        ("GET", "/v1/projects/p/jobs?pageSize=100&alt=json", None),
        (
            "GET",
            "/v1/projects/p/jobs?filter=state%3AFAILED&pageSize=7&pageToken=t%2F%3D&alt=json",
            None,
        ),
        ("PATCH", f"{job}?updateMask=labels%2Cetag&alt=json", {"labels": {"a": "b"}, "etag": "ZQ=="}),
        ("PATCH", f"{job}?updateMask=labels&alt=json", {"labels": {}}),
        ("POST", f"{job}:cancel?alt=json", {}),
        ("GET", f"{job}:getIamPolicy?options.requestedPolicyVersion=3&alt=json", None),
        ("POST", f"{job}:setIamPolicy?alt=json", {"policy": {"bindings": [], "etag": "ZQ=="}}),
        ("POST", f"{job}:testIamPermissions?alt=json", {"permissions": ["a", "b"]}),
    ]


async def test_no_proxy_stands_before_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer() as proxy, RawServer() as server:
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        async with open_job_service(Access(endpoint=server.url, anonymous=True)) as client:
            await client.get("p", "j")
        assert proxy.received == []


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_refuses_says_that_nothing_was_sent(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = raw(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    with RawServer(rest=refusal) as proxy:
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv("no_proxy", "")
        async with open_job_service(Access(endpoint=f"{scheme}://ml.invalid", anonymous=True)) as client:
            with pytest.raises(Unavailable, match="was not sent"):
                await client.create("p", {"jobId": "j"})
        assert "POST" not in [request.method for request in proxy.received]


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://localhost:1", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:1/", True),
        ("http://localhost.example", False),
        ("http://10.0.0.1", False),
        ("https://ml.googleapis.com", False),
        ("", False),
    ],
)
def test_loopback(url: str, loopback: bool) -> None:
    assert is_loopback(url) is loopback

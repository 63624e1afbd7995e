"""The emulator over HTTP: a real client for every method, faults, and the control surface."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httplib2
import pytest
from googleapiclient import discovery
from googleapiclient.errors import HttpError

Json = dict[str, Any]
Make = Callable[..., Json]
Server = Any
PARENT = "projects/p"
NAME = "projects/p/jobs/census"
QUICK = {"timeline": {"QUEUED": 1, "PREPARING": 1, "RUNNING": 10, "CANCELLING": 5}}


def failed(request: Any) -> HttpError:
    with pytest.raises(HttpError) as caught:
        request.execute()
    return caught.value


def test_every_method_with_the_client_library(server: Server, training: Make) -> None:
    jobs = server.client().projects().jobs()
    created = jobs.create(parent=PARENT, body=training()).execute()
    assert jobs.get(name=NAME).execute() == {**created, "jobPosition": "1"}
    patch = {"labels": {"a": "b"}, "etag": created["etag"]}
    patched = jobs.patch(name=NAME, body=patch, updateMask="labels,etag").execute()
    assert patched["labels"] == {"a": "b"}
    policy = jobs.getIamPolicy(resource=NAME, options_requestedPolicyVersion=3).execute()
    policy["bindings"] = [{"role": "roles/ml.jobOwner", "members": ["user:a@example.com"]}]
    written = jobs.setIamPolicy(
        resource=NAME, body={"policy": policy, "updateMask": "bindings,etag"}
    ).execute()
    assert jobs.getIamPolicy(resource=NAME).execute() == written
    asked = {"permissions": ["ml.jobs.cancel"]}
    assert jobs.testIamPermissions(resource=NAME, body=asked).execute() == asked
    assert jobs.cancel(name=NAME, body={}).execute() == {}
    assert jobs.get(name=NAME).execute()["state"] == "CANCELLING"
    assert failed(jobs.create(parent=PARENT, body=training())).status_code == 409
    assert failed(jobs.get(name="projects/p/jobs/nope")).status_code == 404
    assert server.effects() == [
        ("create", "census", 200, True),
        ("get", "census", 200, False),
        ("patch", "census", 200, True),
        ("getIamPolicy", "census", 200, False),
        ("setIamPolicy", "census", 200, True),
        ("getIamPolicy", "census", 200, False),
        ("testIamPermissions", "census", 200, False),
        ("cancel", "census", 200, True),
        ("get", "census", 200, False),
        ("create", "census", 409, False),
        ("get", "nope", 404, False),
    ]


def test_list_next_walks_all_pages(server: Server, training: Make) -> None:
    jobs = server.client().projects().jobs()
    for number in range(25):
        jobs.create(parent=PARENT, body=training(f"j{number}")).execute()
    found: list[str] = []
    request, pages = jobs.list(parent=PARENT, pageSize=10, filter="jobId:j*"), 0
    while request is not None:
        page = request.execute()
        found += [job["jobId"] for job in page["jobs"]]
        pages += 1
        request = jobs.list_next(request, page)
    assert (pages, found) == (3, [f"j{number}" for number in range(24, -1, -1)])
    assert jobs.list(parent="projects/empty").execute() == {}


def test_a_filter_too_long_for_a_url(server: Server, training: Make) -> None:
    jobs = server.client().projects().jobs()
    jobs.create(parent=PARENT, body=training()).execute()
    names = " OR ".join(f"jobId:other{number}" for number in range(300))
    found = jobs.list(parent=PARENT, filter=f"jobId:census OR {names}", pageSize=5).execute()
    assert [job["jobId"] for job in found["jobs"]] == ["census"]


def test_standard_parameters(server: Server, training: Make) -> None:
    jobs = server.client(developerKey="k").projects().jobs()
    created = jobs.create(
        parent=PARENT, body=training(), prettyPrint=True, fields="*", quotaUser="me", x__xgafv="2"
    ).execute()
    assert created["jobId"] == "census"
    _, text = server.send("GET", f"/v1/{NAME}?prettyPrint=true")
    assert text.startswith('{\n  "jobId"')
    _, text = server.send("GET", f"/v1/{NAME}")
    assert text.startswith('{"jobId"')


def test_error_formats(server: Server) -> None:
    jobs = server.client().projects().jobs()
    newer = json.loads(failed(jobs.get(name=NAME, x__xgafv="2")).content)["error"]
    older = json.loads(failed(jobs.get(name=NAME, x__xgafv="1")).content)["error"]
    assert "errors" not in newer
    assert older.pop("errors") == [{"message": newer["message"], "domain": "global", "reason": "notFound"}]
    assert older == newer


def test_log_entries_with_the_client_library(server: Server, training: Make) -> None:
    server.client().projects().jobs().create(parent=PARENT, body=training()).execute()
    entries = discovery.build(
        "logging",
        "v2",
        http=httplib2.Http(timeout=10),
        static_discovery=True,
        client_options={"api_endpoint": server.url},
    ).entries()
    server.time.advance(5000)
    body = {
        "resourceNames": [PARENT],
        "filter": 'resource.type="ml_job" AND resource.labels.job_id="census"',
        "pageSize": 4,
    }
    found: list[str] = []
    request = entries.list(body=body)
    while request is not None:
        page = request.execute()
        found += [entry["insertId"] for entry in page["entries"]]
        request = entries.list_next(request, page)
    assert len(found) == len(set(found)) == 9
    assert server.effects()[-1] == ("list", "census", 200, False)


@pytest.mark.parametrize(
    "path",
    [f"/v1/{NAME}", "/v1/projects%2Fp%2Fjobs%2Fcensus", "/v1/projects/p/jobs%2Fcensus", f"//v1/{NAME}"],
)
def test_encoded_names(server: Server, training: Make, path: str) -> None:
    server.client().projects().jobs().create(parent=PARENT, body=training()).execute()
    assert server.control("GET", f"{path}?alt=json")["jobId"] == "census"
    assert server.send("POST", f"{path}:cancel".replace(":", "%3A"))[0] == 200


def test_a_project_with_a_domain(server: Server, training: Make) -> None:
    body = json.dumps(training()).encode()
    assert server.send("POST", "/v1/projects/example.com:p/jobs", body)[0] == 200
    assert server.control("GET", "/v1/projects/example.com:p/jobs/census")["state"] == "QUEUED"


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("DELETE", f"/v1/{NAME}"),
        ("GET", f"/v1/{NAME}:cancel"),
        ("POST", f"/v1/{NAME}:restart"),
        ("PUT", "/v1/projects/p/jobs"),
        ("GET", "/v1/projects/p/models"),
        ("GET", "/"),
        ("GET", "/v2/entries:list"),
    ],
)
def test_what_the_api_does_not_have(server: Server, verb: str, path: str) -> None:
    status, text = server.send(verb, path)
    assert status == 404
    assert text.startswith("<!DOCTYPE html>")
    assert server.effects() == []


def test_unknown_parameter(server: Server) -> None:
    status, text = server.send("GET", "/v1/projects/p/jobs?page_size=5&pageTokens=x")
    assert status == 400
    assert json.loads(text)["error"]["message"] == (
        'Invalid JSON payload received. Unknown name "pageTokens": Cannot bind query parameter. '
        "Field 'pageTokens' could not be found in request message."
    )
    assert server.send("GET", "/v1/projects/p/jobs?page_size=5")[0] == 200


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"jobId": 1}', b'{"nope": 1}'])
def test_bad_bodies_are_recorded(server: Server, body: bytes) -> None:
    status, text = server.send("POST", "/v1/projects/p/jobs", body)
    assert (status, json.loads(text)["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert server.effects() == [("create", "", 400, False)]


def test_a_body_too_large(server: Server) -> None:
    status, text = server.send("POST", "/v1/projects/p/jobs", b" " * (10 * 1024 * 1024 + 1))
    assert status == 400
    assert "payload size exceeds" in json.loads(text)["error"]["message"]


def test_error_faults(server: Server, training: Make) -> None:
    create = server.client().projects().jobs().create(parent=PARENT, body=training())
    faults = [
        {
            "method": "ml.projects.jobs.create",
            "jobId": "cen",
            "times": 2,
            "action": "error",
            "status": 429,
            "retryAfter": 7,
        },
        {"method": "ml.projects.jobs.create", "times": 1, "action": "error", "html": True, "status": 502},
        {"method": "ml.projects.jobs.create", "times": 1, "action": "error", "message": "gone fishing"},
        {"method": "ml.projects.jobs.get", "action": "error"},
    ]
    assert server.control("POST", "/_emulator/faults", faults) == {}
    for _ in range(2):
        error = failed(create)
        assert (error.status_code, error.resp["retry-after"]) == (429, "7")
        assert json.loads(error.content)["error"]["status"] == "RESOURCE_EXHAUSTED"
    error = failed(create)
    assert (error.status_code, error.resp["content-type"]) == (502, "text/html; charset=UTF-8")
    error = failed(create)
    assert (error.status_code, error.reason) == (503, "gone fishing")
    assert create.execute()["state"] == "QUEUED"
    assert failed(server.client().projects().jobs().get(name=NAME)).status_code == 503
    left = server.control("GET", "/_emulator/faults")["faults"]
    assert left == [{"method": "ml.projects.jobs.get", "action": "error", "hits": 1}]
    server.control("DELETE", "/_emulator/faults")
    assert server.control("GET", f"/v1/{NAME}")["jobId"] == "census"
    assert server.effects() == [
        ("create", "census", 429, False),
        ("create", "census", 429, False),
        ("create", "census", 502, False),
        ("create", "census", 503, False),
        ("create", "census", 200, True),
        ("get", "census", 503, False),
        ("get", "census", 200, False),
    ]


def exchange(server: Server, verb: str, path: str, body: Json | None = None) -> bytes:
    """All bytes of the answer to one request, on a connection of its own."""
    address = urlsplit(server.url)
    content = b"" if body is None else json.dumps(body).encode()
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        head = f"{verb} {path} HTTP/1.1\r\nHost: e\r\nConnection: close\r\n"
        connection.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


@pytest.mark.parametrize(("action", "applied"), [("dropBefore", False), ("dropAfter", True)])
def test_dropped_connections(server: Server, training: Make, action: str, applied: bool) -> None:
    server.control("POST", "/_emulator/faults", {"action": action, "times": 1})
    assert exchange(server, "POST", "/v1/projects/p/jobs", training()) == b""
    assert server.effects() == [("create", "census", 0, applied)]
    assert server.send("GET", f"/v1/{NAME}")[0] == (200 if applied else 404)


def test_truncated_answers(server: Server, training: Make) -> None:
    server.control("POST", "/_emulator/faults", {"action": "truncate", "times": 1})
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=10)
    connection.request("POST", "/v1/projects/p/jobs", json.dumps(training()))
    answer = connection.getresponse()
    with pytest.raises(http.client.IncompleteRead) as caught:
        answer.read()
    assert caught.value.partial.startswith(b'{"jobId":"census"')
    assert server.effects() == [("create", "census", 200, True)]


def test_a_delayed_request_is_applied_though_the_client_has_gone(server: Server, training: Make) -> None:
    server.control("POST", "/_emulator/faults", {"action": "delay", "seconds": 0.2, "times": 2})
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=10)
    connection.request("POST", "/v1/projects/p/jobs", json.dumps(training("left")))
    deadline = time.monotonic() + 10
    while server.control("GET", "/_emulator/faults")["faults"][0]["hits"] == 0:
        assert time.monotonic() < deadline
    connection.close()
    stayed = exchange(server, "POST", "/v1/projects/p/jobs", training("stayed"))
    assert stayed.startswith(b"HTTP/1.1 200")
    assert server.effects() == [("create", "left", 200, True), ("create", "stayed", 200, True)]


def test_faults_do_not_touch_other_requests(server: Server, training: Make) -> None:
    faults = [
        {"method": "ml.projects.jobs.create", "jobId": "^other$", "action": "error"},
        {"method": "ml.projects.jobs.cancel", "action": "error"},
        {"project": "^q$", "action": "error"},
    ]
    server.control("POST", "/_emulator/faults", faults)
    jobs = server.client().projects().jobs()
    jobs.create(parent=PARENT, body=training()).execute()
    jobs.list(parent=PARENT).execute()
    assert failed(jobs.list(parent="projects/q")).status_code == 503
    assert failed(jobs.cancel(name=NAME)).status_code == 503
    assert failed(jobs.create(parent=PARENT, body=training("other"))).status_code == 503


def test_scripts_and_reset(server: Server, training: Make) -> None:
    server.control(
        "POST", "/_emulator/scripts", {"jobId": "census", **QUICK, "final": "FAILED", "errorMessage": "no"}
    )
    jobs = server.client().projects().jobs()
    jobs.create(parent=PARENT, body=training()).execute()
    server.time.advance(100)
    job = jobs.get(name=NAME).execute()
    assert (job["state"], job["errorMessage"]) == ("FAILED", "no")
    server.control("POST", "/_emulator/faults", {"action": "error"})
    server.control("POST", "/_emulator/permissions", {"denied": ["ml.jobs.get"]})
    server.control("POST", "/_emulator/reset")
    assert server.effects() == []
    assert failed(jobs.get(name=NAME)).status_code == 404
    jobs.create(parent=PARENT, body=training()).execute()
    server.time.advance(100)
    assert jobs.get(name=NAME).execute()["state"] == "RUNNING"
    assert server.control("GET", "/_emulator/ledger")["effects"][0]["seq"] == 1


def test_scripts_can_be_lifted(server: Server, training: Make) -> None:
    server.control("POST", "/_emulator/scripts", [{"final": "QUEUED"}])
    server.control("DELETE", "/_emulator/scripts")
    server.client().projects().jobs().create(parent=PARENT, body=training()).execute()
    server.time.advance(10_000)
    assert server.control("GET", f"/v1/{NAME}")["state"] == "SUCCEEDED"


def test_denied_permissions(server: Server, training: Make) -> None:
    jobs = server.client().projects().jobs()
    jobs.create(parent=PARENT, body=training()).execute()
    server.control("POST", "/_emulator/permissions", {"jobId": "census", "denied": ["ml.jobs.cancel"]})
    assert failed(jobs.cancel(name=NAME)).status_code == 403
    server.control("DELETE", "/_emulator/permissions")
    assert jobs.cancel(name=NAME).execute() == {}


def test_forced_states_and_vanished_jobs(server: Server, training: Make) -> None:
    jobs = server.client().projects().jobs()
    jobs.create(parent=PARENT, body=training()).execute()
    job = server.control("POST", "/_emulator/jobs/p/census", {"state": "RUNNING"})
    assert job == jobs.get(name=NAME).execute()
    assert job["state"] == "RUNNING"
    ended = server.control(
        "POST", "/_emulator/jobs/p/census", {"state": "FAILED", "errorMessage": "lightning"}
    )
    assert (ended["state"], ended["errorMessage"]) == ("FAILED", "lightning")
    status, text = server.send("POST", "/_emulator/jobs/p/census", b'{"state": "RUNNING"}')
    assert status == 400
    assert "a job in state FAILED cannot become RUNNING" in text
    server.control("DELETE", "/_emulator/jobs/p/census")
    assert failed(jobs.get(name=NAME)).status_code == 404
    assert jobs.list(parent=PARENT).execute() == {}
    assert server.send("DELETE", "/_emulator/jobs/p/census")[0] == 404
    assert server.send("GET", "/_emulator/jobs/p/census")[0] == 404


def test_ledger(server: Server, training: Make) -> None:
    jobs = server.client().projects().jobs()
    jobs.create(parent=PARENT, body=training()).execute()
    jobs.list(parent=PARENT).execute()
    ledger = server.control("GET", "/_emulator/ledger")
    assert ledger["dropped"] == 0
    row = ledger["effects"][0]
    assert row == {
        "seq": 1,
        "time": row["time"],
        "method": "ml.projects.jobs.create",
        "project": "p",
        "location": "",
        "jobId": "census",
        "labels": {},
        "identity": "",
        "status": 200,
        "applied": True,
    }
    assert [row["seq"] for row in server.control("GET", "/_emulator/ledger?after=1")["effects"]] == [2]
    query = "method=ml.projects.jobs.create&jobId=census&project=p&status=200"
    assert len(server.control("GET", f"/_emulator/ledger?{query}")["effects"]) == 1
    assert server.control("GET", "/_emulator/health") == {"status": "ok", "speed": 1.0, "jobs": 1}


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("faults", {"action": "explode"}, ["0.action", "'error', 'dropBefore'", "'explode'"]),
        ("faults", {}, ["0.action", "Field required"]),
        ("faults", {"action": "error", "status": 200}, ["0.status", "400", "200"]),
        ("faults", {"action": "error", "jobId": "("}, ["0.jobId", "no regular expression", "'('"]),
        (
            "faults",
            {"action": "error", "method": "create"},
            ["0.method", "ml.projects.jobs.create", "'create'"],
        ),
        ("faults", {"action": "error", "times": 0}, ["0.times", "greater than or equal to 1"]),
        ("faults", [{"action": "error"}, {"action": "error", "after": 1}], ["1.after", "not permitted"]),
        ("faults", "x", ["0", "'x'"]),
        ("scripts", {"timeline": {"SUCCEEDED": 1}}, ["0.timeline", "does not leave SUCCEEDED"]),
        ("scripts", {"timeline": {"QUEUED": -1}}, ["0.timeline.QUEUED", "greater than or equal to 0", "-1"]),
        ("scripts", {"final": "DONE"}, ["0.final", "'DONE'"]),
        ("scripts", {"trials": [{"nope": 1}]}, ["0.trials.0", 'Unknown name "nope"']),
        ("permissions", {}, ["0.denied", "Field required"]),
    ],
)
def test_the_control_surface_says_what_is_wrong(
    server: Server, path: str, body: Any, words: list[str]
) -> None:
    status, text = server.send("POST", f"/_emulator/{path}", json.dumps(body).encode())
    assert status == 400
    message = json.loads(text)["error"]["message"]
    assert [word for word in words if word not in message] == []


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [
        ("GET", "/_emulator/nope", 404),
        ("POST", "/_emulator/ledger", 404),
        ("GET", "/_emulator/ledger?after=x", 400),
        ("GET", "/_emulator/ledger?nope=x", 400),
        ("POST", "/_emulator/faults", 400),
    ],
)
def test_the_control_surface_knows_its_requests(server: Server, verb: str, path: str, status: int) -> None:
    assert server.send(verb, path, b"{" if status == 400 and verb == "POST" else None)[0] == status


def test_many_clients_at_once_lose_nothing(server: Server, training: Make) -> None:
    def work(client: int) -> None:
        jobs = server.client().projects().jobs()
        for number in range(20):
            jobs.create(parent=PARENT, body=training(f"j{client}_{number}")).execute()

    threads = [threading.Thread(target=work, args=[client]) for client in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    rows = server.control("GET", "/_emulator/ledger")["effects"]
    assert [row["seq"] for row in rows] == list(range(1, 161))
    assert {row["jobId"] for row in rows if row["applied"]} == {
        f"j{c}_{n}" for c in range(8) for n in range(20)
    }

"""Vertex AI's jobs over HTTP: the client library for every method, faults, ledger and control surface."""

import base64
import json
import re
from typing import Any

import httplib2
import pytest
from googleapiclient import discovery
from googleapiclient.errors import HttpError

Json = dict[str, Any]
Server = Any
Jobs = Any
PARENT = "projects/p/locations/us-central1"
API = "aiplatform.projects.locations."


def failed(request: Any) -> HttpError:
    with pytest.raises(HttpError) as caught:
        request.execute()
    return caught.value


def collection(server: Server, name: str) -> Any:
    return getattr(server.client("aiplatform").projects().locations(), name)()


@pytest.mark.parametrize(
    ("name", "kind", "noun"),
    [
        ("customJobs", "custom", "CustomJob"),
        ("hyperparameterTuningJobs", "tuning", "HyperparameterTuningJob"),
        ("batchPredictionJobs", "batch", "BatchPredictionJob"),
    ],
)
def test_every_method_with_the_client_library(
    server: Server, jobs: Jobs, name: str, kind: str, noun: str
) -> None:
    api = collection(server, name)
    body = getattr(jobs, kind)("nightly", labels={"team": "a"})
    created = api.create(parent=PARENT, body=body).execute()
    assert re.fullmatch(rf"projects/\d+/locations/us-central1/{name}/\d{{15,19}}", created["name"])
    assert created["state"] == "JOB_STATE_PENDING"
    assert "startTime" not in created
    assert api.get(name=created["name"]).execute() == created
    by_id = f"{PARENT}/{name}/{created['name'].rpartition('/')[2]}"
    assert api.get(name=by_id).execute() == created
    listed = api.list(parent=PARENT, filter="labels.team=a", readMask="name,displayName").execute()
    assert listed == {name: [{"name": created["name"], "displayName": "nightly"}]}
    early = failed(api.delete(name=created["name"]))
    assert (early.status_code, json.loads(early.content)["error"]["status"]) == (400, "FAILED_PRECONDITION")
    assert api.cancel(name=created["name"], body={}).execute() == {}
    server.time.advance(60)
    cancelled = api.get(name=created["name"]).execute()
    assert (cancelled["state"], cancelled["error"]) == (
        "JOB_STATE_CANCELLED",
        {"code": 1, "message": "CANCELED"},
    )
    assert api.cancel(name=created["name"], body={}).execute() == {}
    operation = api.delete(name=created["name"]).execute()
    assert (operation["done"], "error" in operation) == (True, False)
    error = json.loads(failed(api.get(name=created["name"])).content)["error"]
    assert error == {"code": 404, "message": f"The {noun} does not exist.", "status": "NOT_FOUND"}
    assert api.list(parent=PARENT).execute() == {}
    rows = server.control("GET", "/_emulator/ledger")["effects"]
    job_id = created["name"].rpartition("/")[2]
    assert [(row["method"], row["jobId"], row["status"], row["applied"]) for row in rows] == [
        (f"{API}{name}.create", job_id, 200, True),
        (f"{API}{name}.get", job_id, 200, False),
        (f"{API}{name}.get", job_id, 200, False),
        (f"{API}{name}.list", "", 200, False),
        (f"{API}{name}.delete", job_id, 400, False),
        (f"{API}{name}.cancel", job_id, 200, True),
        (f"{API}{name}.get", job_id, 200, False),
        (f"{API}{name}.cancel", job_id, 200, False),
        (f"{API}{name}.delete", job_id, 200, True),
        (f"{API}{name}.get", job_id, 404, False),
        (f"{API}{name}.list", "", 200, False),
    ]
    assert {row["project"] for row in rows} == {"p"}  # also where the path had the number
    assert {row["location"] for row in rows} == {"us-central1"}
    assert [row["labels"] for row in rows[:4]] == [{"team": "a"}] * 3 + [{}]
    assert rows[5]["displayName"] == "nightly"


def test_list_next_walks_all_pages(server: Server, jobs: Jobs) -> None:
    api = collection(server, "customJobs")
    for number in range(7):
        api.create(parent=PARENT, body=jobs.custom(f"j{number}")).execute()
        server.time.advance(1)
    found: list[str] = []
    request, pages = api.list(parent=PARENT, pageSize=3, filter='display_name:"j*"'), 0
    while request is not None:
        page = request.execute()
        found += [job["displayName"] for job in page["customJobs"]]
        pages += 1
        request = api.list_next(request, page)
    assert pages == 3
    assert sorted(found) == [f"j{number}" for number in range(7)]


def test_locations_are_apart(server: Server, jobs: Jobs) -> None:
    api = collection(server, "customJobs")
    created = api.create(parent=PARENT, body=jobs.custom()).execute()
    elsewhere = created["name"].replace("us-central1", "europe-west4")
    assert failed(api.get(name=elsewhere)).status_code == 404
    assert api.list(parent="projects/p/locations/europe-west4").execute() == {}
    assert api.list(parent="projects/other/locations/us-central1").execute() == {}


def test_the_same_create_twice_makes_two_jobs(server: Server, jobs: Jobs) -> None:
    api = collection(server, "customJobs")
    names = {api.create(parent=PARENT, body=jobs.custom()).execute()["name"] for _ in range(2)}
    assert len(names) == 2


def test_a_lost_answer_leaves_a_job_behind(server: Server, jobs: Jobs) -> None:
    fault = {"method": f"{API}customJobs.create", "jobId": "^census$", "action": "dropAfter", "times": 1}
    server.control("POST", "/_emulator/faults", fault)
    body = json.dumps(jobs.custom(labels={"uid": "1"})).encode()
    with pytest.raises(ConnectionError):
        server.send("POST", f"/v1/{PARENT}/customJobs", body)
    row = server.control("GET", "/_emulator/ledger")["effects"][0]
    assert (row["status"], row["applied"], row["labels"], row["displayName"]) == (
        0,
        True,
        {"uid": "1"},
        "census",
    )
    listed = collection(server, "customJobs").list(parent=PARENT, filter="labels.uid=1").execute()
    assert [job["name"].rpartition("/")[2] for job in listed["customJobs"]] == [row["jobId"]]


@pytest.mark.parametrize("pattern", ["display", "id", "location"])
def test_faults_match_what_a_job_goes_by(server: Server, jobs: Jobs, pattern: str) -> None:
    api = collection(server, "customJobs")
    created = api.create(parent=PARENT, body=jobs.custom("nightly census")).execute()
    job_id = created["name"].rpartition("/")[2]
    which = {
        "display": {"jobId": "^nightly "},
        "id": {"jobId": f"^{job_id}$"},
        "location": {"location": "^us-"},
    }[pattern]
    fault = {"method": f"{API}customJobs.get", "action": "error", "status": 503, "retryAfter": 2, **which}
    server.control("POST", "/_emulator/faults", fault)
    error = failed(api.get(name=created["name"]))
    assert (error.status_code, error.resp["retry-after"]) == (503, "2")
    other = api.create(parent="projects/p/locations/asia-east1", body=jobs.custom("other")).execute()
    assert api.get(name=other["name"]).execute()["displayName"] == "other"


def test_a_missing_permission(server: Server, jobs: Jobs) -> None:
    denial = {"denied": ["aiplatform.customJobs.create"], "location": "^us-"}
    server.control("POST", "/_emulator/permissions", denial)
    api = collection(server, "customJobs")
    error = json.loads(failed(api.create(parent=PARENT, body=jobs.custom())).content)["error"]
    assert error["code"] == 403
    assert error["message"] == (
        "Permission 'aiplatform.customJobs.create' denied on resource "
        f"'//aiplatform.googleapis.com/{PARENT}' (or it may not exist)."
    )
    assert api.create(parent="projects/p/locations/asia-east1", body=jobs.custom()).execute()["name"]


def token(claims: Json) -> str:
    encoded = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"Bearer head.{encoded}.signature"


@pytest.mark.parametrize(
    ("header", "identity"),
    [
        ({}, r""),
        ({"Authorization": token({"sub": "1", "email": "a@example.com"})}, r"a@example\.com"),
        ({"Authorization": token({"sub": "principal://a"})}, r"principal://a"),
        ({"Authorization": "Bearer opaque"}, r"token:[0-9a-f]{12}"),
        ({"Authorization": "Bearer a.b.c"}, r"token:[0-9a-f]{12}"),
        ({"Authorization": "Basic opaque"}, r""),
    ],
)
def test_the_ledger_says_who_called(server: Server, header: dict[str, str], identity: str) -> None:
    server.send("GET", f"/v1/{PARENT}/customJobs", **header)
    server.send("GET", "/v1/projects/p/jobs", **header)
    rows = server.control("GET", "/_emulator/ledger")["effects"]
    assert len(rows) == 2
    for row in rows:
        assert re.fullmatch(identity, row["identity"])
        assert "opaque" not in row["identity"]


def test_the_request_quota_is_a_regions(new_rig: Any, jobs: Jobs) -> None:
    vertex = new_rig(quota=True).emulator
    monotonic = vertex.monotonic()
    from mljobs_dev.emulator.errors import ApiError
    from mljobs_dev.emulator.service import Call

    def take(verb: str, location: str, project: str = "p") -> None:
        call = Call(f"{API}{verb}", project, location=location)
        vertex.vertex.take_quota(vertex.quota, call, monotonic)

    for verb in ("customJobs.create", "batchPredictionJobs.delete", "hyperparameterTuningJobs.create"):
        for _ in range(20):
            take(verb, "us-central1")
    with pytest.raises(ApiError) as caught:
        take("customJobs.delete", "us-central1")
    error = caught.value.as_json()["error"]
    assert (error["code"], error["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert re.search(r"consumer 'project_number:\d+'\.$", error["message"])
    assert error["details"][0]["reason"] == "RATE_LIMIT_EXCEEDED"
    take("customJobs.create", "europe-west4")
    take("customJobs.create", "us-central1", "other")
    for verb in ("get", "list", "cancel"):
        for _ in range(200):
            take(f"customJobs.{verb}", "us-central1")
    with pytest.raises(ApiError):
        take("batchPredictionJobs.get", "us-central1")


def test_quotas_are_enforced_over_http(new_rig: Any, jobs: Jobs) -> None:
    from tests.unit.emulator.conftest import serve

    for server in serve(new_rig(quota=True)):
        body = json.dumps(jobs.custom()).encode()
        statuses = [server.send("POST", f"/v1/{PARENT}/customJobs", body)[0] for _ in range(61)]
        assert statuses == [200] * 60 + [429]


def test_a_bucket_elsewhere(server: Server, jobs: Jobs) -> None:
    server.control("POST", "/_emulator/buckets/stage", {"location": "us"})
    server.control("POST", "/_emulator/buckets/near", {"location": "us-central1"})
    api = collection(server, "customJobs")
    base = {"outputUriPrefix": "gs://stage/run"}
    body = jobs.custom(baseOutputDirectory=base)
    error = json.loads(failed(api.create(parent=PARENT, body=body)).content)["error"]
    assert (error["code"], error["status"]) == (400, "FAILED_PRECONDITION")
    assert error["message"].startswith(
        "The Cloud Storage bucket of `gs://stage/run` is in location `us`. It must"
    )
    near = jobs.custom(baseOutputDirectory={"outputUriPrefix": "gs://near/run"})
    assert api.create(parent=PARENT, body=near).execute()["state"] == "JOB_STATE_PENDING"
    batch = collection(server, "batchPredictionJobs")
    source = {"instancesFormat": "jsonl", "gcsSource": {"uris": ["gs://near/a", "gs://stage/b"]}}
    assert failed(batch.create(parent=PARENT, body=jobs.batch(inputConfig=source))).status_code == 400
    assert json.loads(server.send("GET", "/storage/v1/b/near")[1])["location"] == "US-CENTRAL1"
    assert server.send("GET", "/_emulator/buckets/near")[0] == 404


def test_standard_parameters_and_unknown_ones(server: Server, jobs: Jobs) -> None:
    collection(server, "customJobs").create(parent=PARENT, body=jobs.custom(), prettyPrint=True).execute()
    assert server.send("GET", f"/v1/{PARENT}/customJobs?alt=json&page_size=1")[0] == 200
    status, text = server.send("GET", f"/v1/{PARENT}/customJobs?orderBy=createTime")
    assert (status, 'Unknown name \\"orderBy\\"' in text) == (400, True)
    assert server.send("PATCH", f"/v1/{PARENT}/customJobs/1")[0] == 404
    status, text = server.send("POST", f"/v1/{PARENT}/customJobs/1:cancel", b'{"name": "x"}')
    assert (status, 'Unknown name \\"name\\"' in text) == (400, True)


def test_log_entries_with_the_client_library(server: Server, jobs: Jobs) -> None:
    created = collection(server, "customJobs").create(parent=PARENT, body=jobs.custom()).execute()
    collection(server, "customJobs").create(parent=PARENT, body=jobs.custom("other")).execute()
    job_id = created["name"].rpartition("/")[2]
    server.time.advance(5000)
    logging = discovery.build(
        "logging",
        "v2",
        http=httplib2.Http(timeout=10),
        static_discovery=True,
        client_options={"api_endpoint": server.url},
    )
    wanted = f'resource.type="ml_job" AND resource.labels.job_id="{job_id}"'
    body = {"resourceNames": ["projects/p"], "filter": wanted}
    entries = logging.entries().list(body=body).execute()["entries"]
    assert {entry["resource"]["labels"]["job_id"] for entry in entries} == {job_id}
    tasks = [entry["resource"]["labels"]["task_name"] for entry in entries]
    assert (tasks.count("service"), tasks.count("workerpool0-0")) == (5, 5)
    number = created["name"].split("/")[1]
    assert logging.entries().list(body={**body, "resourceNames": [f"projects/{number}"]}).execute() == {
        "entries": entries
    }


def test_a_job_is_forced_and_dropped_by_its_display_name(server: Server, jobs: Jobs) -> None:
    api = collection(server, "customJobs")
    name = api.create(parent=PARENT, body=jobs.custom("my job")).execute()["name"]
    shown = server.control("POST", "/_emulator/jobs/p/my%20job", {"state": "RUNNING"})
    assert shown == api.get(name=name).execute()
    forced = {"state": "FAILED", "errorMessage": "out of memory"}
    shown = server.control("POST", f"/_emulator/jobs/p/{name.rpartition('/')[2]}", forced)
    assert (shown["state"], shown["error"]["message"]) == ("JOB_STATE_FAILED", "out of memory")
    status, text = server.send("POST", "/_emulator/jobs/p/my%20job", b'{"state": "JOB_STATE_RUNNING"}')
    assert (status, "jobs never go back" in text) == (400, True)
    server.control("DELETE", "/_emulator/jobs/p/my%20job")
    assert failed(api.get(name=name)).status_code == 404
    assert server.send("DELETE", "/_emulator/jobs/p/my%20job")[0] == 404


def test_options(server: Server) -> None:
    usual = {"listLag": 0.0, "shuffleLists": False, "projectNumbers": True, "trialLabels": False}
    assert server.control("GET", "/_emulator/options") == usual
    assert server.control("POST", "/_emulator/options", {"listLag": 30}) == {**usual, "listLag": 30.0}
    shuffled = server.control("POST", "/_emulator/options", {"shuffleLists": True})
    assert shuffled == {**usual, "listLag": 30.0, "shuffleLists": True}
    server.control("POST", "/_emulator/reset")
    assert server.control("GET", "/_emulator/options") == usual


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("options", {"listLag": -1}, ["0.listLag", "greater than or equal to 0"]),
        ("options", {"lag": 1}, ["0.lag", "not permitted"]),
        ("options", [], ["one object", "list"]),
        ("quotas", {"metric": "m", "limit": 1, "face": "x"}, ["0.face", "'refuse', 'queue' or 'fail'"]),
        ("quotas", {"limit": 1}, ["0.metric", "Field required"]),
        ("buckets/b", {"location": "a b"}, ["0.location"]),
        ("scripts", {"timeline": {"JOB_STATE_PAUSED": 1}}, ["0.timeline", "JOB_STATE_PAUSED"]),
        ("scripts", {"vertexOutput": {"nope": 1}}, ["0.vertexOutput", "nope"]),
        ("scripts", {"trials": [{"id": "1", "nope": 1}]}, ["0.trials.0", 'Unknown name "nope"']),
        ("scripts", {"final": "JOB_STATE_DONE"}, ["0.final", "'JOB_STATE_DONE'"]),
    ],
)
def test_the_control_surface_says_what_is_wrong(
    server: Server, path: str, body: Any, words: list[str]
) -> None:
    status, text = server.send("POST", f"/_emulator/{path}", json.dumps(body).encode())
    assert status == 400
    message = json.loads(text)["error"]["message"]
    assert [word for word in words if word not in message] == []


def test_google_s_generated_clients_send_numbers(server: Server, jobs: Jobs) -> None:
    body = jobs.tuning(trialJobSpec=jobs.custom("c", jobs.pool("g2-standard-4", kind=11, count=1))["jobSpec"])
    body["studySpec"] |= {"algorithm": 3}
    body["studySpec"]["metrics"][0]["goal"] = 2
    path = f"/v1/{PARENT}/hyperparameterTuningJobs?%24alt=json%3Benum-encoding%3Dint"
    status, text = server.send("POST", path, json.dumps(body).encode())
    assert status == 200, text
    created = json.loads(text)
    assert created["studySpec"]["algorithm"] == "RANDOM_SEARCH"
    assert created["studySpec"]["metrics"][0]["goal"] == "MINIMIZE"
    pool = created["trialJobSpec"]["workerPoolSpecs"][0]
    assert pool["machineSpec"]["acceleratorType"] == "NVIDIA_L4"
    assert server.send("GET", f"/v1/{PARENT}/customJobs?%24nope=1")[0] == 400
    body["studySpec"]["algorithm"] = 1
    assert server.send("POST", path, json.dumps(body).encode())[0] == 400

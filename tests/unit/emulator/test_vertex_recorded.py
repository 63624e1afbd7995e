"""The emulator answers as Vertex AI did in recorded traffic, request after request at the same distances.

The files in `recorded/` are extracts of public recordings with project, buckets, images and ids replaced;
`at` is in seconds since the job's createTime.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mljobs_dev.emulator.aiplatform.document import aiplatform_v1, read_only
from mljobs_dev.emulator.aiplatform.kinds import BATCH, CUSTOM, KINDS, TUNING
from mljobs_dev.emulator.errors import ApiError
from mljobs_dev.emulator.routes import find_route
from tests.corpus import CORPUS

Json = dict[str, Any]
Vertex = Any
FOLDER = Path(__file__).parent / "recorded"
ORIGINS = {
    "recorded/vertexai-batch-prediction-job-filtering": "vertex-batch-list",
    "recorded/vertexai_custom_job_query": "vertex-custom-cancel",
    "recorded/vertexai_hp_tuning_job_query": "vertex-tuning-cancel",
    "vertex/recorded/vertexai-batch-prediction-job-stop-and-delete": "vertex-batch-cancel-delete",
    "vertex/recorded/vertexai_custom_job_cancel_and_delete": "vertex-custom-cancel-delete",
    "vertex/recorded/vertexai_hp_tuning_job_field_filters": "vertex-tuning-cancel-again",
    "vertex/recorded/docs-hptuning-get-succeeded.json": "vertex-tuning-documented",
    "vertex/recorded/gcloud-528-requests.json": "vertex-gcloud-requests",
}
"""Where each extract comes from: the recordings of a test of Cloud Custodian, a page of Google's, gcloud."""

REPLAYS = sorted(path.stem for path in FOLDER.glob("vertex-*-*.json") if "steps" in path.read_text())
FILLED_IN = ("diskSpec", "manualBatchTuningParameters", "modelVersionId")
"""What the service adds to a request, as far as the recordings show."""


def load(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text())


def masked(value: Any) -> Any:
    """The same without what differs in every run: ids, times, the project's name or number."""
    if isinstance(value, dict):
        return {name: masked(item) for name, item in value.items()}
    if isinstance(value, list):
        return [masked(item) for item in value]
    if isinstance(value, str):
        value = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.(\d{3}){1,3})?Z", "TIME", value)
        value = re.sub(r"^projects/[^/]+/", "projects/P/", value)
        return re.sub(r"(Jobs|operations|models)/\d+", r"\1/ID", value)
    return value


def request_of(job: Json, schema: str) -> Json:
    """The body that a job was created with: without what the service adds."""
    outputs = read_only(schema) | set(FILLED_IN)

    def given(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: given(item) for name, item in value.items() if name not in outputs}
        return [given(item) for item in value] if isinstance(value, list) else value

    body: Json = given(job)
    return body


@pytest.mark.parametrize("name", REPLAYS)
def test_a_recorded_exchange_comes_out_the_same(vertex: Vertex, name: str) -> None:
    recording = load(name)
    kind = KINDS[recording["collection"]]
    job, clock, before = "", 0.0, ""
    for step in recording["steps"]:
        vertex.advance(step["at"] - clock)
        clock = step["at"]
        body = request_of(step["body"], kind.schema) if step["method"] == "create" else None
        try:
            answer = vertex(
                f"{kind.collection}.{step['method']}", "" if step["method"] == "list" else job, body
            )
            status = 200
        except ApiError as error:
            answer, status = error.as_json(), error.code
        recorded = dict(step["body"])
        if kind.collection in recorded:  # jobs that were there before are not the emulator's
            recorded[kind.collection] = [
                shown for shown in recorded[kind.collection] if shown["name"] == before
            ]
        assert (status, masked(answer)) == (step["status"], masked(recorded)), step
        if step["method"] == "create":
            job, before = answer["name"], step["body"]["name"]


def recorded_jobs() -> list[Any]:
    found: dict[tuple[str, str], tuple[str, Json]] = {}
    for name in REPLAYS:
        recording = load(name)
        for step in recording["steps"]:
            jobs = step["body"].get(recording["collection"], [step["body"]])
            found |= {
                (job["name"], job["state"]): (recording["collection"], job) for job in jobs if "state" in job
            }
    return [pytest.param(*entry, id=f"{key[0][-6:]}-{key[1]}") for key, entry in found.items()]


@pytest.mark.parametrize(("collection", "job"), recorded_jobs())
def test_recorded_jobs_are_canonical(collection: str, job: Json) -> None:
    message = aiplatform_v1().message(KINDS[collection].schema)
    assert message.prune(message.decode(job)) == job


def failed_batch_jobs() -> list[Any]:
    steps = load("vertex-batch-list")["steps"]
    jobs = steps[1]["body"]["batchPredictionJobs"]
    return [pytest.param(job, id=job["name"][-6:]) for job in jobs if job["state"] == "JOB_STATE_FAILED"]


@pytest.mark.parametrize("job", failed_batch_jobs())
def test_a_failed_batch_job_looks_as_recorded(vertex: Vertex, job: Json) -> None:
    vertex.rig.script(final="FAILED", errorMessage=job["error"]["message"])
    created = vertex("batchPredictionJobs.create", body=request_of(job, BATCH.schema))
    vertex.advance(10_000)
    shown = vertex("batchPredictionJobs.get", created["name"])
    if "outputInfo" in job:
        directory = r"prediction-.+-\d{4}_\d\d_\d\dT\d\d_\d\d_\d\d_\d{3}Z$"
        assert re.search(directory, job["outputInfo"]["gcsOutputDirectory"])
        assert re.search(directory, shown["outputInfo"]["gcsOutputDirectory"])
        prefix = job["outputConfig"]["gcsDestination"]["outputUriPrefix"]
        assert shown["outputInfo"]["gcsOutputDirectory"].startswith(f"{prefix}prediction-")
        shown["outputInfo"] = job["outputInfo"]
        assert re.fullmatch(r"[^.]*Z", shown["endTime"])
        assert shown["endTime"] < shown["updateTime"]
    assert masked(shown) == masked(job)


def test_the_recorded_list_is_in_the_order_of_updates() -> None:
    jobs = load("vertex-batch-list")["steps"][1]["body"]["batchPredictionJobs"]
    assert [job["updateTime"] for job in jobs] == sorted((job["updateTime"] for job in jobs), reverse=True)
    assert [job["createTime"] for job in jobs] != sorted((job["createTime"] for job in jobs), reverse=True)


def test_the_documented_tuning_job(vertex: Vertex) -> None:
    documented = load("vertex-tuning-documented")
    trials = [
        {name: trial[name] for name in ("id", "parameters", "finalMeasurement")}
        for trial in sorted(documented["trials"], key=lambda trial: str(trial["id"]))
    ]
    vertex.rig.script(trials=trials)
    created = vertex("hyperparameterTuningJobs.create", body=request_of(documented, TUNING.schema))
    vertex.advance(10_000)
    shown = vertex("hyperparameterTuningJobs.get", created["name"])
    for pool in shown["trialJobSpec"]["workerPoolSpecs"]:
        pool.pop("diskSpec")  # the page is older than this default
    jobs = [trial.pop("customJob") for trial in shown["trials"]]
    assert sorted(shown["trials"], key=lambda t: str(t["id"])) != shown["trials"]
    for side in (shown, documented):
        side["trials"] = sorted(side["trials"], key=lambda trial: str(trial["id"]))
    assert masked(shown) == masked(documented)
    assert [vertex("customJobs.get", job)["state"] for job in jobs] == ["JOB_STATE_SUCCEEDED"] * 3


SENT = load("vertex-gcloud-requests")
REFUSED = {
    "--config=a.yaml": ["job_spec.scheduling.strategy"],  # FLEX_START without an accelerator
    "--config=b.yaml": ["custom_job.job_spec", "custom_job.job_spec"],  # the nested displayName and jobSpec
    "--kms-key=…": ["job_spec.worker_pool_specs[2].machine_spec.accelerator_type"],  # an N1 machine has no L4
}
"""What is wrong with requests that were sent to a server which checks nothing, by the end of the command."""


@pytest.mark.parametrize("sent", SENT, ids=[str(number) for number in range(len(SENT))])
def test_what_gcloud_sends_is_understood(vertex: Vertex, sent: Json) -> None:
    route = find_route(sent["method"], sent["path"].partition("?")[0])
    assert route
    method = route.method.removeprefix("aiplatform.projects.locations.")
    wrong = REFUSED.get(sent["command"].split()[-1])
    if method.endswith("cancel"):
        assert vertex.refuse(method, route.job_id, sent["body"]).code == 404
    elif method.endswith("list"):
        assert vertex(method, pageSize="100") == {}
    elif wrong:
        problems = vertex.refuse(method, body=sent["body"]).details[0]["fieldViolations"]
        assert [problem["field"] for problem in problems] == wrong
    else:
        assert vertex(method, body=sent["body"])["displayName"] == "dn"


def test_every_recording_has_an_extract_of_its_own() -> None:
    assert sorted(ORIGINS.values()) == sorted(path.stem for path in FOLDER.glob("vertex-*.json"))
    assert len(set(ORIGINS.values())) == len(ORIGINS)


def exchanges(folder: Path, collection: str) -> list[tuple[str, int]]:
    """Method and status of each exchange of a recording."""
    found = []
    for file in folder.glob("*.json"):
        verb, _, rest = file.stem.rpartition("_")[0].partition("-")
        one = not rest.endswith(collection)
        method = {"get": "get" if one else "list", "post": "cancel" if one else "create"}.get(verb, verb)
        headers = json.loads(file.read_text("utf-8"))["headers"]
        found.append((method, int(headers["status"])))
    return sorted(found)


def test_extracts_have_every_exchange_of_the_recordings_at_hand() -> None:
    at_hand = [*CORPUS.glob("recorded/vertexai*"), *CORPUS.glob("vertex/recorded/*")]
    assert {str(path.relative_to(CORPUS)) for path in at_hand} in (set(), set(ORIGINS))
    for folder in filter(Path.is_dir, at_hand):
        replay = load(ORIGINS[str(folder.relative_to(CORPUS))])
        steps = sorted((step["method"], step["status"]) for step in replay["steps"])
        assert exchanges(folder, replay["collection"]) == steps, folder.name


def test_every_kind_is_recorded() -> None:
    assert {load(name)["collection"] for name in REPLAYS} == {
        kind.collection for kind in (CUSTOM, TUNING, BATCH)
    }

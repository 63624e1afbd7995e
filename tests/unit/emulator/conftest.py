"""An emulator with a clock that tests turn, and the same one behind HTTP."""

import asyncio
import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httplib2
import pytest
from googleapiclient import discovery

from mljobs_dev.emulator.clock import Clock
from mljobs_dev.emulator.control import Emulator, control
from mljobs_dev.emulator.errors import ApiError
from mljobs_dev.emulator.server import serving
from mljobs_dev.emulator.service import Call
from mljobs_dev.emulator.settings import Settings

Json = dict[str, Any]


class Time:
    """A clock that only moves when it is turned."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass
class Rig:
    """An emulator without HTTP: methods by their last word."""

    time: Time
    emulator: Emulator
    project: str = "p"
    extra: Json = field(default_factory=dict)

    def __call__(self, verb: str, job_id: str = "", body: Any = None, **query: str) -> Json:
        call = Call(f"ml.projects.jobs.{verb}", self.project, job_id, query, {} if body is None else body)
        answer: Json = json.loads(self.emulator.service.call(call).body)
        return answer

    def refuse(self, verb: str, job_id: str = "", body: Any = None, **query: str) -> ApiError:
        with pytest.raises(ApiError) as caught:
            self(verb, job_id, body, **query)
        return caught.value

    def create(self, body: Json) -> Json:
        return self("create", body["jobId"], body)

    def script(self, **script: Any) -> None:
        from mljobs_dev.emulator.scripting import Script, read_bodies

        self.emulator.service.store.add_scripts(read_bodies(Script, script))


@dataclass
class VertexRig:
    """The same emulator's jobs of Vertex AI: methods by collection and verb, jobs by name or id."""

    rig: Rig
    location: str = "us-central1"

    def __call__(self, method: str, name: str = "", body: Any = None, **query: str) -> Json:
        api = f"aiplatform.projects.locations.{method}"
        job_id = name.rpartition("/")[2]
        call = Call(api, self.rig.project, job_id, query, {} if body is None else body, self.location)
        answer: Json = json.loads(self.rig.emulator.vertex.call(call).body)
        return answer

    def refuse(self, method: str, name: str = "", body: Any = None, **query: str) -> ApiError:
        with pytest.raises(ApiError) as caught:
            self(method, name, body, **query)
        return caught.value

    def control(self, verb: str, path: str, body: Any = None) -> Json:
        sent = b"" if body is None else json.dumps(body).encode()
        answer: Json = json.loads(control(self.rig.emulator, verb, f"/_emulator/{path}", {}, sent))
        return answer

    def advance(self, seconds: float) -> None:
        self.rig.time.advance(seconds)


def make_rig(**settings: Any) -> Rig:
    time = Time()
    emulator = Emulator(Settings(**settings), monotonic=time)
    emulator.clock = Clock(emulator.settings.speed, monotonic=time, epoch=1_562_000_000.25)
    emulator.service.clock = emulator.service.store.clock = emulator.clock
    emulator.vertex.clock = emulator.vertex.store.clock = emulator.clock
    return Rig(time, emulator)


@pytest.fixture
def rig() -> Rig:
    return make_rig()


@pytest.fixture
def vertex(rig: Rig) -> VertexRig:
    return VertexRig(rig)


@pytest.fixture(scope="session")
def new_rig() -> Callable[..., Rig]:
    return make_rig


def training_job(job_id: str = "census", **changes: Any) -> Json:
    training: Json = {
        "scaleTier": "STANDARD_1",
        "region": "us-central1",
        "packageUris": ["gs://bucket/trainer.tar.gz"],
        "pythonModule": "trainer.task",
        "runtimeVersion": "2.11",
        "pythonVersion": "3.7",
    }
    training |= changes
    return {"jobId": job_id, "trainingInput": {k: v for k, v in training.items() if v is not None}}


def prediction_job(job_id: str = "score", **changes: Any) -> Json:
    prediction: Json = {
        "dataFormat": "JSON",
        "inputPaths": ["gs://bucket/in/*"],
        "outputPath": "gs://bucket/out",
        "region": "us-central1",
        "modelName": "projects/p/models/m",
    }
    prediction |= changes
    return {"jobId": job_id, "predictionInput": {k: v for k, v in prediction.items() if v is not None}}


@pytest.fixture
def training() -> Callable[..., Json]:
    return training_job


@pytest.fixture
def prediction() -> Callable[..., Json]:
    return prediction_job


def pool_spec(machine: str = "n1-standard-4", replicas: int = 1, **more: Any) -> Json:
    """A worker pool; `kind` and `count` name its accelerators."""
    spec: Json = {"machineType": machine}
    if "kind" in more:
        spec["acceleratorType"] = more.pop("kind")
    if "count" in more:
        spec["acceleratorCount"] = more.pop("count")
    container = {"imageUri": "gcr.io/p/trainer:1", "args": ["--epochs=3"]}
    return {"machineSpec": spec, "replicaCount": replicas, "containerSpec": container, **more}


def custom_job(name: str = "census", *pools: Json, labels: Any = None, **spec: Any) -> Json:
    """A CustomJob; `spec` are further fields of its jobSpec."""
    job: Json = {
        "displayName": name,
        "jobSpec": {"workerPoolSpecs": list(pools) or [pool_spec()], **spec},
    }
    return {**job, "labels": labels} if labels else job


def tuning_job(name: str = "tune", **changes: Any) -> Json:
    """A HyperparameterTuningJob."""
    study = {
        "metrics": [{"metricId": "accuracy", "goal": "MAXIMIZE"}],
        "parameters": [
            {"parameterId": "lr", "doubleValueSpec": {"minValue": 0.1, "maxValue": 0.9}},
            {"parameterId": "layers", "integerValueSpec": {"minValue": "1", "maxValue": "9"}},
            {"parameterId": "act", "categoricalValueSpec": {"values": ["relu", "tanh"]}},
        ],
    }
    job = {
        "displayName": name,
        "studySpec": study,
        "maxTrialCount": 4,
        "parallelTrialCount": 2,
        "trialJobSpec": custom_job()["jobSpec"],
    }
    return {**job, **changes}


def batch_job(name: str = "score", **changes: Any) -> Json:
    """A BatchPredictionJob."""
    job = {
        "displayName": name,
        "model": "projects/p/locations/us-central1/models/7@2",
        "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["gs://in/x.jsonl"]}},
        "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": "gs://out/a/"}},
        "dedicatedResources": {"machineSpec": {"machineType": "n1-standard-2"}, "startingReplicaCount": 1},
    }
    return {key: value for key, value in {**job, **changes}.items() if value is not None}


@dataclass
class VertexJobs:
    """Makers of jobs' bodies."""

    pool: Callable[..., Json] = pool_spec
    custom: Callable[..., Json] = custom_job
    tuning: Callable[..., Json] = tuning_job
    batch: Callable[..., Json] = batch_job


@pytest.fixture(scope="session")
def jobs() -> VertexJobs:
    return VertexJobs()


@dataclass
class Server:
    """An emulator behind HTTP on a thread of its own."""

    url: str
    time: Time
    emulator: Emulator

    def control(self, verb: str, path: str, body: Any = None) -> Json:
        """A request of the control surface, or of the API without a client library."""
        status, answer = self.send(verb, path, None if body is None else json.dumps(body).encode())
        assert status == 200, answer
        parsed: Json = json.loads(answer)
        return parsed

    def send(self, verb: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
        request = urllib.request.Request(self.url + path, body, dict(headers), method=verb)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def effects(self) -> list[tuple[str, str, int, bool]]:
        rows = self.control("GET", "/_emulator/ledger")["effects"]
        return [
            (row["method"].rpartition(".")[2], row["jobId"], row["status"], row["applied"]) for row in rows
        ]

    def client(self, api: str = "ml", **options: Any) -> Any:
        return discovery.build(
            api,
            "v1",
            http=httplib2.Http(timeout=10),
            static_discovery=True,
            client_options={"api_endpoint": self.url},
            **options,
        )


def serve(rig: Rig) -> Iterator[Server]:
    started: threading.Event = threading.Event()
    urls: list[str] = []
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def main() -> None:
        async with serving(rig.emulator) as url:
            urls.append(url)
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()), daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield Server(urls[0], rig.time, rig.emulator)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


@pytest.fixture
def server(rig: Rig) -> Iterator[Server]:
    yield from serve(rig)

"""The port's methods on Vertex AI, over HTTP against the emulator."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mljobs.backends import VERTEX_AI, Access, Limits, OpenBackend, Terms, service_named
from mljobs.domain import errors
from mljobs.domain.port import AttemptSelector, Extent, Job, Order, Reference, Scope
from mljobs_dev.emulator.control import Emulator
from mljobs_dev.emulator.server import serving
from mljobs_dev.emulator.settings import Settings
from tests.unit.backends.emulated import control, until_ended
from tests.unit.backends.raw_server import RawServer, Step, answer

SCOPE = Scope("projects/p/locations/us-central1")
ELSEWHERE = Scope("projects/p/locations/europe-west4")
CONTAINER = {"masterConfig": {"imageUri": "gcr.io/p/image"}}
PARAMETER = {"parameterName": "lr", "type": "DOUBLE", "minValue": 0.1, "maxValue": 1.0}
TUNING = {"goal": "MAXIMIZE", "maxTrials": 2, "params": [PARAMETER]}
PREDICTION = {
    "region": "us-central1",
    "dataFormat": "JSON",
    "inputPaths": ["gs://in/*"],
    "outputPath": "gs://out",
    "modelName": "projects/p/models/census",
}
MODEL = "projects/p/locations/us-central1/models/7"
MODELS = {"models": {"projects/p/models/census": {"default": MODEL}}}
CREATE = "aiplatform.projects.locations.customJobs.create"


@pytest.fixture
async def emulator() -> AsyncIterator[str]:
    async with serving(Emulator(Settings(speed=1000))) as address:
        yield address


def opened(url: str, **terms: Any) -> OpenBackend:
    access = Access(endpoint=url, anonymous=True, timeout=20, threads=2, limits=Limits(0, 0))
    return service_named(VERTEX_AI).open(access, Terms(**{"tables": MODELS, **terms}))


@pytest.fixture
async def backend(emulator: str) -> AsyncIterator[OpenBackend]:
    async with opened(emulator) as made:
        yield made


def order(uid: str = "u", *, scope: Scope = SCOPE, kind: str = "TrainingJob", **spec: Any) -> Order:
    input_ = {"trainingInput": {"region": "us-central1", **CONTAINER, **spec}}
    if kind == "PredictionJob":
        input_ = {"predictionInput": PREDICTION}
    return Order(kind, input_, scope, "census", marks(uid))


def marks(uid: str, attempt: int = 1) -> dict[str, str]:
    return {"mljobs-uid": uid, "mljobs-attempt": str(attempt)}


def sought(labels: Mapping[str, str], scope: Scope = SCOPE, since: datetime | None = None) -> AttemptSelector:
    return AttemptSelector(scope, labels, since or datetime.now(UTC) - timedelta(hours=1))


async def ended(backend: OpenBackend, reference: Reference) -> Job:
    return await until_ended(lambda: backend.get(reference))


@pytest.mark.parametrize(
    ("kind", "spec", "collection"),
    [
        ("TrainingJob", {}, "customJobs"),
        ("TrainingJob", {"hyperparameters": TUNING}, "hyperparameterTuningJobs"),
        ("PredictionJob", {}, "batchPredictionJobs"),
    ],
)
async def test_a_job_from_create_to_its_end(
    backend: OpenBackend, kind: str, spec: dict[str, Any], collection: str
) -> None:
    made = await backend.submit(order(kind=kind, **spec))
    assert made.reference.startswith(f"{SCOPE}/{collection}/")
    assert (made.job_id, made.labels, made.extent) == ("census", marks("u"), Extent.WHOLE)
    assert backend.facts.scope_of(made.reference) == SCOPE
    done = await ended(backend, made.reference)
    assert done.state == "SUCCEEDED"
    assert done.reference == made.reference
    outputs = {
        "customJobs": set(),
        "hyperparameterTuningJobs": {"trainingOutput"},
        "batchPredictionJobs": {"predictionOutput"},
    }
    assert {key for key in done.document if key.endswith("Output")} == outputs[collection]
    if collection == "hyperparameterTuningJobs":
        assert len(done.document["trainingOutput"]["trials"]) == 2
    await backend.cancel(made.reference)  # is no news
    assert (await backend.get(made.reference)).state == "SUCCEEDED"


async def test_a_running_job_is_cancelled(backend: OpenBackend, emulator: str) -> None:
    await control(emulator, "POST", "scripts", [{"timeline": {"RUNNING": 1e9}}])
    made = await backend.submit(order())
    await backend.cancel(made.reference)
    assert (await ended(backend, made.reference)).state == "CANCELLED"


async def test_what_does_not_exist(backend: OpenBackend) -> None:
    for call in (backend.get, backend.cancel):
        with pytest.raises(errors.NotFound):
            await call(Reference(f"{SCOPE}/customJobs/1"))
        with pytest.raises(errors.Rejected, match="no job's name") as caught:
            await call(Reference("projects/p/jobs/census"))
        assert caught.value.status == 0
    with pytest.raises(errors.Rejected, match="no place of jobs"):
        await backend.active(Scope("projects/p"))
    assert await backend.find(sought(marks("u"))) == []


async def test_a_second_call_makes_a_second_job_and_both_are_found(
    backend: OpenBackend, emulator: str
) -> None:
    await control(emulator, "POST", "options", {"shuffleLists": True})
    first = await backend.submit(order("u"))
    second = await backend.submit(order("u", hyperparameters=TUNING))
    await backend.submit(order("other"))
    await backend.submit(order("u", scope=ELSEWHERE))
    found = await backend.find(sought(marks("u")))
    assert [job.reference for job in found] == [first.reference, second.reference]
    assert await backend.find(sought(marks("u", attempt=2))) == []
    assert [job.labels for job in await backend.find(sought(marks("u"), ELSEWHERE))] == [marks("u")]


async def test_nothing_older_is_looked_at_but_for_the_clocks_difference(
    backend: OpenBackend, emulator: str
) -> None:
    made = await backend.submit(order())
    created = datetime.fromisoformat(made.document["createTime"])
    at_the_edge = created + timedelta(minutes=4, seconds=59)
    assert len(await backend.find(sought(marks("u"), since=at_the_edge))) == 1
    assert await backend.find(sought(marks("u"), since=created + timedelta(minutes=5, seconds=1))) == []


async def test_many_searches_share_lists(backend: OpenBackend, emulator: str) -> None:
    for number in range(120):  # more than a page
        await backend.submit(order(f"u{number}"))
    searches = [backend.find(sought(marks(f"u{number}"))) for number in range(120)]
    found = await asyncio.gather(*searches)
    assert [len(jobs) for jobs in found] == [1] * 120
    rows = (await control(emulator, "GET", "ledger"))["effects"]
    lists = [row["method"].split(".")[-2] for row in rows if row["method"].endswith(".list")]
    assert Counter(lists).keys() == {"batchPredictionJobs", "customJobs", "hyperparameterTuningJobs"}
    assert 3 <= lists.count("customJobs") <= 10  # two pages, and as often again as jobs have moved
    assert len(lists) - lists.count("customJobs") == 2


async def test_a_search_that_fails_fails_for_all_and_the_next_one_is_made_again(
    backend: OpenBackend, emulator: str
) -> None:
    await backend.submit(order())
    method = "aiplatform.projects.locations.batchPredictionJobs.list"
    await control(emulator, "POST", "faults", [{"method": method, "times": 1, "action": "dropBefore"}])
    searches = [backend.find(sought(marks("u"))) for _ in range(3)]
    outcomes = await asyncio.gather(*searches, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [errors.Unavailable] * 3
    assert len(await backend.find(sought(marks("u")))) == 1


async def test_a_search_sees_what_was_made_before_it_was_asked(backend: OpenBackend) -> None:
    async def made_and_found(number: int) -> int:
        await backend.submit(order(f"u{number}"))
        return len(await backend.find(sought(marks(f"u{number}"))))

    assert await asyncio.gather(*(made_and_found(number) for number in range(20))) == [1] * 20


async def test_pages_go_through_all_collections_and_show_a_part(backend: OpenBackend) -> None:
    made = [
        await backend.submit(order("a")),
        await backend.submit(order("b", hyperparameters=TUNING)),
        await backend.submit(order("c", kind="PredictionJob")),
    ]
    seen: dict[Reference, Job] = {}
    token, pages = "", 0
    while True:
        page = await backend.active(SCOPE, page_token=token)
        seen |= {job.reference: job for job in page.jobs}
        token, pages = page.next_page_token, pages + 1
        if not token:
            break
    assert pages == 3
    # a tuning job that runs by now has a custom job for each trial
    assert seen.keys() >= {job.reference for job in made}
    custom, tuning, prediction = (seen[job.reference] for job in made)
    assert (custom.extent, tuning.extent, prediction.extent) == (Extent.PART, Extent.OUTLINE, Extent.PART)
    whole = await ended(backend, made[0].reference)
    page = await backend.active(SCOPE)
    (listed,) = (job for job in page.jobs if job.reference == made[0].reference)
    assert not listed.is_news_to(whole)
    assert listed.is_news_to(made[0])
    assert listed.is_news_to(None)
    assert listed.is_news_to(listed)  # of which the rest is not known


async def test_an_ended_tuning_job_stays_as_it_is(backend: OpenBackend) -> None:
    made = await backend.submit(order(hyperparameters=TUNING))
    whole = await ended(backend, made.reference)
    page = await backend.active(SCOPE, page_token="hyperparameterTuningJobs:")
    assert [job.extent for job in page.jobs] == [Extent.PART]
    assert not page.jobs[0].is_news_to(whole)


@pytest.mark.parametrize("face", ["refuse", "fail"])
async def test_a_lack_of_machines(backend: OpenBackend, emulator: str, face: str) -> None:
    quota = {"metric": "custom_model_training_cpus", "limit": 1, "face": face}
    await control(emulator, "POST", "quotas", [quota])
    if face == "refuse":
        with pytest.raises(errors.NoCapacity, match="exceed quota limits"):
            await backend.submit(order())
    else:
        made = await backend.submit(order())
        failed = await ended(backend, made.reference)
        assert (failed.state, failed.document["errorCode"]) == ("FAILED", 8)


async def test_a_refused_field_is_named_in_the_specs_words(backend: OpenBackend, emulator: str) -> None:
    field = "job_spec.worker_pool_specs[0].container_spec.image_uri"
    message = f"List of found errors:\t1.Field: {field}; Message: There is no such image.\t"
    fault = {"method": CREATE, "times": 1, "action": "error", "status": 400, "message": message}
    await control(emulator, "POST", "faults", [fault])
    with pytest.raises(errors.Rejected) as caught:
        await backend.submit(order())
    assert (
        caught.value.message == f"spec.trainingInput.masterConfig.imageUri ({field}): There is no such image."
    )
    assert [violation.field for violation in caught.value.violations] == [field]


async def test_what_cannot_be_translated_is_never_sent(backend: OpenBackend, emulator: str) -> None:
    with pytest.raises(errors.Rejected, match="resumePreviousJobId"):
        await backend.submit(order(hyperparameters={**TUNING, "resumePreviousJobId": "old"}))
    assert (await control(emulator, "GET", "ledger"))["effects"] == []


async def test_a_bucket_elsewhere_is_refused(backend: OpenBackend, emulator: str) -> None:
    await control(emulator, "POST", "buckets/far", {"location": "us"})
    with pytest.raises(errors.Rejected, match="same regional location"):
        await backend.submit(order(jobDir="gs://far/x"))


@pytest.mark.parametrize(
    ("fault", "kind", "applied"),
    [
        ({"action": "error", "status": 503}, errors.Unavailable, False),
        ({"action": "error", "status": 429, "retryAfter": 2}, errors.Throttled, False),
        ({"action": "error", "status": 403}, errors.Denied, False),
        ({"action": "error", "status": 404}, errors.ProjectNotFound, False),
        ({"action": "dropBefore"}, errors.Unavailable, False),
        ({"action": "dropAfter"}, errors.Unavailable, True),
        ({"action": "truncate"}, errors.Unavailable, True),
    ],
)
async def test_a_fault_is_one_request(
    backend: OpenBackend, emulator: str, fault: dict[str, object], kind: type[Exception], applied: bool
) -> None:
    await control(emulator, "POST", "faults", [{"method": CREATE, "times": 1, **fault}])
    with pytest.raises(kind):
        await backend.submit(order())
    effects = (await control(emulator, "GET", f"ledger?method={CREATE}"))["effects"]
    assert [row["applied"] for row in effects] == [applied]
    assert len(await backend.find(sought(marks("u")))) == applied


async def test_a_denied_permission_is_named(backend: OpenBackend, emulator: str) -> None:
    denied = [{"denied": ["aiplatform.customJobs.create"]}]
    await control(emulator, "POST", "permissions", denied)
    with pytest.raises(errors.Denied, match=r"aiplatform\.customJobs\.create"):
        await backend.submit(order())


async def test_a_project_s_number_in_an_answer_is_no_other_job(backend: OpenBackend, emulator: str) -> None:
    await control(emulator, "POST", "options", {"projectNumbers": True})
    made = await backend.submit(order())
    (found,) = await backend.find(sought(marks("u")))
    assert made.reference == found.reference == (await backend.get(made.reference)).reference
    assert made.reference.startswith("projects/p/")


async def test_a_job_that_jumps_to_a_page_that_was_read_is_found() -> None:
    def page(*ids: int, token: str = "") -> Step:
        jobs = [
            {
                "name": f"{SCOPE}/customJobs/{id_}",
                "labels": marks("u"),
                "createTime": f"2026-01-01T00:00:0{id_}Z",
            }
            for id_ in ids
        ]
        return answer(200, {"customJobs": jobs, **({"nextPageToken": token} if token else {})})

    passes = [page(1, token="t"), page(2), page(3, 1, token="t"), page(2), page(3, 1, token="t")]
    with RawServer([*passes, answer(200, {}), answer(200, {})]) as server:
        async with opened(server.url) as backend:
            found = await backend.find(sought(marks("u")))
    assert [job.reference.rpartition("/")[2] for job in found] == ["1", "2", "3"]
    assert len(server.received) == 7

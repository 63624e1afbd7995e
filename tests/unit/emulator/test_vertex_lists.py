"""Lists of Vertex AI's jobs in the emulator: order, pages, filters, masks, and how they may lag."""

from typing import Any

import pytest

Json = dict[str, Any]
Vertex = Any
Jobs = Any


def names(page: Json) -> list[str]:
    return [job["displayName"] for job in page.get("customJobs", [])]


def test_lists_have_the_last_updated_first(vertex: Vertex, jobs: Jobs) -> None:
    vertex.rig.script(jobId="^old$", timeline={"QUEUED": 30, "PREPARING": 1000})
    for name in ("old", "middle", "new"):
        vertex("customJobs.create", body=jobs.custom(name))
        vertex.advance(10)
    assert names(vertex("customJobs.list")) == ["new", "middle", "old"]
    vertex.advance(1)  # `old` becomes PENDING 31 s after its creation
    assert names(vertex("customJobs.list")) == ["old", "new", "middle"]


def test_a_job_that_changes_between_two_pages_is_on_neither(vertex: Vertex, jobs: Jobs) -> None:
    vertex.rig.script(jobId="^old$", timeline={"QUEUED": 30, "PREPARING": 1000})
    for name in ("old", "middle", "new"):
        vertex("customJobs.create", body=jobs.custom(name))
        vertex.advance(10)
    first = vertex("customJobs.list", pageSize="2")
    vertex.advance(1)
    second = vertex("customJobs.list", pageSize="2", pageToken=first["nextPageToken"])
    assert (names(first), names(second)) == (["new", "middle"], [])


def test_shuffled_lists_have_every_job_once(vertex: Vertex, jobs: Jobs) -> None:
    for number in range(9):
        vertex("customJobs.create", body=jobs.custom(f"j{number}"))
    vertex.control("POST", "options", {"shuffleLists": True})
    orders = []
    for _ in range(2):
        found, token = [], ""
        while True:
            page = vertex("customJobs.list", pageSize="4", pageToken=token)
            found += names(page)
            token = page.get("nextPageToken", "")
            if not token:
                break
        assert sorted(found) == [f"j{number}" for number in range(9)]
        orders.append(found)
    assert orders[0] != orders[1]


def test_lists_lag(vertex: Vertex, jobs: Jobs) -> None:
    vertex.control("POST", "options", {"listLag": 30})
    name = vertex("customJobs.create", body=jobs.custom())["name"]
    assert vertex("customJobs.get", name)["name"] == name
    vertex.advance(29)
    assert vertex("customJobs.list") == {}
    vertex.advance(1)
    assert names(vertex("customJobs.list")) == ["census"]


@pytest.mark.parametrize(
    ("filter_", "found"),
    [
        ("", ["a 1", "b 2", "b 3"]),
        ('display_name="a 1"', ["a 1"]),
        ('display_name:"b *"', ["b 2", "b 3"]),
        ('displayName!="b 2"', ["a 1", "b 3"]),
        ('NOT display_name="a 1"', ["b 2", "b 3"]),
        ('display_name="b*"', []),
        ("labels.team=x", ["a 1"]),
        ("labels.team:*", ["a 1", "b 2"]),
        ("labels.team=x OR labels.team=y", ["a 1", "b 2"]),
        ('labels.team-id="z"', ["b 3"]),
        ("labels.team!=x", ["b 2", "b 3"]),
        ('state="JOB_STATE_QUEUED"', ["b 3"]),
        ('state!="JOB_STATE_QUEUED"', ["a 1", "b 2"]),
        ('create_time>="2019-07-01T16:53:30Z"', ["b 2", "b 3"]),
        ('create_time<"2019-07-01T16:53:30Z"', ["a 1"]),
        ('create_time!="2019-07-01T16:53:20.250Z" AND labels.team:*', ["b 2"]),
    ],
)
def test_filters(vertex: Vertex, jobs: Jobs, filter_: str, found: list[str]) -> None:
    for name, labels in (("a 1", {"team": "x"}), ("b 2", {"team": "y"}), ("b 3", {"team-id": "z"})):
        vertex("customJobs.create", body=jobs.custom(name, labels=labels))
        vertex.advance(20)
    vertex.advance(-19.5)
    assert sorted(names(vertex("customJobs.list", filter=filter_))) == found


@pytest.mark.parametrize(
    "filter_",
    [
        "census",
        "job_id=1",
        "state:RUNNING",
        "create_time:*",
        "create_time>yesterday",
        "labels=x",
        "labels.a:b",
        "labels.a<b",
        "model_display_name=m",
        "display_name=",
        "(",
    ],
)
def test_what_is_no_filter(vertex: Vertex, filter_: str) -> None:
    error = vertex.refuse("customJobs.list", filter=filter_)
    assert (error.code, error.details[0]["fieldViolations"][0]["field"]) == (400, "filter")


def test_batch_jobs_are_filtered_by_their_model(vertex: Vertex, jobs: Jobs) -> None:
    vertex("batchPredictionJobs.create", body=jobs.batch())
    assert "batchPredictionJobs" in vertex("batchPredictionJobs.list", filter="model_display_name=model-7")
    assert vertex("batchPredictionJobs.list", filter="model_display_name=other") == {}


@pytest.mark.parametrize(
    ("mask", "fields"),
    [
        ("name,state", {"name", "state"}),
        ("displayName,create_time,job_spec.scheduling", {"displayName", "createTime", "jobSpec"}),
        ("labels", set()),
    ],
)
def test_read_masks(vertex: Vertex, jobs: Jobs, mask: str, fields: set[str]) -> None:
    vertex("customJobs.create", body=jobs.custom())
    assert set(vertex("customJobs.list", readMask=mask)["customJobs"][0]) == fields
    whole = vertex("customJobs.list", readMask="*")["customJobs"][0]
    assert whole == vertex("customJobs.list")["customJobs"][0]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"readMask": "name,nope"}, "read_mask"),
        ({"pageSize": "-1"}, "page_size"),
        ({"pageSize": "x"}, "page_size"),
        ({"pageToken": "x"}, "page_token"),
        ({"pageToken": "W10="}, "page_token"),
    ],
)
def test_what_lists_refuse(vertex: Vertex, query: dict[str, str], field: str) -> None:
    error = vertex.refuse("customJobs.list", **query)
    assert (error.code, error.details[0]["fieldViolations"][0]["field"]) == (400, field)


def test_pages_have_a_hundred_jobs_at_most(vertex: Vertex, jobs: Jobs) -> None:
    for _ in range(101):
        vertex("customJobs.create", body=jobs.custom())
    assert len(vertex("customJobs.list", pageSize="1000")["customJobs"]) == 100
    first = vertex("customJobs.list")
    rest = vertex("customJobs.list", pageToken=first["nextPageToken"])
    assert (len(first["customJobs"]), len(rest["customJobs"]), "nextPageToken" in rest) == (100, 1, False)

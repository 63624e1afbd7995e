"""What is known of Vertex AI without asking: scopes, names, links."""

from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mljobs.backends import facts_of_class
from mljobs.backends.vertex.facts import DISPLAY_NAME_LIMIT, VertexFacts
from mljobs.backends.vertex.names import COLLECTIONS, Name
from mljobs.config import Settings
from mljobs.domain import errors
from mljobs.domain.port import Facts, Owner, Reference, Scope
from mljobs.main import own_class

FACTS: Facts = VertexFacts()
CUSTOM = Reference("projects/my-project/locations/us-central1/customJobs/42")
BATCH = Reference("projects/my-project/locations/us-central1/batchPredictionJobs/42")


def test_the_service_names_the_jobs_and_nothing_of_them_changes() -> None:
    able = FACTS.capabilities
    assert not any((able.client_names_jobs, able.labels, able.iam))
    assert FACTS.reference(Scope("projects/p/locations/l"), "nightly") is None


@pytest.mark.parametrize(
    ("spec", "location"),
    [
        ({"trainingInput": {"region": "us-east1"}}, "us-east1"),
        ({"predictionInput": {"region": "us-east1"}}, "us-east1"),
        ({"vertex": {"region": "europe-west4"}, "trainingInput": {"region": "us-east1"}}, "europe-west4"),
        ({"vertex": {"displayName": "x"}, "trainingInput": {"region": "us-east1"}}, "us-east1"),
        ({"vertex": {"region": "europe-west4"}}, "europe-west4"),
        ({}, ""),
        ({"trainingInput": {"region": 7}, "predictionInput": None}, ""),
    ],
)
def test_a_job_is_where_its_spec_says(spec: dict[str, Any], location: str) -> None:
    assert FACTS.location(spec) == location
    assert VertexFacts(locations=["asia-east1", "us-west1"]).location(spec) == (location or "asia-east1")


def test_a_scope_is_a_project_and_a_region() -> None:
    assert FACTS.scope("p", "us-east1") == "projects/p/locations/us-east1"
    assert FACTS.scope("p", "") == "projects/p/locations/-"
    assert FACTS.scopes("p") == []
    assert VertexFacts(locations=["us-east1"]).scopes("p") == ["projects/p/locations/us-east1"]


def test_a_job_without_a_region_is_refused() -> None:
    pool = {"machineSpec": {"machineType": "n1-standard-4"}, "containerSpec": {"imageUri": "gcr.io/p/i:1"}}
    spec = {"vertex": {"jobSpec": {"workerPoolSpecs": [pool]}}}
    assert [problem.path for problem in FACTS.review("TrainingJob", spec)] == ["spec.vertex.region"]
    assert VertexFacts(locations=["us-east1"]).review("TrainingJob", spec) == ()


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_a_reference_is_in_its_scope(collection: str) -> None:
    name = Name("example.com:p", "us-central1", collection, "42")
    assert Name.parse(name.reference) == name
    assert FACTS.scope_of(name.reference) == name.scope == "projects/example.com:p/locations/us-central1"


@pytest.mark.parametrize("text", ["", "projects/p/jobs/j", f"{CUSTOM}/x", "projects/p/locations/l/models/1"])
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(errors.Rejected, match="no job's name"):
        FACTS.links(Reference(text))


def test_people_read_what_was_chosen_or_the_resources_name() -> None:
    owner = Owner("team-a", "census", "uid")
    assert [FACTS.job_id(owner, attempt, None) for attempt in (1, 2)] == ["team-a/census", "team-a/census #2"]
    assert [FACTS.job_id(owner, attempt, "nightly") for attempt in (1, 3)] == ["nightly", "nightly #3"]


@given(st.text("ab-", min_size=1, max_size=253), st.integers(1, 100))
def test_a_display_name_has_its_length(name: str, attempt: int) -> None:
    made = FACTS.job_id(Owner("ns", name, "uid"), attempt, None)
    assert made.startswith("ns/")
    assert 1 <= len(made) <= DISPLAY_NAME_LIMIT
    assert made.endswith(f" #{attempt}") or attempt == 1


def test_links_lead_to_the_console() -> None:
    links = FACTS.links(CUSTOM)
    assert links["consoleUrl"] == (
        "https://console.cloud.google.com/agent-platform/locations/us-central1/training/42?project=my-project"
    )
    logs = urlsplit(links["logsUrl"])
    assert (logs.hostname, logs.path) == ("console.cloud.google.com", "/logs/viewer")
    assert parse_qs(logs.query) == {
        "project": ["my-project"],
        "resource": ["ml_job/job_id/42"],
        "advancedFilter": ['resource.type="ml_job"\nresource.labels.job_id="42"'],
    }


def test_a_batch_prediction_has_a_page_of_its_own_and_no_known_logs() -> None:
    assert VertexFacts(console="vertex-ai").links(BATCH) == {
        "consoleUrl": (
            "https://console.cloud.google.com/vertex-ai/locations/us-central1/batch-predictions/42"
            "?project=my-project"
        )
    }


@pytest.mark.parametrize("path", ["agent-platform", "vertex-ai"])
def test_the_administrator_says_where_the_console_has_the_pages(
    path: Literal["agent-platform", "vertex-ai"],
) -> None:
    settings = Settings(service="VertexAI", console_path=path)
    facts = facts_of_class(own_class(settings), settings.console_path)
    assert urlsplit(facts.links(CUSTOM)["consoleUrl"]).path == f"/{path}/locations/us-central1/training/42"

"""What the API server would refuse does no harm either: an older CRD may have let it in."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from mljobs.backends.vertex.facts import VertexFacts
from mljobs.domain import errors
from mljobs.domain.decide import AdminPolicy, decide
from mljobs.domain.decide.decisions import Hold, Keep, Read, Record, Refuse, Release, Settled
from mljobs.domain.job.observation import Call, Observation
from mljobs.domain.job.resource import FINALIZER, Resource
from mljobs.domain.show.project import project
from tests.hostile import COUNT, SECRET, hostile
from tests.unit.domain.world import FACTS, NOW, START

VERTEX = VertexFacts()
POLICY = AdminPolicy(default_project="my-project")


@cache
def manifests() -> list[dict[str, Any]]:
    return hostile()


def parsed(manifest: dict[str, Any], **metadata: Any) -> Resource:
    about = {**manifest["metadata"], "namespace": "team", "uid": "u-1", "generation": 1, **metadata}
    spec = manifest.get("spec")
    facts = VERTEX if isinstance(spec, dict) and "vertex" in spec else FACTS
    return Resource.parse({**manifest, "metadata": about, "status": {"observedGeneration": -1}}, facts)


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts(inner)


def test_each_is_submitted_held_or_refused_in_words_that_say_no_secret() -> None:
    ends: dict[type, int] = {}
    for manifest in manifests():
        resource = parsed(manifest)
        decision = decide(resource, Observation(since=START), POLICY, NOW)
        ends[type(decision)] = ends.get(type(decision), 0) + 1
        assert isinstance(decision, Keep if resource.managed_elsewhere else Record | Hold | Refuse)
        if isinstance(decision, Settled):
            status = project(resource, Observation(since=START), decision, NOW)
            for text in texts(status):
                assert SECRET not in text
                assert all(char.isprintable() or char in "\n\t" for char in text)
                assert len(text) <= 32768
    assert sum(ends.values()) == COUNT
    assert ends[Record] > COUNT // 6  # most specs in the words of Vertex AI are invalid
    assert ends[Refuse] > COUNT // 4


def test_each_can_be_deleted() -> None:
    for manifest in manifests():
        resource = parsed(manifest, deletionTimestamp="2026-01-01T00:00:00Z", finalizers=[FINALIZER])
        decision = decide(resource, Observation(since=START), POLICY, NOW)
        at_once = resource.orphan or resource.managed_elsewhere
        assert isinstance(decision, Release if at_once else Read)


def test_a_name_that_no_job_can_have_does_not_hold_a_resource_back() -> None:
    resource = parsed(
        {"kind": "TrainingJob", "metadata": {"name": "x"}, "spec": {"projectId": "../other"}},
        deletionTimestamp="2026-01-01T00:00:00Z",
        finalizers=[FINALIZER],
    )
    known = Observation(since=START)
    look = decide(resource, known, POLICY, NOW)
    assert isinstance(look, Read)
    refused = errors.Rejected("project_id: '../other' must …", status=0)
    known = known.about(look.target).failed(Call.GET, refused, generation=1, now=NOW, jitter=1)
    assert decide(resource, known, POLICY, NOW) == Release()

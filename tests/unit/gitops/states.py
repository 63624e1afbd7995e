"""Every resource that GitOps tools can meet: what decide and project make of situations, and two more.

Those that look alike from outside are kept once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from mljobs.api.base import JsonObject
from mljobs.domain.decide import AdminPolicy, decide
from mljobs.domain.decide.decisions import Settled
from mljobs.domain.job.resource import Resource
from mljobs.domain.show.project import project
from tests.unit.domain.cases.following import status
from tests.unit.domain.cases.reading import case, names
from tests.unit.domain.situations import RECORDED, situations
from tests.unit.domain.world import JOB_ID, NOW, resource

FOLDER = "project/conditions/"
CONDITIONS = [name.removeprefix(FOLDER) for name in names() if name.startswith(FOLDER)]
"""The names of the cases that show conditions."""


@dataclass(frozen=True)
class Shown:
    """A resource as others see it.

    Attributes:
        name: how it came about, for failures.
        body: the whole object.
    """

    name: str
    body: JsonObject

    @property
    def words(self) -> dict[str, tuple[str, str]]:
        """Status and reason of each condition."""
        rows = self.body["status"].get("conditions", ())
        return {row["type"]: (row["status"], row["reason"]) for row in rows}

    def says(self, kind: str, value: str) -> bool:
        return self.words.get(kind, ("", ""))[0] == value


def as_object(subject: Resource, shown: Mapping[str, Any], **metadata: Any) -> JsonObject:
    """The object that the API server gives for a resource with this status."""
    return {
        "apiVersion": "mljobs.dev/v1alpha1",
        "kind": subject.kind,
        "metadata": {
            "name": subject.name,
            "namespace": subject.namespace,
            "uid": subject.uid,
            "generation": subject.generation,
            "finalizers": list(subject.finalizers),
            **metadata,
        },
        "spec": dict(subject.spec),
        "status": dict(shown),
    }


def _all() -> Iterator[tuple[str, Resource, JsonObject]]:
    for name in CONDITIONS:
        yield name, case(f"{FOLDER}{name}").resource, status(case(f"{FOLDER}{name}"))
    for was in RECORDED:
        for situation in situations(was):
            decision = decide(situation.subject, situation.known, AdminPolicy(), NOW)
            if isinstance(decision, Settled):
                shown = project(situation.subject, situation.known, decision, NOW)
                yield situation.name, situation.subject, shown


def _every() -> Iterator[Shown]:
    seen = set()
    for name, subject, shown in _all():
        mark = (subject.deleting, shown.get("state"), str(sorted(_words(shown).items())))
        if mark not in seen:
            seen.add(mark)
            yield _shown(name, subject, shown)


def _shown(name: str, subject: Resource, shown: JsonObject) -> Shown:
    gone = {"deletionTimestamp": "2026-01-02T03:04:05Z"} if subject.deleting else {}
    return Shown(name, as_object(subject, shown, **gone))


def _words(shown: JsonObject) -> dict[str, tuple[str, str]]:
    return {row["type"]: (row["status"], row["reason"]) for row in shown["conditions"]}


@cache
def every() -> list[Shown]:
    """All that the operator shows, each once."""
    return list(_every())


def named(name: str) -> Shown:
    """What the operator shows in a case of the folder `project/conditions`."""
    one = case(f"{FOLDER}{name}")
    return _shown(name, one.resource, status(one))


FRESH = Shown("right after its creation", as_object(resource(), {"observedGeneration": -1}))
"""What the CRD's default makes of a new resource."""

WIPED = Shown("without a status", as_object(resource(), {}))
"""What a client with the permission can make of a resource."""


def unseen(shown: Shown) -> Shown:
    """The same, after a change of its spec that the operator has not seen yet."""
    metadata = {**shown.body["metadata"], "generation": shown.body["status"]["observedGeneration"] + 1}
    return Shown(f"{shown.name}, changed", {**shown.body, "metadata": metadata})


__all__ = ["CONDITIONS", "FRESH", "JOB_ID", "WIPED", "Shown", "every", "named", "unseen"]

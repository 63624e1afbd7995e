"""Every resource that GitOps tools can meet: what decide and project make of situations, and two more.

The situations are all combinations of what a resource can have recorded, what its user can want, and what the
service can have answered. Those that look alike from outside are kept once.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from mljobs.api.base import JsonObject
from mljobs.domain import errors
from mljobs.domain.decide import Policy, decide
from mljobs.domain.decide.decisions import Settled
from mljobs.domain.job.observation import Method, Observation, Relabelling, Trouble
from mljobs.domain.job.resource import Resource
from mljobs.domain.show.project import project
from tests.unit.domain.test_project import CONDITIONS
from tests.unit.domain.world import (
    JOB_ID,
    NOW,
    condition,
    intent,
    job,
    later,
    missing,
    observed,
    resource,
    stalled,
    status,
)

STATES = ("QUEUED", "PREPARING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLING", "CANCELLED")
_SUSPENDING = condition("Suspended", "True", "Suspending")
_SUSPENDED = condition("Suspended", "True", "Suspended")
_LOST = condition("Stalled", "True", "Lost", "The service no longer knows it.")

RECORDED: Mapping[str, JsonObject] = {
    "nothing": {},
    "running": status(),
    "queued": status("QUEUED"),
    "suspending": status("CANCELLING", _SUSPENDING),
    "suspended": status("CANCELLED", _SUSPENDED),
    "lost": status("RUNNING", _LOST),
    "rejected": stalled("Rejected"),
    **{state: status(state) for state in ("SUCCEEDED", "FAILED", "CANCELLED")},
}
"""Statuses that a resource can have before it is decided for."""

WANTED: Mapping[str, JsonObject] = {
    "the job": {},
    "no job": {"suspend": True},
    "nonsense": {"trainingInput": {}},
    "labels": {"labels": {"team": "b"}},
    "wrong labels": {"labels": {"Team": "b"}},
    "bindings": {"iamBindings": [{"role": "roles/viewer", "members": ["user:a@example.com"]}]},
}
"""What a spec can ask for."""


def _answers() -> Iterator[Observation]:
    """What can be known of the job."""
    yield observed()
    for state in STATES:
        yield observed(job=job(state))
        yield observed(job=job(state), created=True)
        yield observed(job=job(state), cancelled=True)
    for namespace in ("team-a", "team-b"):
        yield observed(job=job(uid="99999999-2222-3333-4444-555555555555", namespace=namespace))
    yield missing(for_=0, answers=1)
    yield missing(sought=True)
    yield observed(job=job(labels={"team": "x"}), relabelling=Relabelling(1, 5, NOW))
    failures = (
        errors.Denied("not allowed"),
        errors.ProjectNotFound("no such project"),
        errors.Throttled("too many"),
        errors.Unavailable("cut off"),
        errors.Rejected("bad region"),
        errors.AlreadyExists("there is one"),
    )
    for method, failure in itertools.product(Method, failures):
        troubles = {method: Trouble(method, failure, 1, later(5))}
        if not isinstance(failure, errors.Unavailable):
            yield observed(troubles=troubles)
        yield observed(troubles=troubles, doubtful_at=NOW)
        yield observed(troubles=troubles, job=job())


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


def _situations() -> Iterator[tuple[str, Resource, Observation]]:
    for name, (subject, known, _) in CONDITIONS.items():
        yield name, subject, known
    for (was, before), (wish, spec) in itertools.product(RECORDED.items(), WANTED.items()):
        for deleting, adopt in itertools.product((False, True), ("", "true")):
            subject = resource(
                spec=spec, intended=intent(), status=before, deleting=deleting, adopt=adopt, held=True
            )
            for number, known in enumerate(_answers()):
                yield f"{was}, {wish}, deleting={deleting}, adopt={adopt}, answer {number}", subject, known


def _every() -> Iterator[Shown]:
    seen = set()
    for name, subject, known in _situations():
        decision = decide(subject, known, Policy(), NOW)
        if not isinstance(decision, Settled):
            continue
        shown = project(subject, known, decision, NOW)
        mark = (subject.deleting, shown.get("state"), str(sorted(_words(shown).items())))
        if mark not in seen:
            seen.add(mark)
            gone = {"deletionTimestamp": "2026-01-02T03:04:05Z"} if subject.deleting else {}
            yield Shown(name, as_object(subject, shown, **gone))


def _words(shown: JsonObject) -> dict[str, tuple[str, str]]:
    return {row["type"]: (row["status"], row["reason"]) for row in shown["conditions"]}


@cache
def every() -> list[Shown]:
    """All that the operator shows, each once."""
    return list(_every())


def named(name: str) -> Shown:
    """What the operator shows in a case of the tests of project."""
    subject, known, _ = CONDITIONS[name]
    decision = decide(subject, known, Policy(), NOW)
    assert isinstance(decision, Settled)
    gone = {"deletionTimestamp": "2026-01-02T03:04:05Z"} if subject.deleting else {}
    return Shown(name, as_object(subject, project(subject, known, decision, NOW), **gone))


FRESH = Shown("right after its creation", as_object(resource(), {"observedGeneration": -1}))
"""What the CRD's default makes of a new resource."""

WIPED = Shown("without a status", as_object(resource(), {}))
"""What a client with the permission can make of a resource."""


def unseen(shown: Shown) -> Shown:
    """The same, after a change of its spec that the operator has not seen yet."""
    metadata = {**shown.body["metadata"], "generation": shown.body["status"]["observedGeneration"] + 1}
    return Shown(f"{shown.name}, changed", {**shown.body, "metadata": metadata})


__all__ = ["CONDITIONS", "FRESH", "JOB_ID", "WIPED", "Shown", "every", "named", "unseen"]

"""Every situation of a resource: what is recorded, wanted and known of it, in all combinations."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from mljobs.api.base import JsonObject
from mljobs.api.outputs import TERMINAL_STATES
from mljobs.domain import errors
from mljobs.domain.job.observation import Call, FailedCall, Observation, Relabelling
from mljobs.domain.job.resource import Intent, Resource
from mljobs.domain.port import Reference
from tests.unit.domain.world import (
    NOW,
    SECOND,
    STRANGER,
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

FIRST, NEXT = intent(), intent(SECOND, generation=2)
SUSPENDING = condition("Suspended", "True", "Suspending")
LOST = condition("Stalled", "True", "Lost")
RECORDED: Mapping[str, tuple[Intent | None, JsonObject]] = {
    "nothing": (None, {}),
    "the default": (None, {"observedGeneration": -1}),
    "an intent": (FIRST, {"observedGeneration": -1}),
    "held back": (None, {"conditions": [condition("Suspended", "True", "Suspended")]}),
    "unknown": (FIRST, status("", submitted="Unknown")),
    "queued": (FIRST, status("QUEUED")),
    "running": (FIRST, status()),
    "being suspended": (FIRST, status("RUNNING", SUSPENDING)),
    "cancelling": (FIRST, status("CANCELLING", SUSPENDING)),
    "suspended": (FIRST, status("CANCELLED", condition("Suspended", "True", "Suspended"))),
    "resumed": (NEXT, status("CANCELLED", condition("Suspended", "True", "Resuming"))),
    "running again": (NEXT, status(target=SECOND)),
    "lost": (FIRST, status("RUNNING", condition("Succeeded", "False", "Lost"), LOST)),
    "lost while being suspended": (FIRST, status("RUNNING", SUSPENDING, LOST)),
    "found again": (FIRST, status("RUNNING", condition("Succeeded", "Unknown", "FoundAgain"))),
    "taken": (FIRST, status("RUNNING", condition("Stalled", "True", "Taken"))),
    "rejected": (FIRST, stalled("Rejected")),
    "in the way": (FIRST, stalled("JobIdTaken")),
    **{state: (FIRST, status(state)) for state in sorted(TERMINAL_STATES)},
}
"""Intent and status before the decision, both of the first generation."""

WANTED: Mapping[str, JsonObject] = {
    "the job": {},
    "no job": {"suspend": True},
    "nonsense": {"trainingInput": {}},
    "nonsense, and no job": {"trainingInput": {}, "suspend": True},
    "wrong labels": {"labels": {"Team": "b"}},
    "other labels": {"labels": {"team": "b"}},
    "bindings": {"iamBindings": [{"role": "roles/viewer", "members": ["user:a@example.com"]}]},
    "a job that outlives it": {"deletionPolicy": "Orphan"},
}
"""What a spec can ask for."""

LIVES: Mapping[str, JsonObject] = {
    "held": {"held": True},
    "to adopt": {"held": True, "adopt": "true"},
    "released": {"held": False},
    "deleted and held": {"held": True, "deleting": True},
    "deleted and held by others": {"held": False, "deleting": True},
    "deleted by force and held by others": {"held": False, "deleting": True, "force": True},
}
"""What its metadata can say."""

_FAILURES: Mapping[Call, tuple[errors.JobServiceError, ...]] = {
    Call.CREATE: (
        errors.Denied("no"),
        errors.Throttled("quota"),
        errors.NoCapacity("no machines"),
        errors.Unavailable("cut"),
        errors.Rejected("bad"),
        errors.AlreadyExists("there is one"),
        errors.ProjectNotFound("no"),
    ),
    Call.GET: (errors.Denied("no"), errors.Unavailable("cut"), errors.Throttled("quota")),
    Call.PATCH: (errors.Denied("no"), errors.Rejected("bad")),
    Call.CANCEL: (errors.Denied("no"), errors.Unavailable("cut")),
    Call.IAM: (errors.Denied("no"), errors.Rejected("bad")),
}


def answers(generation: int) -> Iterator[tuple[str, Observation]]:
    """What can be known of the job, in a process that has met failures in this generation."""
    yield "nothing", observed()
    for state in ("QUEUED", "PREPARING", "RUNNING", "CANCELLING", *sorted(TERMINAL_STATES)):
        yield state, observed(job=job(state), seen_at=NOW)
    yield "made by us", observed(job=job("QUEUED"), seen_at=NOW, created=True)
    yield "cancel accepted", observed(job=job(), seen_at=NOW, cancelled=True)
    yield "somebody else's", observed(job=job(uid=STRANGER), seen_at=NOW)
    yield "another namespace's", observed(job=job(uid=STRANGER, namespace="team-b"), seen_at=NOW)
    contested = Relabelling(generation, 5, NOW)
    yield "labels that somebody changes", observed(job=job(labels={"team": "x"}), relabelling=contested)
    yield "missing", missing(for_=9, answers=1, checked_while_deleting=True)
    yield "long missing", missing(checked_while_deleting=True)
    yield "doubt", observed(outcome_unknown_at=later(-5), absent_at=NOW, absences=1)
    yield "no doubt any more", observed(outcome_unknown_at=later(-500), absent_at=NOW, absences=1)
    for method, failures in _FAILURES.items():
        for failure in failures:
            failed_calls = {method: FailedCall(method, failure, generation, later(5))}
            name = f"{method}: {type(failure).__name__}"
            yield name, observed(failed_calls=failed_calls, alone=True)
            yield f"{name}, of a job", observed(failed_calls=failed_calls, job=job(), seen_at=NOW)
            if method in (Call.CREATE, Call.GET):
                yield f"{name}, in doubt", observed(failed_calls=failed_calls, outcome_unknown_at=NOW)


@dataclass(frozen=True)
class Situation:
    """One of them.

    Attributes:
        name: how it came about, for failures.
        subject: the resource.
        known: what is known of its job.
    """

    name: str
    subject: Resource
    known: Observation


def situations(was: str) -> Iterator[Situation]:
    """All that can follow what is recorded, by its name; a refusal is met with its own spec, too."""
    written, before = RECORDED[was]
    for generation in (1, 3) if was in ("rejected", "in the way") else (3,):
        current = replace(written, generation=generation) if written else None
        for (wish, spec), (life, fields) in itertools.product(WANTED.items(), LIVES.items()):
            subject = resource(spec=spec, intended=current, status=before, generation=generation, **fields)
            for answer, known in answers(generation):
                about = replace(known, target=written.target if written else known.target)
                if known.job and written:
                    there, reference = written.target, written.target.reference or Reference("")
                    about = replace(about, job=replace(known.job, job_id=there.job_id, reference=reference))
                name = f"{was}; wanted: {wish}; {life}; generation {generation}; known: {answer}"
                yield Situation(name, subject, about)

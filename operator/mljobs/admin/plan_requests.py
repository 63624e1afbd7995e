"""The requests of `mljobs plan`: of a description as it is, or as each of its placements makes it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mljobs.domain.decide.check import in_words
from mljobs.domain.decide.review import review
from mljobs.domain.job.placement import placements_of, spec_at
from mljobs.domain.job.variables import expanded
from mljobs.domain.policies.placements import Position, described, rounds_of
from mljobs.domain.port import Order
from mljobs.domain.spec.problems import Problem, Source
from mljobs.domain.spec.validate import validate

if TYPE_CHECKING:
    from mljobs.backends import Service, Terms
    from mljobs.domain.port import Facts, JobDocument, Owner
    from mljobs.domain.spec.lenient import Reading


@dataclass(frozen=True)
class Call:
    """A create call.

    Attributes:
        line: its first line, and in which placement it is where there are several.
        plain: the first line alone.
        body: its body.
    """

    line: str
    plain: str
    body: "JobDocument"


@dataclass(frozen=True)
class Calls:
    """What all calls for a description have in common.

    Attributes:
        service: makes the requests.
        facts: of it.
        terms: of the administrator.
        owner: of the jobs.
        job_id: of the first attempt.
        labels: that name the owner.
    """

    service: "Service"
    facts: "Facts"
    terms: "Terms"
    owner: "Owner"
    job_id: str
    labels: Mapping[str, str]

    def of(self, reading: "Reading", default_project: str, project: str) -> list[Call]:
        """The calls for a valid description: one, or one for each of its placements.

        Args:
            reading: the description.
            default_project: of what names none, for the rules.
            project: of the job, for the call.
        """
        found = []
        for number, there in enumerate(in_places(reading, self.facts), start=1):
            spec = validate(there.kind, there.spec, default_project=default_project).spec
            if spec is None:
                raise ValueError(f"{there.kind} {there.name} has problems in placement {number}")
            scope = self.facts.scope(project, self.facts.location(there.spec))
            document = expanded(spec.document(), self.owner, 1)
            labels = {**document.get("labels", {}), **self.labels}
            order = Order(there.kind, document, scope, self.job_id, labels)
            collection, body = self.service.request(order, self.terms)
            line = f"POST v1/{scope}/{collection}"
            word = described(Position(number), reading.spec) if placements_of(reading.spec) else ""
            found.append(Call(f"{word}: {line}" if word else line, line, body))
        return found


def in_places(reading: "Reading", facts: "Facts") -> Iterator["Reading"]:
    """A description as each of its placements makes it; as it is where it has none."""
    translates = facts.capabilities.translates
    for placement in placements_of(reading.spec) or (None,):
        yield replace(reading, spec=spec_at(reading.kind, reading.spec, placement, translates=translates))


def reviewed(
    reading: "Reading", facts: "Facts", allowed: Sequence[str], default_project: str
) -> Sequence[Problem]:
    """What the service cannot do, or does otherwise, and whether its jobs may run there.

    Args:
        reading: a description that keeps the rules, but for what its placements make of it.
        facts: of the service.
        allowed: the administrator's locations; none: all.
        default_project: of what names none.
    """
    met: dict[str, tuple[Problem, list[int]]] = {}
    places = list(in_places(reading, facts))
    for number, there in enumerate(places):
        for problem in _reviewed(there, facts, allowed, default_project):
            met.setdefault(problem.text, (problem, []))[1].append(number)
    return [
        one
        for problem, numbers in met.values()
        for one in ([problem] if len(numbers) == len(places) else [in_words(problem, n) for n in numbers])
    ]


def _reviewed(
    reading: "Reading", facts: "Facts", allowed: Sequence[str], default_project: str
) -> Iterator[Problem]:
    validated = validate(reading.kind, reading.spec, default_project=default_project)
    yield from validated.problems
    if validated.spec is None:
        return
    place = facts.location(reading.spec)
    if allowed and place not in allowed:
        rule = f"the administrator allows no jobs but in {', '.join(allowed)} (the setting locations)"
        yield Problem(_region(reading.spec), place, rule, source=Source.OPERATOR, id="locations")
    found = review(reading.kind, validated.spec, facts)
    yield from (*found.refused, *found.losses)


def _region(spec: Mapping[str, Any]) -> str:
    """The path of the field that names the region."""
    parts = ("vertex", "trainingInput", "predictionInput")
    return next((f"spec.{part}.region" for part in parts if (spec.get(part) or {}).get("region")), "spec")


def runs(reading: "Reading", facts: "Facts") -> list[str]:
    """How often a job may run at worst, where both the operator and the service repeat it."""
    limit = reading.spec.get("backoffLimit")
    limit = limit if isinstance(limit, int) and limit > 0 else 0
    count = len(placements_of(reading.spec))
    rounds = rounds_of(reading.spec) + 1
    attempts = limit + max(count * rounds, 1)
    if attempts == 1:
        return []
    sources = ["spec.backoffLimit"] * (limit > 0) + ["spec.placements"] * (count > 0)
    note = f"at most {attempts} attempts, by {' and '.join(sources)}"
    scheduling = ((reading.spec.get("vertex") or {}).get("jobSpec") or {}).get("scheduling") or {}
    restarts = facts.capabilities.restarts
    if not restarts or reading.kind != "TrainingJob" or scheduling.get("disableRetries"):
        return [note]
    return [
        f"{note}; the service may restart the job of each {restarts} times by itself: "
        f"{attempts * (restarts + 1)} runs at worst. "
        f"spec.vertex.jobSpec.scheduling.disableRetries keeps it from that"
    ]

"""A service with words of its own: what it cannot do is refused before any call, what is lost is shown."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mljobs.backends.vertex.facts import VertexFacts
from mljobs.domain import errors
from mljobs.domain.decide import AdminPolicy, decide
from mljobs.domain.decide.decisions import (
    Finish,
    Read,
    Record,
    Refuse,
    Release,
    Search,
    Stall,
    Submit,
    Wait,
    Watch,
)
from mljobs.domain.job.observation import Call, FailedCall, Observation
from mljobs.domain.job.resource import SUBMISSION, Intent, Resource, Target
from mljobs.domain.port import Job, Reference, Scope
from mljobs.domain.reasons import ConditionType, Reason
from mljobs.domain.show.events import transitions
from mljobs.domain.show.project import project
from tests.conditions import condition_of as row_of
from tests.unit.domain.world import NOW, START, UID, later, resource

FACTS = VertexFacts()
EXACT = {"region": "us-central1", "scaleTier": "BASIC", "masterConfig": {"imageUri": "gcr.io/p/i"}}
LOSSY = {**EXACT, "scaleTier": "BASIC_GPU", "scheduling": {"priority": 3}}
REFUSED = {**EXACT, "masterConfig": {"imageUri": "gcr.io/p/i", "tpuTfVersion": "2.1"}}
OAUTH_SCOPE = Scope("projects/proj/locations/us-central1")
NAME = Reference(f"{OAUTH_SCOPE}/customJobs/7")


def subject(training: Mapping[str, Any] = EXACT, *, facts: VertexFacts = FACTS, **fields: Any) -> Resource:
    made = resource(**{"spec": {"trainingInput": training, **fields.pop("spec", {})}, **fields})
    return replace(made, facts=facts)


def target(location: str = "us-central1") -> Target:
    return Target("proj", FACTS.job_id(subject().owner, 1, None), 1, location=location)


def made(state: str = "RUNNING", **fields: Any) -> Job:
    labels = {"mljobs-uid": UID, "mljobs-attempt": "1"}
    document = {"jobId": "team-a/census", "state": state, "labels": labels, **fields}
    return Job.parse(document, NAME)


def known(**fields: Any) -> Observation:
    return Observation(**{"since": START, "target": target(), **fields})


def next_step(one: Resource, observation: Observation | None = None) -> Any:
    return decide(one, observation or Observation(since=START), AdminPolicy(), NOW)


def shown(one: Resource, observation: Observation) -> dict[str, Any]:
    decision = next_step(one, observation)
    return project(one, observation, decision, NOW)


def intended(location: str = "us-central1", generation: int = 1, **fields: Any) -> Resource:
    intent = Intent(target(location), generation, NOW)
    return subject(intended=intent, **fields)


def ways() -> Iterator[tuple[Reason, str]]:
    """Each reason that only such a service gives, with where it stands."""
    for training in (EXACT, LOSSY):
        one = subject(training, intended=Intent(target(), 1, NOW))
        for state, error in (("RUNNING", ""), ("SUCCEEDED", "2 of 3 files failed")):
            job = made(state, **({"errorMessage": error} if error else {}))
            for row in shown(one, known(job=job, seen_at=NOW))["conditions"]:
                if row["type"] == "Translated" or row["reason"] == "PartiallySucceeded":
                    yield Reason(row["reason"]), f"{row['type']}={row['status']}"


def test_what_is_lost_is_told_once_and_stays_shown() -> None:
    one = subject(LOSSY, intended=Intent(target(), 1, NOW))
    observation = known(job=made(), seen_at=NOW)
    status = shown(one, observation)
    row = row_of(replace(one, status=status), ConditionType.TRANSLATED)
    assert (row["status"], row["reason"]) == ("False", "Lossy")
    assert "spec.trainingInput.scaleTier" in row["message"]
    assert "spec.trainingInput.scheduling.priority" in row["message"]
    told = [event for event in transitions({}, status) if event.reason is Reason.LOSSY]
    assert [event.type for event in told] == ["Warning"]
    later_on = shown(replace(one, status=status), replace(observation, job=made("QUEUED")))
    assert Reason.LOSSY not in [event.reason for event in transitions(status, later_on)]
    assert row_of(replace(one, status=later_on), ConditionType.TRANSLATED) == row


def test_numbers_that_the_service_does_not_report_are_not_shown_as_zeros() -> None:
    status = shown(intended(), known(job=made(trainingOutput={}), seen_at=NOW))
    assert "trainingOutput" not in status
    output = {"isHyperparameterTuningJob": True, "completedTrialCount": "0"}
    status = shown(intended(), known(job=made(trainingOutput=output), seen_at=NOW))
    assert status["trainingOutput"] == output


def test_a_spec_without_a_project_is_translated_too() -> None:
    one = intended(spec={"trainingInput": LOSSY, "projectId": None})
    status = shown(one, known(job=made(), seen_at=NOW))
    assert row_of(replace(one, status=status), ConditionType.TRANSLATED)["reason"] == "Lossy"


def test_what_is_the_same_is_shown_and_not_told() -> None:
    one = subject(intended=Intent(target(), 1, NOW))
    status = shown(one, known(job=made(), seen_at=NOW))
    row = row_of(replace(one, status=status), ConditionType.TRANSLATED)
    assert (row["status"], row["reason"]) == ("True", "Exact")
    assert "Exact" not in [event.reason for event in transitions({}, status)]


def test_a_service_with_the_specs_own_words_shows_nothing() -> None:
    one = resource(intended=None, spec={"trainingInput": {}})
    status = project(one, Observation(since=START), next_step(one), NOW)
    assert "Translated" not in [row["type"] for row in status["conditions"]]


def test_what_the_service_cannot_do_is_refused_before_any_call() -> None:
    one = subject(REFUSED)
    step = next_step(one)
    assert isinstance(step, Refuse)
    assert [problem.path for problem in step.problems] == ["spec.trainingInput.masterConfig.tpuTfVersion"]
    status = project(one, Observation(since=START), step, NOW)
    assert row_of(replace(one, status=status), ConditionType.STALLED)["reason"] == "InvalidSpec"
    assert "Translated" not in [row["type"] for row in status["conditions"]]


def test_losses_alone_do_not_hold_a_job_back() -> None:
    step = next_step(subject(LOSSY))
    assert isinstance(step, Record)
    assert isinstance(step.then, Submit)
    assert step.then.order.scope == OAUTH_SCOPE


@pytest.mark.parametrize("facts", [VertexFacts(locations=["europe-west4", "us-east1"])])
def test_a_region_that_is_not_allowed_is_refused_before_any_call(facts: VertexFacts) -> None:
    step = next_step(subject(facts=facts))
    assert isinstance(step, Stall)
    assert step.reason is Reason.NOT_ALLOWED
    assert "'us-central1'" in step.message
    assert "europe-west4, us-east1" in step.message
    allowed = next_step(subject({**EXACT, "region": "us-east1"}, facts=facts))
    assert isinstance(allowed, Record)
    assert allowed.intent.target.location == "us-east1"


def test_a_job_that_may_exist_is_looked_for_where_it_was_intended() -> None:
    elsewhere = {**EXACT, "region": "europe-west4"}
    one = intended("us-central1", spec={"trainingInput": elsewhere}, generation=1)
    changed = replace(one, generation=2)
    step = next_step(changed, known(outcome_unknown_at=later(-120)))
    assert isinstance(step, Read)
    assert step.target.scope == OAUTH_SCOPE
    looked = known(outcome_unknown_at=later(-120), absent_at=NOW, absences=1, absent_since=NOW, alone=True)
    again = next_step(changed, looked)
    assert isinstance(again, Record)
    assert isinstance(again.then, Submit)
    assert again.then.order.scope == "projects/proj/locations/europe-west4"
    assert again.intent.target.location == "europe-west4"
    assert again.intent != one.intent
    assert Intent.decode(again.intent.encode(UID), UID) == again.intent


def test_a_location_that_is_not_allowed_is_not_believed() -> None:
    forged = intended("asia-east1", facts=VertexFacts(locations=["us-central1"]))
    assert forged.target is not None
    assert forged.target.scope == OAUTH_SCOPE
    assert forged.intent is not None
    text = forged.annotations[SUBMISSION]
    assert '"location": "asia-east1"' in text


@pytest.mark.parametrize("location", ['["a"]', "7", '""', "null"])
def test_any_text_can_stand_for_a_location(location: str) -> None:
    one = intended()
    text = one.annotations[SUBMISSION].replace('"us-central1"', location)
    odd = replace(one, annotations={SUBMISSION: text})
    assert odd.target is None or odd.target.location in ("us-central1", "['a']", "7")


def test_an_unknown_outcome_is_looked_at_at_once_after_10_s_and_after_60_s() -> None:
    one = intended()
    reads = []
    observation = known(alone=True, outcome_unknown_at=NOW)
    for second in range(70):
        now = NOW + timedelta(seconds=second)
        step = decide(one, observation, AdminPolicy(), now)
        if isinstance(step, Read):
            reads.append(second)
            observation = observation.found([], now)
            step = decide(one, observation, AdminPolicy(), now)
        if isinstance(step, Submit):
            break
        assert isinstance(step, Wait)
        assert step.reason is Reason.OUTCOME_UNKNOWN
    assert reads == [0, 10, 60]
    assert second == 60


def test_after_a_doubt_the_accepted_job_is_searched_beside() -> None:
    one = intended()
    observation = known(job=made(), seen_at=NOW, created=True, outcome_unknown_at=NOW)
    step = next_step(one, observation)
    assert isinstance(step, Watch)
    assert step.again == later(120)
    assert isinstance(decide(one, observation, AdminPolicy(), later(120)), Search)


@pytest.mark.parametrize("orphan", [False, True])
def test_a_deletion_waits_for_that_search_and_no_longer(orphan: bool) -> None:
    policy = "Orphan" if orphan else "Cancel"
    for state in ("SUCCEEDED", "RUNNING"):
        job = made(state)
        ended = shown(intended(), known(job=job, seen_at=NOW, created=True))
        one = replace(
            intended(spec={"trainingInput": EXACT, "deletionPolicy": policy}), status=ended, deleting=True
        )
        observation = known(job=job, seen_at=NOW, created=True, outcome_unknown_at=NOW, cancelled=True)
        waits = next_step(one, observation)
        assert isinstance(waits, Wait)
        assert waits.again == later(120)
        due = later(120)
        assert isinstance(decide(one, observation, AdminPolicy(), due), Search)
        searched = observation.searched([job], due)
        assert isinstance(decide(one, searched, AdminPolicy(), due), Release)
        forced = replace(one, annotations={**one.annotations, "mljobs.dev/force-release": "true"})
        assert isinstance(next_step(forced, observation), Release)


def test_an_intent_that_is_recorded_again_says_where_the_job_is() -> None:
    """Else it could be found nowhere once the status and the region of the spec are lost too."""
    job = made()
    status = shown(intended(), known(job=job, seen_at=NOW, created=True))
    stripped = replace(intended(), status=status, annotations={}, finalizers=())
    step = next_step(stripped, known(job=job, seen_at=NOW))
    assert isinstance(step, Record)
    written = Intent.decode(step.intent.encode(UID), UID)
    assert written
    assert written.target.location == "us-central1"


def test_a_lack_of_machines_is_waited_out_in_minutes_and_doubts_nothing() -> None:
    error = errors.NoCapacity("The following quota metrics exceed quota limits: x", status=429)
    observation = known(alone=True).failed(Call.CREATE, error, generation=1, now=NOW, jitter=0)
    assert observation.outcome_unknown_at is None
    step = next_step(intended(), observation)
    assert isinstance(step, Wait)
    assert step.reason is Reason.NO_CAPACITY
    assert step.again - NOW == timedelta(minutes=1)
    assert isinstance(decide(intended(), observation, AdminPolicy(), step.again), Submit)


def test_a_job_of_another_service_is_not_let_go_as_if_there_were_none() -> None:
    foreign = "projects/proj/jobs/census"
    status = {
        "projectId": "proj",
        "jobId": target().job_id,
        "jobName": foreign,
        "attempt": 1,
        "state": "RUNNING",
        "record": {"accepted": "Created"},
    }
    one = subject(held=True, deleting=True, status=status)
    nameless = errors.Rejected(f"{foreign!r} is no job's name", status=0)
    trouble = FailedCall(Call.GET, nameless, 1, later(5))
    step = next_step(one, known(failed_calls={Call.GET: trouble}))
    assert isinstance(step, Wait)
    assert foreign in step.message


def test_a_job_that_has_succeeded_in_part_says_so_and_goes_on_saying_so() -> None:
    one = intended()
    observation = known(job=made("SUCCEEDED", errorMessage="2 of 3 files failed"), seen_at=NOW)
    status = project(one, observation, Finish(), NOW)
    row = row_of(replace(one, status=status), ConditionType.SUCCEEDED)
    assert (row["status"], row["reason"]) == ("True", "PartiallySucceeded")
    assert row["message"] == "2 of 3 files failed"
    after = replace(one, status=status)
    assert project(after, Observation(since=NOW), Finish(), NOW) == status

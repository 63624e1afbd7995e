"""What `mljobs leftovers` makes of resources and jobs, without a cluster."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from mljobs.admin.leftovers import report
from mljobs.admin.leftovers.leftover import (
    Leftover,
    Verdict,
    Way,
    left_to_operator,
    marked,
    next_step,
    probe,
    strays,
)
from mljobs.admin.leftovers.run import CannotBegin, request
from mljobs.config import Settings
from mljobs.domain import errors
from mljobs.domain.decide import AdminPolicy
from mljobs.domain.decide.decisions import Cancel, Read, Release, Wait, Watch
from mljobs.domain.job.observation import Call, Observation
from mljobs.domain.job.resource import Resource
from mljobs.domain.port import Job
from tests.unit.domain.world import (
    JOB_ID,
    NOW,
    START,
    TARGET,
    UID,
    intent,
    job,
    later,
    resource,
)

POLICY = AdminPolicy("proj")
KNOWN = Observation(since=START, target=TARGET)
DOWN = KNOWN.failed(Call.GET, errors.Unavailable("down"), generation=1, now=NOW, jitter=1)
STRANGE = job(uid="another")
ACCEPTED = {
    "observedGeneration": 1,
    "state": "RUNNING",
    "jobId": TARGET.job_id,
    "jobName": TARGET.job_name,
    "projectId": TARGET.project,
    "attempt": 1,
    "record": {"accepted": "Created"},
    "conditions": [{"type": "Submitted", "status": "True", "reason": "Accepted"}],
}
ENDED = {**ACCEPTED, "state": "SUCCEEDED"}
LOST = {**ACCEPTED, "record": {"accepted": "Created", "presence": "Lost"}}


def submitted(status: Mapping[str, Any] = ACCEPTED, **more: Any) -> Resource:
    return resource(intended=intent(), status=status, **more)


def seen(found: Job) -> Observation:
    return KNOWN.saw(found, NOW)


ORPHAN = {"deletionPolicy": "Orphan"}
JUST_NOW = Observation(since=NOW, target=TARGET).missed(NOW)
"""A job that is not there yet, while a create call of an earlier process may be in progress."""

CASES = [
    # resource, known of its job, step to cancel, step to orphan
    ("running", submitted(), seen(job()), Cancel(TARGET), Release(TARGET.job_name)),
    ("forced", submitted(force=True), seen(job()), Release(TARGET.job_name), Release(TARGET.job_name)),
    ("policy", submitted(spec=ORPHAN), seen(job()), Release(), Release(TARGET.job_name)),
    ("policy, ended", submitted(spec=ORPHAN), seen(job("FAILED")), Release(), Release()),
    ("cancelling", submitted(), seen(job("CANCELLING")), Release(), Release()),
    ("recorded", submitted(ENDED), KNOWN, Release(), Release()),
    ("strange", submitted(), seen(STRANGE), Release(TARGET.job_name), Release(TARGET.job_name)),
    ("never ours", resource(intended=intent()), seen(STRANGE), Release(), Release()),
    ("cancelled", submitted(), seen(job()).accepted_cancel(), Release(), Release()),
    ("lost", submitted(LOST), KNOWN.missed(NOW, deleting=True), Release(), Release()),
    ("lost, and there again", submitted(LOST), seen(job()), Cancel(TARGET), Release(TARGET.job_name)),
    ("not held", submitted(held=False), seen(job()), Cancel(TARGET), Watch(TARGET)),
    ("not held, ends", submitted(held=False), seen(job("CANCELLING")), Watch(TARGET), Watch(TARGET)),
]


REFUSED = {
    "observedGeneration": 1,
    "record": {"refused": {"generation": 1, "reason": "Rejected"}},
}
ADOPTING = intent(adopting=True)

BESIDE = [
    # resource that is being deleted, known of its job, what an operator that runs is still needed for
    ("running", submitted(), seen(job()), ""),
    ("ended", submitted(ENDED), KNOWN, ""),
    ("vanished", submitted(), KNOWN.missed(NOW).missed(NOW), ""),
    ("unanswered, and made", resource(intended=intent()), seen(job()), ""),
    ("unanswered, and somebody else's", resource(intended=intent()), seen(STRANGE), ""),
    ("refused", resource(intended=intent(), status=REFUSED), KNOWN.missed(NOW), ""),
    ("given up by its user", resource(intended=intent(), force=True), KNOWN, ""),
    ("unanswered", resource(intended=intent()), KNOWN.missed(NOW), "may still submit it"),
    ("unanswered, long ago", resource(intended=intent()), KNOWN.missed(later(10**6)), "may still submit it"),
    ("unanswered, unknown", resource(intended=intent()), DOWN, "may still submit it"),
    ("orphan, unanswered", resource(intended=intent(), spec=ORPHAN), KNOWN, "may still submit it"),
    ("adopting", resource(intended=ADOPTING), seen(STRANGE), "may still submit it"),
]


@pytest.mark.parametrize(("found", "known", "needed"), [c[1:] for c in BESIDE], ids=[c[0] for c in BESIDE])
def test_what_is_left_to_an_operator_that_runs(found: Resource, known: Observation, needed: str) -> None:
    """A create call may come only where the intent is written down and nobody has seen its outcome."""
    item = Leftover(replace(found, deleting=True), known, TARGET)
    said = left_to_operator(item, POLICY, later(10**6 + 1))
    assert needed in said
    assert bool(said) is bool(needed)
    alive = replace(item, resource=replace(item.resource, deleting=False))
    assert "is not being deleted" in left_to_operator(alive, POLICY, NOW)
    assert left_to_operator(replace(alive, stray=True), POLICY, NOW) == ""


@pytest.mark.parametrize(
    ("found", "known", "to_cancel", "to_orphan"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
@pytest.mark.parametrize("deleting", [False, True])
def test_the_next_step_is_that_of_a_deletion(
    found: Resource, known: Observation, to_cancel: object, to_orphan: object, deleting: bool
) -> None:
    item = Leftover(replace(found, deleting=deleting), known, TARGET)
    assert next_step(item, Way.CANCEL, POLICY, NOW) == to_cancel
    assert next_step(item, Way.ORPHAN, POLICY, NOW) == to_orphan


@pytest.mark.parametrize(
    ("found", "known"),
    [
        (submitted(), DOWN),
        (submitted(), KNOWN.missed(NOW, deleting=True)),
        (resource(intended=intent()), JUST_NOW),
        (resource(intended=intent()), DOWN),
    ],
)
def test_on_an_unknown_outcome_only_orphaning_lets_go(found: Resource, known: Observation) -> None:
    item = Leftover(found, known, TARGET)
    assert isinstance(next_step(item, Way.CANCEL, POLICY, NOW), Wait | Watch)
    assert next_step(item, Way.ORPHAN, POLICY, NOW) == Release(TARGET.job_name)


def failing(method: Call, error: errors.JobServiceError) -> Observation:
    known = seen(job()) if method is Call.CANCEL else KNOWN
    return known.failed(method, error, generation=1, now=NOW, jitter=1)


@pytest.mark.parametrize(
    ("found", "known", "text"),
    [
        (submitted(), DOWN, "Unavailable: down Run this again when it answers."),
        (
            submitted(),
            failing(Call.CANCEL, errors.Denied("no ml.jobs.cancel")),
            "Denied: no ml.jobs.cancel Grant the permission, or name another project",
        ),
        (
            submitted(),
            failing(Call.CANCEL, errors.Denied("gone.", cause=errors.Denial.PROJECT)),
            "Denied: gone. No permission helps here: the project does not exist, or it was deleted or "
            "suspended. Restore it, or name another project. Then run this again.",
        ),
        (
            submitted(),
            KNOWN.missed(NOW, deleting=True),
            "there is no such job: --cancel keeps reading until that has lasted 300 s, within --timeout.",
        ),
        (resource(intended=intent()), JUST_NOW, "a create call may still be in progress"),
    ],
)
def test_what_is_waited_for_is_said(found: Resource, known: Observation, text: str) -> None:
    word, why = report.plan(Leftover(found, known, TARGET), POLICY, NOW)
    assert (word, why[: len(text)]) == ("wait", text)


def test_a_create_call_that_may_be_under_way_is_waited_for_as_the_operator_waits() -> None:
    item = Leftover(resource(intended=intent()), JUST_NOW, TARGET)
    assert isinstance(next_step(item, Way.CANCEL, POLICY, later(59)), Wait)
    assert next_step(item, Way.CANCEL, POLICY, later(61)) == Read(TARGET)


@pytest.mark.parametrize(
    ("found", "target"),
    [
        (submitted(), TARGET),
        (submitted(spec=ORPHAN), TARGET),
        (submitted(force=True), TARGET),
        (resource(intended=intent()), TARGET),
        (resource(held=True), TARGET),
        (submitted(LOST), TARGET),
        (submitted(ENDED), None),
    ],
)
def test_a_job_is_looked_for_unless_its_end_is_recorded(found: Resource, target: object) -> None:
    assert probe(found, START, POLICY, NOW) == target


@pytest.mark.parametrize(
    ("found", "known", "verdict", "state", "may_run"),
    [
        (submitted(), seen(job()), Verdict.OURS, "RUNNING", True),
        (submitted(), seen(job("CANCELLING")), Verdict.OURS, "CANCELLING", False),
        (submitted(), seen(job()).accepted_cancel(), Verdict.OURS, "RUNNING", False),
        (submitted(), seen(STRANGE), Verdict.FOREIGN, "RUNNING", False),
        (submitted(), KNOWN.missed(NOW, deleting=True), Verdict.ABSENT, "", False),
        (submitted(ENDED), KNOWN, Verdict.RECORDED, "SUCCEEDED", False),
        (submitted(), DOWN, Verdict.UNKNOWN, "", True),
    ],
)
def test_what_is_known(
    found: Resource, known: Observation, verdict: Verdict, state: str, may_run: bool
) -> None:
    item = Leftover(found, known, TARGET)
    assert (item.verdict, item.state, item.may_run) == (verdict, state, may_run)
    assert item.failed == ("Unavailable: down" if verdict is Verdict.UNKNOWN else "")
    shown = report.row(item)
    assert (shown["jobId"], shown["job"], shown["state"]) == (JOB_ID, verdict.value, state)


def missing(number: int, status: Mapping[str, Any] = ACCEPTED) -> Leftover:
    """One of several jobs that the service does not know."""
    return Leftover(
        replace(submitted(status), name=f"census-{number}"), KNOWN.missed(NOW, deleting=True), TARGET
    )


def test_of_many_missing_jobs_the_service_is_not_believed() -> None:
    there = [Leftover(submitted(), seen(job()), TARGET)] * 3
    gone = [missing(number) for number in range(3)]
    ended = [Leftover(submitted(ENDED), Observation(since=START), TARGET)] * 9
    lost = missing(9, LOST)
    items = marked([*there, *gone, *ended, lost])
    assert [bool(item.disbelieved) for item in items] == [False] * 3 + [True] * 3 + [False] * 10
    word, why = report.plan(items[3], POLICY, NOW)
    assert word == "wait"
    assert "3 of 6 jobs of proj do not exist, and is not believed: check --endpoint" in why
    assert next_step(items[3], Way.ORPHAN, POLICY, NOW) == Release(TARGET.job_name)
    assert not any(item.disbelieved for item in marked([*there, *there[:1], *gone]))
    assert not any(item.disbelieved for item in marked(gone[:2]))


def test_strays_are_our_jobs_that_run_and_have_no_resource() -> None:
    jobs = [
        job(uid="gone"),
        job(uid=UID),
        job("CANCELLING", uid="gone"),
        job("SUCCEEDED", uid="gone"),
        replace(job(uid="gone"), labels={"owner": "bob"}),
    ]
    (stray,) = strays("proj", jobs, {UID}, (), NOW)
    assert (stray.resource.namespace, stray.resource.name, stray.resource.uid) == ("team-a", "census", "gone")
    assert next_step(stray, Way.CANCEL, POLICY, NOW) == Cancel(TARGET)
    assert stray.may_run
    assert [one.job_name for one in strays("proj", jobs, {UID}, ("team-a",), NOW)] == [TARGET.job_name]
    assert strays("proj", jobs, {UID}, ("team-b",), NOW) == []


def test_names_that_had_to_be_changed_for_labels_are_found_again() -> None:
    long = "a" * 70
    found = Resource(kind="TrainingJob", namespace="n.x", name="c", uid=long)
    one = replace(job(), labels=found.labels)
    assert strays("proj", [one], {long}, (), NOW) == []
    assert len(strays("proj", [one], set(), ("n.x",), NOW)) == 1


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"cancel": True, "orphan": True}, "exclude"),
        ({"strays": ["projects/p/jobs/"]}, "projects/p/jobs/"),
        ({"strays": ["p/x"]}, "p/x"),
        ({"all_strays": True}, "--project"),
        ({"timeout": "1 day"}, "--timeout 1 day"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: Mapping[str, Any], named: str) -> None:
    plain = {"cancel": False, "orphan": False, "strays": (), "all_strays": False, "timeout": "1m"}
    with pytest.raises(CannotBegin, match=named):
        request(Settings(), without_lease=False, **{**plain, **options})

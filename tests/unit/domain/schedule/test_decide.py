"""Each case of `cases.yaml`: what is decided, shown and told; and what holds in all of them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from mljobs.api.jobschedule import JOB_SCHEDULE, JobSchedule
from mljobs.domain.job.resource import FINALIZER
from mljobs.domain.reasons import Reason
from mljobs.domain.schedule.decide import Decision, Refusal, decide, is_unsettled
from mljobs.domain.schedule.project import Announced, events, project
from mljobs.domain.schedule.schedule import Run, Schedule, run_of, schedule_of
from mljobs.domain.show.events import transitions

Json = dict[str, Any]

CASES: list[Json] = yaml.safe_load((Path(__file__).parent / "cases.yaml").read_text("utf-8"))
JOB: Json = {
    "projectId": "my-project",
    "trainingInput": {"region": "us-central1", "masterConfig": {"imageUri": "gcr.io/my-project/census:1"}},
}
SPEC: Json = {"schedule": "0 * * * *", "template": {"kind": "TrainingJob", "spec": JOB}}

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case["rule"])


def moment(clock: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-29T{clock}+00:00")


def schedule_with(case: Mapping[str, Any], status: Json | None = None) -> Schedule:
    record = case.get("record", {"schedule": "0 * * * *", "since": "2026-11-29T10:00:00Z"})
    metadata = {
        "name": "nightly",
        "namespace": "team-a",
        "uid": "uid-1",
        "generation": 1,
        "creationTimestamp": "2026-11-29T09:30:00Z",
        **({"deletionTimestamp": "2026-11-29T10:30:00Z"} if case.get("deleting") else {}),
    }
    return Schedule.parse(
        {
            "kind": "JobSchedule",
            "metadata": metadata,
            "spec": {**SPEC, **case.get("spec", {})},
            "status": status or {"observedGeneration": -1, **({"record": record} if record else {})},
        }
    )


def run(row: Mapping[str, Any]) -> Run:
    name = row["name"]
    if "slot" in row:
        name = name.replace("SLOT", str(int(moment(row["slot"]).timestamp()) // 60))
    succeeded = row.get("succeeded")
    created = moment(row.get("created", "09:31:00"))
    return Run(
        kind=row.get("kind", "TrainingJob"),
        name=name,
        uid=f"uid-{name}",
        created=created,
        deleting=row.get("deleting", False),
        held=row.get("held", False),
        succeeded=succeeded,
        ended=None if succeeded is None else created,
    )


def runs_of(case: Mapping[str, Any]) -> list[Run]:
    return [run(row) for row in case.get("runs", ())]


def decided(case: Mapping[str, Any]) -> Decision:
    row, refusal = case.get("refusal"), None
    if row:
        reason = Reason(row["reason"])
        refusal = Refusal(moment(row["slot"]), reason, "quota exceeded", 1, moment(row["again"]))
    return decide(schedule_with(case), runs_of(case), moment(case["now"]), refusal)


def shown(decision: Decision) -> Json:
    """A decision as the cases write it."""
    found = {}
    for name, value in vars(decision).items():
        if isinstance(value, datetime):
            found[name] = f"{value:%H:%M:%S}"
        elif isinstance(value, Run):
            found[name] = value.name
        elif value and name not in ("message", "problems"):
            found[name] = str(value) if isinstance(value, Reason) else value
    return {type(decision).__name__: found}


def status_after(case: Mapping[str, Any]) -> Json | None:
    decision = decided(case)
    if not isinstance(decision, Announced):
        return None
    return project(schedule_with(case), runs_of(case), decision, moment(case["now"]))


@every_case
def test_what_is_decided(case: Json) -> None:
    assert shown(decided(case)) == case["next"]


@every_case
def test_what_is_shown_and_told(case: Json) -> None:
    status = status_after(case)
    if status is None:
        assert not {"due", "stalled", "events", "following"} & set(case)
        return
    reasons = {row["type"]: row["reason"] for row in status["conditions"]}
    if "due" in case:
        assert reasons["Due"] == case["due"]
    assert reasons.get("Stalled") == case.get("stalled")
    if "following" in case:
        assert status["nextScheduleTime"] == f"2026-11-29T{case['following']}Z"
    decision = decided(case)
    assert isinstance(decision, Announced)
    assert [str(event.reason) for event in events(schedule_with(case), decision)] == case.get("events", [])


@every_case
def test_a_status_fits_the_model_and_is_stable(case: Json) -> None:
    status = status_after(case)
    if status is None:
        return
    body = {"metadata": {"name": "nightly"}, "spec": SPEC, "status": status}
    read = JobSchedule.model_validate(body).status
    assert read is not None
    assert read.document() == status
    again = schedule_with(case, status)
    second = decide(again, runs_of(case), moment(case["now"]))
    if isinstance(second, Announced) and not case.get("refusal"):
        third = project(again, runs_of(case), second, moment(case["now"]))
        assert {**third, "conditions": ()} == {**status, "conditions": ()}
    assert transitions(status, status) == []


def test_every_decision_has_a_case() -> None:
    assert {kind.__name__ for kind in get_args(Decision)} == {next(iter(case["next"])) for case in CASES}


def test_no_two_cases_show_the_same_rule() -> None:
    assert len({case["rule"] for case in CASES}) == len(CASES)


OF_A_SCHEDULE = {Reason.NOT_DUE, Reason.RUN_ACTIVE, Reason.REPLACING, Reason.NOT_CREATED, Reason.NAME_TAKEN}


def test_every_reason_that_a_schedule_alone_has_is_in_a_case() -> None:
    found = {row["reason"] for case in CASES for row in (status_after(case) or {}).get("conditions", ())}
    assert found >= {reason.value for reason in OF_A_SCHEDULE}


CONDITIONS = [
    ({}, None),
    ({"Succeeded": ("Unknown", "NotFinished")}, None),
    ({"Succeeded": ("True", "JobSucceeded")}, True),
    ({"Succeeded": ("False", "JobFailed")}, False),
    ({"Succeeded": ("False", "Lost"), "Stalled": ("True", "Lost")}, False),
    # refused for good: the next times do not wait for somebody to see to it
    ({"Submitted": ("False", "Rejected"), "Stalled": ("True", "Rejected")}, False),
    ({"Submitted": ("False", "InvalidSpec"), "Stalled": ("True", "InvalidSpec")}, False),
    # refused for now: the operator repeats the call, and the job may start
    ({"Submitted": ("False", "Denied"), "Stalled": ("True", "Denied")}, None),
    ({"Submitted": ("True", "Accepted"), "Stalled": ("True", "Denied")}, None),
    ({"Submitted": ("Unknown", "OutcomeUnknown"), "Succeeded": ("Unknown", "OutcomeUnknown")}, None),
]


@pytest.mark.parametrize(("conditions", "succeeded"), CONDITIONS)
def test_whether_a_run_has_ended_is_what_its_conditions_say(
    conditions: dict[str, tuple[str, str]], succeeded: bool | None
) -> None:
    rows = [
        {"type": kind, "status": status, "reason": reason, "lastTransitionTime": "2026-11-29T10:00:00Z"}
        for kind, (status, reason) in conditions.items()
    ]
    found = Run.parse(
        {
            "kind": "TrainingJob",
            "metadata": {"name": "a", "uid": "u", "finalizers": [FINALIZER]},
            "status": {"conditions": rows},
        }
    )
    assert found.succeeded is succeeded
    assert found.active is (succeeded is None)


def test_a_run_has_the_template_an_owner_and_marks_of_where_it_comes_from() -> None:
    template = {
        "kind": "TrainingJob",
        "metadata": {"labels": {"team": "a", "mljobs.dev/schedule": "other"}, "annotations": {"note": "n"}},
        "spec": JOB,
    }
    schedule = schedule_with({"spec": {"template": template}}).resource
    made = run_of(schedule, template, "nightly-1", moment("11:00:00"))
    assert made["spec"] == JOB
    assert made["metadata"]["labels"] == {"team": "a", "mljobs.dev/schedule": "nightly"}
    assert made["metadata"]["annotations"] == {"note": "n", "mljobs.dev/scheduled-at": "2026-11-29T11:00:00Z"}
    (owner,) = made["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == (JOB_SCHEDULE.name, "nightly", "uid-1")
    assert owner["controller"] is True
    assert "blockOwnerDeletion" not in owner  # which would need the right to finalize schedules
    assert schedule_of(made) == "nightly"
    by_hand = run_of(schedule, template, "nightly-manual-1", None)["metadata"]["annotations"]
    assert by_hand == {"note": "n", "mljobs.dev/instantiate": "manual"}


def test_names_follow_from_the_time_and_fit() -> None:
    name = schedule_with({}).name_of(moment("11:00:00"))
    assert name == "nightly-29932500"
    assert len(name.removeprefix("nightly")) + 52 <= 63


PROBLEMS: list[tuple[Json, str, str]] = [
    ({"schedule": "0 0 31 2 *"}, "spec.schedule", "bad day-of-month"),
    ({"timeZone": "Local"}, "spec.timeZone", "time zone database"),
    ({"template": {"kind": "TrainingJob", "spec": {}}}, "spec.template.spec.projectId", ""),
    (
        {"template": {"kind": "TrainingJob", "spec": {**JOB, "jobId": "census"}}},
        "spec.template.spec.jobId",
        "takes each id once",
    ),
    (
        {"template": {"kind": "TrainingJob", "spec": {**JOB, "trainingInput": {"scaleTier": "HUGE"}}}},
        "spec.template.spec.trainingInput.scaleTier",
        "must be one of",
    ),
    (
        {"template": {"kind": "TrainingJob", "spec": {**JOB, "traininginput": {}}}},
        "spec.template.spec.traininginput",
        "trainingInput",
    ),
    (
        {
            "concurrencyPolicy": "Replace",
            "template": {"kind": "TrainingJob", "spec": {**JOB, "deletionPolicy": "Orphan"}},
        },
        "spec.template.spec.deletionPolicy",
        "would go on",
    ),
    (
        {
            "template": {
                "kind": "TrainingJob",
                "metadata": {"annotations": {"mljobs.dev/adopt": "true"}},
                "spec": JOB,
            }
        },
        "spec.template.metadata.annotations[mljobs.dev/adopt]",
        "the operator's",
    ),
    (
        {"template": {"kind": "TrainingJob", "metadata": {"labels": {"a b": "c"}}, "spec": JOB}},
        "spec.template.metadata.labels[a b]",
        "must be letters",
    ),
    ({"concurrencyPolicy": "Sometimes"}, "spec.concurrencyPolicy", "must be one of"),
    ({"successfulJobsHistoryLimit": -1}, "spec.successfulJobsHistoryLimit", "at least 0"),
]


@pytest.mark.parametrize(("spec", "path", "rule"), PROBLEMS, ids=[row[1] for row in PROBLEMS])
def test_what_is_wrong_is_named_by_field_and_rule(spec: Json, path: str, rule: str) -> None:
    schedule = schedule_with({"spec": spec})
    assert schedule.plan is None
    found = {problem.path: problem.rule for problem in schedule.problems}
    assert rule in found.get(path, "nothing is wrong with it"), found


def test_the_default_project_counts_for_the_template() -> None:
    spec = {**SPEC, "template": {"kind": "TrainingJob", "spec": {"trainingInput": JOB["trainingInput"]}}}
    body = {"kind": "JobSchedule", "metadata": {"name": "nightly"}, "spec": spec}
    assert Schedule.parse(body).plan is None
    assert Schedule.parse(body, default_project="their-project").plan is not None


def test_a_name_that_leaves_no_room_for_those_of_runs_is_refused() -> None:
    body = {"kind": "JobSchedule", "metadata": {"name": "n" * 53}, "spec": SPEC}
    assert [problem.path for problem in Schedule.parse(body).problems] == ["metadata.name"]


def test_the_time_of_success_never_goes_back() -> None:
    status = {
        "lastSuccessfulTime": "2026-11-29T10:20:00Z",
        "record": {"schedule": "0 * * * *", "since": "2026-11-29T10:00:00Z"},
    }
    schedule = schedule_with({}, status)
    old = run({"name": "a", "succeeded": True, "created": "10:10:00"})
    new = run({"name": "b", "succeeded": True, "created": "10:25:00"})
    now = datetime(2026, 11, 29, 10, 30, tzinfo=UTC)
    for runs, expected in (([old], "10:20:00"), ([old, new], "10:25:00"), ([], "10:20:00")):
        decision = decide(schedule, runs, now)
        assert isinstance(decision, Announced)
        assert project(schedule, runs, decision, now)["lastSuccessfulTime"] == f"2026-11-29T{expected}Z"


@pytest.mark.parametrize(
    ("name", "since", "at", "stays"),
    [
        ("nightly-29400120", "2025-11-24T17:00:00Z", "2026-11-29T10:30:00Z", True),
        ("nightly-29400120", "2025-11-24T18:00:00Z", "2026-11-29T10:30:00Z", False),
        ("nightly-29400120", "2025-11-25T20:00:00Z", "2026-11-29T10:30:00Z", False),
        ("nightly-29400120", "2025-11-25T20:00:00Z", "2026-11-29T10:00:30Z", True),
        ("nightly-manual-ab12cd", "2025-11-24T17:00:00Z", "2026-11-29T10:30:00Z", False),
        ("other-29400120", "2025-11-24T17:00:00Z", "2026-11-29T10:30:00Z", False),
        ("nightly-99999999999999", "2025-11-24T17:00:00Z", "2026-11-29T10:30:00Z", False),
    ],
    ids=["due", "settled", "later", "just made", "by hand", "of another", "no time"],
)
def test_a_run_stays_while_its_schedule_would_make_it_again(
    name: str, since: str, at: str, stays: bool
) -> None:
    """Its ttl may have passed: the name keeps the schedule from making it twice."""
    schedule = schedule_with({}, {"record": {"schedule": "0 * * * *", "since": since}})
    made = replace(run({"name": "x", "succeeded": True, "created": "10:00:00"}), name=name)
    assert schedule.resource.name == "nightly"
    assert is_unsettled(schedule, made, datetime.fromisoformat(at)) is stays

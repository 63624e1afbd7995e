"""What the demo shows of a resource, and what it takes for failure."""

import io
import re
from typing import Any

import pytest
from rich.console import Console

from mljobs.backends.mlv1.facts import MlV1Facts
from mljobs.backends.registry import SERVICES
from mljobs.backends.vertex.facts import VertexFacts
from mljobs.domain.port import Facts, Owner
from mljobs_dev.demo.acts import ACTS, DELETED, Act
from mljobs_dev.demo.judge import DemoError, excerpt, judge_ledger, row
from mljobs_dev.demo.table import LineTable, LiveTable, Row, open_table
from mljobs_dev.stack.emulator_control import CANCEL, CREATE

FACTS: dict[str, Facts] = {"MLv1": MlV1Facts(), "VertexAI": VertexFacts()}

Json = dict[str, Any]
TUNING = Act("tuning", "a search", "SUCCEEDED", {})
FAILING = Act("failing", "a failure", "FAILED", {}, error="it broke")
DOOMED = Act("doomed", "deleted", DELETED, {})


def body(status: Json | None, kind: str = "TrainingJob") -> Json:
    spec = {"trainingInput": {"hyperparameters": {"maxTrials": 8}}}
    return {"kind": kind, "spec": spec, **({"status": status} if status is not None else {})}


TRIALS = {
    "completedTrialCount": "3",
    "trials": [{"trialId": "2"}],
    "bestTrial": {"trialId": "2", "finalMetric": {"objectiveValue": 0.84}},
}


class TestRow:
    @pytest.mark.parametrize(
        ("act", "object_", "deleted", "state", "detail", "done"),
        [
            (TUNING, body(None), False, "–", "waiting for the operator", False),
            (TUNING, body({"observedGeneration": -1}), False, "–", "waiting for the operator", False),
            (TUNING, body({"state": "QUEUED", "jobId": "j1"}), False, "QUEUED", "j1", False),
            (
                TUNING,
                body({"state": "RUNNING", "trainingOutput": TRIALS}),
                False,
                "RUNNING",
                "3/8 trials, the best is trial 2 with 0.84",
                False,
            ),
            (
                TUNING,
                body({"state": "RUNNING", "trainingOutput": {"trials": [{"trialId": "1"}]}}),
                False,
                "RUNNING",
                "0/8 trials",
                False,
            ),
            (TUNING, body({"state": "SUCCEEDED", "jobId": "j1"}), False, "SUCCEEDED", "j1", True),
            (
                TUNING,
                body({"state": "SUCCEEDED", "predictionOutput": {"predictionCount": "7"}}, "PredictionJob"),
                False,
                "SUCCEEDED",
                "7 predictions",
                True,
            ),
            (
                TUNING,
                body({"state": "RUNNING", "jobId": "j1", "predictionOutput": {"predictionCount": "0"}}),
                False,
                "RUNNING",
                "j1",
                False,
            ),
            (
                FAILING,
                body({"state": "FAILED", "errorMessage": "it broke"}),
                False,
                "FAILED",
                "it broke",
                True,
            ),
            (DOOMED, body({"state": "RUNNING"}), True, "RUNNING", "kubectl delete; cancelling", False),
            (DOOMED, None, True, DELETED, "the resource is gone", True),
        ],
    )
    def test_shows(
        self, act: Act, object_: Json | None, deleted: bool, state: str, detail: str, done: bool
    ) -> None:
        assert row(act, object_, deleted=deleted) == Row(act.sample, act.shows, state, detail, done)

    @pytest.mark.parametrize(
        ("act", "object_", "reason"),
        [
            (TUNING, None, "tuning is gone although nobody has deleted it"),
            (
                TUNING,
                body({"state": "FAILED", "errorMessage": "out of memory"}),
                "tuning should end as SUCCEEDED, and its job is FAILED: out of memory",
            ),
            (TUNING, body({"state": "CANCELLED"}), "is CANCELLED: without an error message"),
            (FAILING, body({"state": "SUCCEEDED"}), "failing should end as FAILED, and its job is SUCCEEDED"),
            (DOOMED, body({"state": "SUCCEEDED"}), "doomed should end as DELETED"),
            (
                TUNING,
                body(
                    {
                        "conditions": [
                            {"type": "Stalled", "status": "True", "reason": "Lost", "message": "no such job"}
                        ]
                    }
                ),
                "tuning cannot go on: Lost: no such job",
            ),
        ],
    )
    def test_fails(self, act: Act, object_: Json | None, reason: str) -> None:
        with pytest.raises(DemoError, match=re.escape(reason)):
            row(act, object_, deleted=False)


JOBS = {"tuning": "j_tuning", "doomed": "j_doomed"}


def effect(method: str, job: str) -> Json:
    return {"method": f"ml.projects.jobs.{method}", "jobId": job, "status": 200, "applied": True}


GOOD = [effect(CREATE, "j_tuning"), effect(CREATE, "j_doomed"), effect(CANCEL, "j_doomed")]


class TestLedger:
    def test_one_create_each_and_one_cancel_of_the_deleted_one_is_right(self) -> None:
        judge_ledger([TUNING, DOOMED], JOBS, [*GOOD, effect("get", "j_tuning")])

    @pytest.mark.parametrize(
        ("effects", "reason"),
        [
            (GOOD[1:], "0 calls of create for j_tuning"),
            ([*GOOD, effect(CREATE, "j_tuning")], "2 calls of create for j_tuning"),
            (GOOD[:2], "0 calls of cancel for j_doomed"),
            ([*GOOD, effect(CANCEL, "j_doomed")], "2 calls of cancel for j_doomed"),
            ([*GOOD, effect(CANCEL, "j_tuning")], "1 calls of cancel for j_tuning"),
        ],
    )
    def test_anything_else_is_not(self, effects: list[Json], reason: str) -> None:
        with pytest.raises(DemoError, match=re.escape(reason)):
            judge_ledger([TUNING, DOOMED], JOBS, effects)


DESCRIPTION = """\
Name:         failing
Namespace:    default
Kind:         TrainingJob
Spec:
  Project Id:  my-project
Status:
  Conditions:
    Reason:  JobFailed
    State:   deeper
  Error Message:  it broke
  Job Name:       projects/p/jobs/j
  State:          FAILED
Events:
  Type     Reason
  Warning  JobFailed
"""


def test_the_excerpt_tells_how_a_job_ended() -> None:
    assert [line.strip() for line in excerpt(DESCRIPTION)] == [
        "Name:         failing",
        "Kind:         TrainingJob",
        "Error Message:  it broke",
        "Job Name:       projects/p/jobs/j",
        "State:          FAILED",
        "Events:",
        "Type     Reason",
        "Warning  JobFailed",
    ]


class TestPlan:
    def test_the_demo_has_what_it_promises(self) -> None:
        assert {act.end for act in ACTS} == {"SUCCEEDED", "FAILED", DELETED}
        assert sum(bool(act.error) for act in ACTS) == 1
        assert {act.service for act in ACTS} == set(SERVICES)

    @pytest.mark.parametrize("act", ACTS, ids=lambda act: act.name)
    def test_a_script_is_for_its_sample_s_job_and_no_other(self, act: Act) -> None:
        ids = {
            one.name: FACTS[one.service].job_id(Owner(one.namespace, one.sample, f"uid {one.name}"), 1, None)
            for one in ACTS
        }
        assert [name for name, id_ in ids.items() if re.search(act.script()["jobId"], id_)] == [act.name]

    def test_only_what_is_deleted_has_no_end_of_its_own(self) -> None:
        assert [act.end for act in ACTS if "final" not in act.script()] == [DELETED]


def rows(*states: str) -> list[Row]:
    return [Row(f"r{index}", "shown", state, "news", False) for index, state in enumerate(states)]


class TestTables:
    def test_without_a_terminal_each_change_is_one_line(self) -> None:
        output = io.StringIO()
        console = Console(file=output, width=40)
        with LineTable(console, clock=iter([0.0, 1.0, 2.0, 3.0]).__next__) as table:
            for states in (("QUEUED", "QUEUED"), ("QUEUED", "QUEUED"), ("RUNNING", "QUEUED")):
                table.show(rows(*states))
        assert output.getvalue().splitlines() == [
            "[  1.0 s] r0                       QUEUED     news",
            "[  2.0 s] r1                       QUEUED     news",
            "[  3.0 s] r0                       RUNNING    news",
        ]

    def test_on_a_terminal_it_is_drawn_in_place(self) -> None:
        output = io.StringIO()
        console = Console(file=output, force_terminal=True, width=80, _environ={"TERM": "xterm"})
        with LiveTable(console) as table:
            table.show(rows("QUEUED", "RUNNING"))
            table.show(rows("SUCCEEDED", "RUNNING"))
        assert "SUCCEEDED" in output.getvalue()
        assert "\x1b[1A" in output.getvalue(), "the cursor goes up to draw over what was there"

    def test_the_console_decides(self) -> None:
        assert isinstance(open_table(Console(file=io.StringIO())), LineTable)
        assert isinstance(open_table(Console(file=io.StringIO(), force_terminal=True)), LiveTable)

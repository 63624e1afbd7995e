"""What `kubectl mljobs` shows of resources, and when a wait is over."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from mljobs.api.resources import PREDICTION_JOB, TRAINING_JOB
from mljobs.console.text import show, table
from mljobs.kubectl import wait
from mljobs.kubectl.describe import page
from mljobs.kubectl.failure import TROUBLE, Failure
from mljobs.kubectl.list_jobs import headers, row
from mljobs.kubectl.options import Output
from mljobs.kubectl.references import Found
from mljobs.kubectl.wait import Goal, Verdict, verdict

Json = dict[str, Any]

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
THEN = "2024-05-01T11:55:00Z"
JOB: Json = {"jobId": "census", "jobName": "projects/p/jobs/census", "projectId": "p", "attempt": 1}


def condition(kind: str, status: str, reason: str, message: str = "") -> Json:
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": THEN}


def resource(*conditions: Json, kind: str = "TrainingJob", spec: Json | None = None, **status: Any) -> Json:
    return {
        "apiVersion": "mljobs.dev/v1alpha1",
        "kind": kind,
        "metadata": {
            "name": "census-nightly",
            "namespace": "team-a",
            "uid": "u",
            "generation": 2,
            "creationTimestamp": THEN,
        },
        "spec": spec or {"trainingInput": {"region": "us-central1"}},
        "status": {"observedGeneration": 2, "conditions": list(conditions), **status},
    }


SUBMITTED = condition("Submitted", "True", "Accepted")
REFUSED = condition("Submitted", "False", "InvalidSpec", "spec.x: Invalid value:\n1: no")


@pytest.mark.parametrize(
    ("goal", "body", "reached", "text"),
    [
        (Goal.SUBMITTED, resource(SUBMITTED, **JOB), True, "submitted as projects/p/jobs/census"),
        (Goal.SUBMITTED, resource(condition("Submitted", "Unknown", "OutcomeUnknown")), None, ""),
        (Goal.SUBMITTED, resource(SUBMITTED, **JOB) | {"status": {"observedGeneration": 1}}, None, ""),
        (Goal.SUBMITTED, {**resource(), "status": {"observedGeneration": -1}}, None, ""),
        (Goal.SUBMITTED, {key: value for key, value in resource().items() if key != "status"}, None, ""),
        (
            Goal.SUBMITTED,
            resource(REFUSED, condition("Stalled", "True", "InvalidSpec", "spec.x: Invalid value:\n1: no")),
            False,
            "InvalidSpec: spec.x: Invalid value: 1: no",
        ),
        (
            Goal.SUCCEEDED,
            resource(SUBMITTED, condition("Succeeded", "True", "JobSucceeded")),
            True,
            "succeeded",
        ),
        (Goal.SUCCEEDED, resource(SUBMITTED, state="RUNNING"), None, ""),
        (
            Goal.SUCCEEDED,
            resource(
                SUBMITTED, condition("Succeeded", "False", "JobFailed", "exit status 1"), state="FAILED"
            ),
            False,
            "JobFailed: exit status 1",
        ),
        (Goal.SUCCEEDED, resource(SUBMITTED, condition("Stalled", "True", "Rejected", "labels")), None, ""),
        (
            Goal.SUCCEEDED,
            resource(SUBMITTED, condition("Suspended", "True", "Suspended"), state="CANCELLED"),
            None,
            "",
        ),
        (
            Goal.ENDED,
            resource(SUBMITTED, condition("Succeeded", "False", "JobFailed"), state="FAILED"),
            True,
            "ended: FAILED",
        ),
        (
            Goal.ENDED,
            resource(condition("Suspended", "True", "Suspended")),
            True,
            "is suspended, and no job runs",
        ),
        (Goal.ENDED, resource(condition("Suspended", "True", "Suspending"), state="RUNNING"), None, ""),
        (
            Goal.ENDED,
            resource(SUBMITTED, condition("Succeeded", "False", "Lost", "gone"), state="RUNNING"),
            False,
            "Lost: gone",
        ),
        (Goal.ENDED, None, False, "it was deleted"),
    ],
)
def test_verdict(goal: Goal, body: Json | None, reached: bool | None, text: str) -> None:
    found = verdict(body, goal)
    assert (found and found.reached, found.text if found else "") == (reached, text)


class Flaky:
    """A cluster that gives its answers in order."""

    def __init__(self, *answers: Json | Failure | None) -> None:
        self.answers = list(answers)

    def get(self, _kind: object, _name: str) -> Json | None:
        answer = self.answers.pop(0)
        if isinstance(answer, Failure):
            raise answer
        return answer

    def changes(self, _kind: object, _name: str, _since: str, _wait: float) -> Iterator[Json]:
        yield from ()


def waited(monkeypatch: pytest.MonkeyPatch, *answers: Json | Failure | None) -> Verdict | None:
    monkeypatch.setattr(wait, "PAUSES", (0.0, 0.0))
    monkeypatch.setattr(wait, "_PAUSE", 0.0)
    cluster: Any = Flaky(*answers)
    return wait.await_goal(cluster, Found(TRAINING_JOB, resource()), Goal.SUCCEEDED, None, lambda _: None)


AWAY = Failure("no answer", code=TROUBLE)
RUNNING: Json = {**resource(SUBMITTED, state="RUNNING", **JOB)}
RUNNING["metadata"]["resourceVersion"] = "5"
DONE = resource(SUBMITTED, condition("Succeeded", "True", "JobSucceeded"), state="SUCCEEDED", **JOB)


def test_a_wait_outlasts_an_api_server_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    assert waited(monkeypatch, RUNNING, AWAY, AWAY, RUNNING, AWAY, DONE) == Verdict(True, "succeeded")


def test_a_wait_ends_when_the_api_server_stays_away_or_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Failure, match="no answer"):
        waited(monkeypatch, RUNNING, AWAY, AWAY, AWAY)
    with pytest.raises(Failure, match="you may not"):
        waited(monkeypatch, RUNNING, Failure("you may not"))


def test_a_resource_that_was_made_again_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    other = resource()
    other["metadata"]["uid"] = "v"
    assert waited(monkeypatch, RUNNING, other) == Verdict(False, "it was deleted")


def shown(items: list[Json], output: Output, everywhere: bool = False) -> list[str]:
    return [
        "|".join(cells)
        for cells in [headers(output, everywhere), *(row(item, output, everywhere, NOW) for item in items)]
    ]


def test_list() -> None:
    running = resource(SUBMITTED, condition("Succeeded", "Unknown", "NotFinished"), state="RUNNING", **JOB)
    assert shown([running, resource(REFUSED)], Output.TABLE) == [
        "KIND|NAME|STATE|JOB|AGE",
        "TrainingJob|census-nightly|RUNNING|census|5m",
        "TrainingJob|census-nightly|InvalidSpec||5m",
    ]
    assert shown([running], Output.WIDE, everywhere=True) == [
        "NAMESPACE|KIND|NAME|STATE|JOB|PROJECT|LOCATION|REASON|AGE",
        "team-a|TrainingJob|census-nightly|RUNNING|census|p|us-central1|NotFinished|5m",
    ]


def test_a_table_in_a_pipe_is_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 300
    show(table(["A", "B"], [[long, "é\x1b[1m"], ["", "two\nlines"]]))
    assert capsys.readouterr().out.splitlines() == [
        f"A{' ' * 302}B",
        f"{long}   é\ufffd[1m",
        f"-{' ' * 302}two lines",
    ]


def described(body: Json, capsys: pytest.CaptureFixture[str], events: list[Json] | None = None) -> str:
    kind = TRAINING_JOB if body["kind"] == "TrainingJob" else PREDICTION_JOB
    page(Found(kind, body), events or [], 2, NOW)
    return capsys.readouterr().out


def test_describe_a_tuning_job(capsys: pytest.CaptureFixture[str]) -> None:
    trials: list[Json] = [
        {
            "trialId": str(number),
            "state": "SUCCEEDED",
            "hyperparameters": {"lr": f"0.{number}"},
            "finalMetric": {"trainingStep": "0", "objectiveValue": (number - 1) / 4},
        }
        for number in (1, 2, 3)
    ]
    trials[1]["isTrialStoppedEarly"] = True
    del trials[1]["finalMetric"]
    text = described(
        resource(
            SUBMITTED,
            spec={
                "trainingInput": {
                    "region": "us-central1",
                    "hyperparameters": {"goal": "MINIMIZE", "hyperparameterMetricTag": "loss"},
                }
            },
            state="FAILED",
            createTime=THEN,
            errorMessage="The replica master 0 exited",
            consoleUrl="https://console.example/jobs/census",
            labels={"team": "a"},
            attempts=[{"attempt": 1, "jobId": "census_0", "state": "CANCELLED", "endTime": THEN}],
            trainingOutput={
                "trials": trials,
                "trialsTruncated": 7,
                "completedTrialCount": "9",
                "consumedMLUnits": 1.5,
                "webAccessUris": {"master-replica-0": "https://shell.example"},
            },
            **JOB,
        ),
        capsys,
        [{"type": "Normal", "reason": "Accepted", "message": "The service has it.", "time": NOW}],
    )
    for line in (
        "Name:             census-nightly",
        "Namespace:        team-a",
        "Job:              projects/p/jobs/census",
        "State:            FAILED",
        "Labels:           team=a",
        "Created:          2024-05-01T11:55:00Z (5m ago)",
        "Error:            The replica master 0 exited",
        "Console:          https://console.example/jobs/census",
        "ML units:         1.5",
        "Trials completed: 9",
        "Shell of master-replica-0: https://shell.example",
        "  Submitted   True     Accepted   5m    -",
        "  1         CANCELLED   census_0   2024-05-01T11:55:00Z",
        "Trials, best first (lowest loss):",
        "  TRIAL   STATE               METRIC   STEP   lr",
        "  1       SUCCEEDED           0        0      0.1",
        "  2       SUCCEEDED (early)   -        -      0.2",
        "  and 8 more; --trials N shows more of them, the console all",
        "  Normal   Accepted   0s    The service has it.",
    ):
        assert f"\n{line}\n" in f"\n{text}", line


@pytest.mark.parametrize(
    ("tuning", "title"),
    [
        ({}, "highest training/hptuning/metric"),
        ({"goal": "MINIMIZE"}, "lowest training/hptuning/metric"),
        ({"goal": "MINIMIZE", "hyperparameterMetricTag": "loss"}, "lowest loss"),
    ],
)
def test_describe_names_the_metric_that_the_service_tunes(
    tuning: Json, title: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = {"trainingInput": {"region": "us-central1", "hyperparameters": tuning}}
    output = {"trials": [{"trialId": "1", "finalMetric": {"objectiveValue": 0.5}}]}
    assert f"\nTrials, best first ({title}):\n" in described(
        resource(SUBMITTED, spec=spec, trainingOutput=output, **JOB), capsys
    )


def test_describe_a_prediction_job_that_has_nothing_yet(capsys: pytest.CaptureFixture[str]) -> None:
    spec = {"predictionInput": {"region": "us-central1"}, "suspend": True, "managedBy": "example.com/x"}
    body = resource(kind="PredictionJob", spec=spec)
    text = described(body, capsys)
    assert "Managed by:       example.com/x\n" in text
    assert "Location:         us-central1\n" in text
    assert "Suspended:        yes, by spec.suspend\n" in text
    assert "\nConditions: none\n" in text
    assert "\nEvents: none\n" in text
    assert "State:" not in text
    assert "Trials" not in text


def test_describe_a_prediction_jobs_results(capsys: pytest.CaptureFixture[str]) -> None:
    output = {"predictionCount": "12", "errorCount": "0", "nodeHours": 0.0, "outputPath": "gs://b/o"}
    text = described(resource(SUBMITTED, kind="PredictionJob", predictionOutput=output, **JOB), capsys)
    for line in (
        "Predictions:      12",
        "Failed instances: 0",
        "Node hours:       0.0",
        "Output path:      gs://b/o",
    ):
        assert f"\n{line}\n" in text

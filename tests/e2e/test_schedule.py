"""A JobSchedule as its users see it: runs, their history, a run by hand, and what goes when it is deleted."""

from pathlib import Path

import pytest
import yaml

from mljobs.api.jobschedule import JOB_SCHEDULE
from mljobs_dev.stack.files import deploy_folder
from tests.e2e.support import Json, Kubectl, Namespace, eventually, prediction, training
from tests.e2e.support_plugin import Plugin
from tests.e2e.support_stack import Emulator, Operator

SAMPLES = sorted((deploy_folder() / "samples" / "schedules").glob("*.yaml"))


def status(namespace: Namespace, name: str) -> Json:
    found: Json = (namespace.get(JOB_SCHEDULE, name) or {}).get("status") or {}
    return found


def test_a_run_from_its_time_to_its_end(
    namespace: Namespace,
    emulator: Emulator,
    kubectl: Kubectl,
    plugin: Plugin,
    has_controller_manager: bool,
) -> None:
    namespace.schedule(
        "nightly", training("-", {"labels": {"team": "a"}}), overdue=True, concurrencyPolicy="Forbid"
    )
    (run,) = eventually(lambda: namespace.runs("nightly"), what="a run", report=namespace.report)
    job = namespace.job("TrainingJob", run["metadata"]["name"])
    job.until_state("QUEUED")
    shown = eventually(
        lambda: status(namespace, "nightly"),
        lambda now: now.get("active"),
        what="it is shown",
        report=namespace.report,
    )
    assert shown["active"] == [{"kind": "TrainingJob", "name": job.name, "uid": job.uid}]
    assert job.name == f"nightly-{_minutes(shown['lastScheduleTime'])}"
    assert run["metadata"]["annotations"]["mljobs.dev/scheduled-at"] == shown["lastScheduleTime"]
    assert _minutes(shown["nextScheduleTime"]) == _minutes(shown["lastScheduleTime"]) + 60
    assert emulator.job(job.job_id)["labels"]["team"] == "a"
    uid = str((namespace.get(JOB_SCHEDULE, "nightly") or {})["metadata"]["uid"])
    told = eventually(
        lambda: [event["reason"] for event in namespace.events(uid)],
        lambda found: len(found) >= 2,
        what="Events",
    )
    assert sorted(told) == ["RunMissed", "RunStarted"]

    emulator.force(job.job_id, "SUCCEEDED")
    ended = eventually(
        lambda: status(namespace, "nightly"),
        lambda now: now.get("lastSuccessfulTime") and "active" not in now,
        what="its end is shown",
        report=namespace.report,
    )
    assert ended["lastScheduleTime"] == shown["lastScheduleTime"]
    head, row = kubectl.out("get", "jsch").splitlines()
    assert head.split() == ["NAME", "SCHEDULE", "SUSPEND", "LAST", "NEXT", "AGE"]
    assert row.split()[1:6] == ["0", "*", "*", "*", "*"]

    done = plugin.run("schedule", "run", "nightly")
    assert done.returncode == 0, done.stderr
    by_hand = namespace.job("TrainingJob", done.stdout.split()[0].partition("/")[2])
    by_hand.until_state("QUEUED")
    assert by_hand.metadata()["annotations"]["mljobs.dev/instantiate"] == "manual"
    eventually(
        lambda: [one["name"] for one in status(namespace, "nightly").get("active", ())],
        lambda names: names == [by_hand.name],
        what="it is one of the schedule's",
        report=namespace.report,
    )
    job_id = by_hand.job_id
    kubectl.out("delete", "jsch/nightly")
    if has_controller_manager:  # whose garbage collector deletes what has an owner that is gone
        by_hand.until_gone()
        job.until_gone()
        assert emulator.job(job_id)["state"] in ("CANCELLING", "CANCELLED")


def _minutes(time: str) -> int:
    from datetime import datetime

    return int(datetime.fromisoformat(time).timestamp()) // 60


def test_an_operator_that_is_killed_makes_no_run_twice_and_loses_none(
    namespace: Namespace, operator: Operator, emulator: Emulator
) -> None:
    for number in range(8):
        namespace.schedule(f"s{number}", prediction("-"))
    eventually(
        lambda: [status(namespace, f"s{number}").get("record") for number in range(8)],
        all,
        what="all are seen",
        report=namespace.report,
    )
    operator.kill()
    for number in range(8):
        namespace.neglect(f"s{number}")
    operator.start()
    eventually(lambda: namespace.runs("s0"), what="a first run", report=namespace.report, glance=0.001)
    operator.kill()
    operator.start()
    for number in range(8):
        eventually(
            lambda name=f"s{number}": status(namespace, name).get("lastScheduleTime"),  # type: ignore[misc]
            what="its run is settled",
            report=namespace.report,
        )
        (run,) = namespace.runs(f"s{number}")
        namespace.job("PredictionJob", run["metadata"]["name"]).until_state("QUEUED")
    created = emulator.applied("create", namespace.name)
    assert len(created) == len(set(created)) == 8


REFUSED = [
    ({"schedule": "every day"}, "spec.schedule"),
    ({"timeZone": "Europe/Ber lin"}, "spec.timeZone"),
    ({"concurrencyPolicy": "Sometimes"}, "spec.concurrencyPolicy"),
    ({"successfulJobsHistoryLimit": -1}, "spec.successfulJobsHistoryLimit"),
]


@pytest.mark.parametrize(("spec", "field"), REFUSED, ids=[row[1] for row in REFUSED])
def test_the_api_server_refuses_what_the_schema_can_say(kubectl: Kubectl, spec: Json, field: str) -> None:
    done = kubectl.run("apply", "-f", "-", stdin=yaml.safe_dump(_manifest("nightly", spec)))
    assert done.returncode == 1
    assert field in done.stderr


def test_the_api_server_refuses_a_name_that_is_too_long(kubectl: Kubectl) -> None:
    done = kubectl.run("apply", "-f", "-", stdin=yaml.safe_dump(_manifest("n" * 53, {})))
    assert done.returncode == 1
    assert "at most 52 characters" in done.stderr


def _manifest(name: str, spec: Json) -> Json:
    template = {"kind": "TrainingJob", "spec": training("-")["spec"]}
    return {
        "apiVersion": "mljobs.dev/v1alpha1",
        "kind": "JobSchedule",
        "metadata": {"name": name},
        "spec": {"schedule": "0 3 * * *", "template": template, **spec},
    }


def test_what_only_the_operator_can_judge_stalls_it_at_once(kubectl: Kubectl, namespace: Namespace) -> None:
    manifest = _manifest("nightly", {"timeZone": "Mars/Olympus"})
    manifest["spec"]["template"]["spec"]["trainingInput"]["scaleTier"] = "HUGE"
    kubectl.apply(manifest)
    shown = eventually(
        lambda: {row["type"]: row for row in status(namespace, "nightly").get("conditions", ())},
        lambda rows: "Stalled" in rows,
        what="it is stalled",
        report=namespace.report,
    )
    assert shown["Stalled"]["reason"] == "InvalidSpec"
    assert "spec.timeZone" in shown["Stalled"]["message"]
    assert "spec.template.spec.trainingInput.scaleTier" in shown["Stalled"]["message"]
    kubectl.apply(_manifest("nightly", {}))
    eventually(
        lambda: status(namespace, "nightly").get("nextScheduleTime"),
        what="it has a next run",
        report=namespace.report,
    )


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_plain_apply_takes_the_samples(kubectl: Kubectl, path: Path) -> None:
    done = kubectl.run("apply", "--dry-run=server", "--validate=strict", "-f", str(path))
    assert (done.returncode, done.stderr) == (0, "")

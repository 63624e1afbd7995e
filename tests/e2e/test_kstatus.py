"""What GitOps tools make of the resources, by the libraries that these tools are built on."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from mljobs.api.resources import KINDS, TRAINING_JOB
from tests.e2e.kstatus.program import NoGo, Program, provide
from tests.e2e.support import Namespace, training
from tests.unit.gitops.states import CONDITIONS, FRESH, WIPED, Shown, every, named, unseen

GITOPS = Path(__file__).parents[2] / "deploy" / "gitops"
SCRIPT = (GITOPS / "argocd" / "health.lua").read_text("utf-8")

EXPECTED = {
    "accepted": "Current",
    "adopted": "Current",
    "running": "Current",
    "succeeded": "Current",
    "failed": "Current",
    "cancelled": "Current",
    "ended-by-its-deadline": "Current",
    "not-started-in-time": "Current",
    "failed-while-its-deadline-ended-it": "Current",
    "retries-exhausted": "Current",
    "no-time-for-another": "Current",
    "deadline-exceeded": "InProgress",
    "deadline-exceeded-and-ending": "InProgress",
    "not-started-in-time-and-ending": "InProgress",
    "retrying": "InProgress",
    "retrying-uncounted": "InProgress",
    "placement-failed": "InProgress",
    "placement-round-waits": "InProgress",
    "placement-refused": "InProgress",
    "placement-refused-again": "InProgress",
    "placement-all-refused": "Failed",
    "placement-failed-in-the-last": "Current",
    "placement-not-started-in-the-last": "Current",
    "lost": "Failed",
    "taken-by-another-resource": "Failed",
    "missing-for-a-while": "Current",
    "found-again": "Current",
    "found-again-and-at-its-end": "Current",
    "missing-while-it-is-deleted": "Terminating",
    "reading-denied": "Failed",
    "reading-fails-for-a-while": "Current",
    "outcome-unknown": "InProgress",
    "throttled": "InProgress",
    "denied": "Failed",
    "no-such-project": "Failed",
    "rejected": "Failed",
    "no-job-class": "Failed",
    "class-does-not-allow": "Failed",
    "failed-for-lack-of-machines": "Current",
    "invalid": "Failed",
    "invalid-labels-on-a-running-job": "Failed",
    "held-back": "Current",
    "suspending": "InProgress",
    "suspended": "Current",
    "a-cancel-was-denied": "Terminating",
    "cancel-unanswered": "Terminating",
    "resuming": "InProgress",
    "released": "Terminating",
    "labels-contested": "InProgress",
    "no-capacity": "InProgress",
    "waits-for-its-turn": "InProgress",
    "translated-exactly": "Current",
    "translated-with-losses": "Current",
    "succeeded-in-part": "Current",
    "nothing-to-adopt": "Failed",
    "adoption-not-allowed": "Failed",
    "id-in-use": "Failed",
}
"""kstatus of each case of the tests of project; GitOps waits for a job's acceptance, not for its outcome."""


@pytest.fixture(scope="module")
def program() -> Program:
    try:
        return provide()
    except NoGo as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI must have it: {error}")
        pytest.skip(str(error))


def flux_checks() -> dict[str, dict[str, str]]:
    """The expressions of the manifest for Flux, by kind."""
    manifest = yaml.safe_load((GITOPS / "flux" / "jobs.yaml").read_text("utf-8"))
    words = ("inProgress", "failed", "current")
    return {
        check["kind"]: {word: check[word] for word in words if word in check}
        for check in manifest["spec"]["healthCheckExprs"]
    }


def statuses(program: Program, *shown: Shown) -> list[str]:
    return [answer["kstatus"]["status"] for answer in program.judge([one.body for one in shown])]


def test_kstatus_in_each_case(program: Program) -> None:
    assert set(EXPECTED) == set(CONDITIONS)
    found = statuses(program, *(named(case) for case in EXPECTED))
    assert dict(zip(EXPECTED, found, strict=True)) == EXPECTED


def test_kstatus_in_every_state(program: Program) -> None:
    found = every()
    for shown, status in zip(found, statuses(program, *found), strict=True):
        if "deletionTimestamp" in shown.body["metadata"]:
            expected = "Terminating"
        elif shown.says("Reconciling", "True"):
            expected = "InProgress"
        else:
            expected = "Failed" if shown.says("Stalled", "True") else "Current"
        assert status == expected, shown
        if status == "Current":
            assert shown.says("Submitted", "True") or shown.says("Suspended", "True"), shown


def test_kstatus_of_a_changed_spec_is_in_progress(program: Program) -> None:
    living = [shown for shown in every() if "deletionTimestamp" not in shown.body["metadata"]]
    assert set(statuses(program, *(unseen(shown) for shown in living))) == {"InProgress"}


def test_a_new_resource_is_in_progress(program: Program) -> None:
    assert statuses(program, FRESH) == ["InProgress"]
    (answer,) = program.judge([FRESH.body], flux=flux_checks(), lua=SCRIPT)
    assert {verdict["status"] for verdict in answer["flux"].values()} == {"InProgress"}
    assert answer["argo"]["status"] == "Progressing"


def test_the_api_server_makes_a_new_resource_in_progress(
    program: Program, admin: client.ApiClient, crds: None
) -> None:
    """No operator runs here that could write a status."""
    custom: Any = client.CustomObjectsApi(admin)
    for manifest in (training("fresh"), training("held", {"suspend": True})):
        made = custom.create_namespaced_custom_object(
            "mljobs.dev", "v1alpha1", "default", TRAINING_JOB.plural, manifest, dry_run="All"
        )
        assert made["status"] == {"observedGeneration": -1}
        (answer,) = program.judge([made], flux=flux_checks(), lua=SCRIPT)
        assert answer["kstatus"]["status"] == "InProgress"
        assert {verdict["status"] for verdict in answer["flux"].values()} == {"InProgress"}
        assert answer["argo"]["status"] == "Progressing"


def test_a_real_job_is_in_progress_then_current_then_terminating(
    program: Program, namespace: Namespace, emulator: Any
) -> None:
    """Every status that a watch has told of a job from its creation on."""
    job = namespace.create(training("watched"))
    accepted = job.until_state("QUEUED")
    emulator.force(accepted["jobId"], "RUNNING")
    job.until_state("RUNNING")
    job.delete()
    job.until_gone()
    seen = []
    for kind, body in namespace.history(TRAINING_JOB):
        if body["metadata"]["name"] == "watched":
            if kind == "DELETED":
                break
            seen.append(body)
    found = [answer["kstatus"]["status"] for answer in program.judge(seen)]
    assert list(dict.fromkeys(found)) == ["InProgress", "Current", "Terminating"]
    assert found == sorted(found, key=["InProgress", "Current", "Terminating"].index)


def test_flux_waits_for_the_outcome(program: Program) -> None:
    checks = flux_checks()
    assert set(checks) == set(KINDS)
    assert checks["TrainingJob"] == checks["PredictionJob"]
    found = every()
    for shown, answer in zip(found, program.judge([one.body for one in found], flux=checks), strict=True):
        broken = shown.says("Stalled", "True") or shown.says("Succeeded", "False")
        ended = "Current" if shown.says("Succeeded", "True") else "InProgress"
        for verdict in answer["flux"].values():
            assert verdict["status"] == ("Failed" if broken else ended), shown


def test_argo_cds_own_lua_agrees(program: Program) -> None:
    """The Lua machine of Argo CD comes to the same verdicts as the one of the unit tests."""
    from tests.unit.gitops.test_argocd_health import health

    found = [*every(), FRESH, WIPED]
    for shown, answer in zip(found, program.judge([one.body for one in found], lua=SCRIPT), strict=True):
        assert (answer["argo"]["status"], answer["argo"]["message"]) == health(shown.body), shown

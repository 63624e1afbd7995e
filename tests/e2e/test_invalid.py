"""Specs that cannot run: refused at once where the API server can tell, else shown as Stalled without a call.

The operator here has no default project, so that a resource without spec.projectId is one of the second sort.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from mljobs.admin import crds as crds_command
from mljobs.api import crd
from mljobs.api.resources import KINDS, JobKind
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.support import Job, Json, Kubectl, Namespace, conditions, eventually, of_kind, training
from tests.e2e.support_stack import PROJECT, Emulator, Operator

both = pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)


@pytest.fixture(scope="module")
def operator_options() -> dict[str, object]:
    return {"project": ""}


def calls(emulator: Emulator, namespace: Namespace) -> list[Json]:
    """Everything that the service has heard about a namespace."""
    return [row for row in emulator.effects() if row["jobId"].startswith(f"{namespace.name}_")]


def in_project(name: str, **training_input: Any) -> Json:
    return training(name, {"projectId": PROJECT}, **training_input)


def tuning(*values: float) -> Json:
    """A search over discrete values, of which the API server cannot tell whether they differ."""
    parameter = {"parameterName": "depth", "type": "DISCRETE", "discreteValues": list(values)}
    return {"goal": "MAXIMIZE", "maxTrials": 2, "params": [parameter]}


def test_what_the_api_server_can_tell_never_gets_in(
    namespace: Namespace, emulator: Emulator, kubectl: Kubectl
) -> None:
    done = kubectl.run("apply", "-f", "-", stdin=json.dumps(in_project("census", scaleTier="CUSTOM")))
    assert done.returncode == 1
    assert "spec.trainingInput.masterType" in done.stderr
    assert namespace.all() == []


@both
def test_the_field_is_named_and_nothing_is_called_until_it_is_mended(
    namespace: Namespace, emulator: Emulator, kind: JobKind
) -> None:
    job = namespace.create(of_kind(kind, "census"))
    stalled = job.until_condition("Stalled", "True", "InvalidSpec")
    assert "spec.projectId" in stalled["message"]
    status = job.status()
    assert status["observedGeneration"] == 1
    assert conditions(status) == {
        "Submitted": ("False", "InvalidSpec"),
        "Succeeded": ("Unknown", "InvalidSpec"),
        "Reconciling": ("False", "Waiting"),
        "Suspended": ("False", "NotSuspended"),
        "Stalled": ("True", "InvalidSpec"),
    }
    assert "finalizers" not in job.metadata()
    job.expect_events("InvalidSpec")
    assert calls(emulator, namespace) == []
    job.patch_spec(projectId=PROJECT)
    status = job.until_state("QUEUED")
    assert "Stalled" not in conditions(status)
    assert status["observedGeneration"] == 2
    emulator.force(status["jobId"], "SUCCEEDED")
    job.until_state("SUCCEEDED")
    job.expect_events("InvalidSpec", "Accepted", "JobSucceeded")


def test_every_problem_is_told_at_once(namespace: Namespace, emulator: Emulator) -> None:
    job = namespace.create(training("search", hyperparameters=tuning(1, 1, 2)))
    message = job.until_condition("Stalled", "True", "InvalidSpec")["message"]
    assert "spec.projectId" in message
    assert "spec.trainingInput.hyperparameters.params[0].discreteValues" in message
    job.patch_spec(projectId=PROJECT)
    observed = job.until_observed()
    message = next(row["message"] for row in observed["conditions"] if row["type"] == "Stalled")
    assert "spec.projectId" not in message
    assert calls(emulator, namespace) == []
    job.patch_spec(trainingInput={"hyperparameters": tuning(1, 2, 3)})
    job.until_state("QUEUED")
    job.expect_events("InvalidSpec", "Accepted")


@both
def test_an_invalid_resource_goes_without_a_call(
    namespace: Namespace, emulator: Emulator, kind: JobKind
) -> None:
    job = namespace.create(of_kind(kind, "census"))
    job.until_condition("Stalled", "True", "InvalidSpec")
    job.delete()
    job.until_gone()
    assert calls(emulator, namespace) == []


def test_still_invalid_after_a_crash_and_nothing_is_written_again(
    namespace: Namespace, operator: Operator, emulator: Emulator
) -> None:
    job = namespace.create(training("census"))
    job.until_condition("Stalled", "True", "InvalidSpec")
    version = job.metadata()["resourceVersion"]
    operator.kill()
    operator.start()
    other = namespace.create(in_project("other"))
    other.until_state("QUEUED")  # by then the operator has read the first one, too
    assert job.metadata()["resourceVersion"] == version


def test_a_refusal_of_the_service_is_final_for_this_spec(
    namespace: Namespace, emulator: Emulator, operator: Operator
) -> None:
    emulator.fault(
        "error", method="create", jobId=f"^{namespace.name}_", status=400, message="No such image."
    )
    job = namespace.create(in_project("census"))
    stalled = job.until_condition("Stalled", "True", "Rejected")
    assert "No such image." in stalled["message"]
    job.expect_events("Rejected")
    operator.kill()
    operator.start()
    other = namespace.create(in_project("other"))
    other.until_condition("Stalled", "True", "Rejected")
    assert len(emulator.effects(method="create", jobId=calls(emulator, namespace)[0]["jobId"])) == 1
    emulator.fix()
    job.patch_spec(trainingInput={"masterConfig": {"imageUri": "gcr.io/team/trainer:2"}})
    job.until_state("QUEUED")
    job.expect_events("Rejected", "Accepted")
    before = emulator.last
    other.delete()
    other.until_gone()
    assert [row for row in emulator.effects(after=before) if "_other_" in row["jobId"]] == []


def test_a_denial_is_lifted_by_a_new_spec_at_once(namespace: Namespace, emulator: Emulator) -> None:
    emulator.fault("error", method="create", jobId=f"^{namespace.name}_", status=403, message="Not you.")
    job = namespace.create(in_project("census"))
    stalled = job.until_condition("Stalled", "True", "Denied")
    assert "Not you." in stalled["message"]
    emulator.fix()
    job.patch_spec(trainingInput={"serviceAccount": "runner@team.iam.gserviceaccount.com"})
    job.until_state("QUEUED")
    job.expect_events("Denied", "Accepted")


# --- resources that were made while the CRDs had fewer rules


BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"


@pytest.fixture
def old_crds(control_plane: ControlPlane, namespace: Namespace) -> Iterator[None]:
    """CRDs without rules, and no policies, as of an older release; the present ones are back at the end."""
    control_plane.apply(crd.crds())
    for kind in KINDS.values():
        control_plane.client.request("DELETE", f"{BINDINGS}/{kind.crd_name}")
    eventually(
        lambda: namespace.would_take(in_project("probe", scaleTier="CUSTOM")),
        what="the API server has no rules",
    )
    yield
    present_crds(control_plane, namespace)


def present_crds(control_plane: ControlPlane, namespace: Namespace) -> None:
    control_plane.apply(crds_command.manifests())
    eventually(
        lambda: not namespace.would_take(in_project("probe", scaleTier="CUSTOM")), what="the rules are back"
    )


INVALID: list[tuple[str, Json, str]] = [
    ("no-program", {"masterConfig": None}, "spec.trainingInput.packageUris"),
    ("custom", {"scaleTier": "CUSTOM"}, "spec.trainingInput.masterType"),
    ("priority", {"scheduling": {"priority": 1001}}, "spec.trainingInput.scheduling.priority"),
    ("network", {"network": "default"}, "spec.trainingInput.network"),
]


def test_resources_older_than_a_rule_are_shown_and_can_be_mended(
    namespace: Namespace, emulator: Emulator, old_crds: None, control_plane: ControlPlane
) -> None:
    jobs: list[tuple[Job, str]] = []
    for name, wrong, field in INVALID:
        given = {key: value for key, value in wrong.items() if value is not None}
        manifest = in_project(name, **given)
        for key in set(wrong) - set(given):
            del manifest["spec"]["trainingInput"][key]
        jobs.append((namespace.create(manifest), field))
    for job, field in jobs:
        assert field in job.until_condition("Stalled", "True", "InvalidSpec")["message"]
    assert calls(emulator, namespace) == []
    present_crds(control_plane, namespace)
    fixed, deleted = jobs[1][0], jobs[2][0]
    fixed.patch_spec(trainingInput={"masterType": "n1-standard-4"})
    fixed.until_state("QUEUED")
    deleted.delete()
    deleted.until_gone()
    assert emulator.applied("create", namespace.name) == [fixed.job_id]

"""A resource that names another controller in spec.managedBy is left alone, as a `batch/v1` Job is."""

import pytest

from mljobs.api.resources import KINDS, JobKind
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.support import Namespace, of_kind, training
from tests.e2e.support_stack import OPERATOR_USER, Emulator, Operator

ELSEWHERE = {"managedBy": "example.com/another"}


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_nothing_is_done_for_another_controllers_resource(
    namespace: Namespace,
    emulator: Emulator,
    operator: Operator,
    control_plane: ControlPlane,
    kind: JobKind,
) -> None:
    theirs = namespace.create(of_kind(kind, "theirs", ELSEWHERE))
    nonsense = namespace.create(of_kind(kind, "nonsense", {**ELSEWHERE, "projectId": ""}))
    ours = namespace.create(of_kind(kind, "ours", {"managedBy": "mljobs.dev/operator"}))
    ours.until_state("QUEUED")
    theirs.patch({"metadata": {"annotations": {"note": "1"}}, "spec": {"suspend": True}})
    operator.kill()
    operator.start()
    last = namespace.create(of_kind(kind, "last"))
    last.until_state("QUEUED")
    for job in (theirs, nonsense):
        assert job.status() == {"observedGeneration": -1}
        assert "finalizers" not in job.metadata()
        assert namespace.events(job.uid) == []
    written = [row["objectRef"] for row in control_plane.writes(user=OPERATOR_USER)]
    touched = {about.get("name") for about in written if about.get("namespace") == namespace.name}
    assert {"ours", "last"} <= touched
    assert not {"theirs", "nonsense"} & touched
    assert sorted(emulator.applied("create", namespace.name)) == sorted([ours.job_id, last.job_id])
    theirs.delete()
    theirs.until_gone()


def test_a_finalizer_that_came_with_a_copy_does_not_hold_it(namespace: Namespace) -> None:
    manifest = training("copied", ELSEWHERE)
    manifest["metadata"]["finalizers"] = ["mljobs.dev/cancel-job"]
    job = namespace.create(manifest)
    namespace.create(training("ours")).until_state("QUEUED")
    assert job.metadata()["finalizers"] == ["mljobs.dev/cancel-job"]
    job.delete()
    job.until_gone()

"""What is new when the operator starts does not wait until everything that has ended has been listed."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

from kubernetes import client

from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.support import Namespace, training
from tests.e2e.support_stack import OPERATOR_USER, Emulator, Operator

SELECTOR = "status.state="


def lists(control_plane: ControlPlane) -> list[tuple[str, int]]:
    """The field selector and the status of the operator's lists of TrainingJobs so far."""
    found = control_plane.requests(user=OPERATOR_USER, resource="trainingjobs")
    return [
        (
            "".join(parse_qs(urlsplit(row["requestURI"]).query).get("fieldSelector", [])),
            row["responseStatus"]["code"],
        )
        for row in found
        if row["verb"] == "list"
    ]


def test_after_a_start_the_first_list_is_of_what_has_no_job_yet(
    namespace: Namespace, emulator: Emulator, operator: Operator, control_plane: ControlPlane
) -> None:
    ended, running = namespace.create_all([training("ended"), training("running")])
    emulator.force(ended.job_id, "SUCCEEDED")
    ended.until_state("SUCCEEDED")
    emulator.force(running.job_id, "RUNNING")
    running.until_state("RUNNING")
    operator.stop()
    fresh = namespace.create(training("fresh"))
    custom: Any = client.CustomObjectsApi(namespace.api)
    (listed,) = custom.list_namespaced_custom_object(
        "mljobs.dev", "v1alpha1", namespace.name, "trainingjobs", field_selector=SELECTOR
    )["items"]
    assert listed["metadata"]["name"] == fresh.name
    before = len(lists(control_plane))
    operator.start()
    fresh.until_state("QUEUED")
    assert lists(control_plane)[before] == (SELECTOR, 200)
    assert ("", 200) in lists(control_plane)[before:]
    assert len(emulator.applied("create", f"{namespace.name}_fresh_")) == 1

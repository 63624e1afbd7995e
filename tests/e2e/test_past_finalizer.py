"""A resource that is deleted past a finalizer just set, and an operator that is killed right then.

The API server looks at the finalizers before it asks the webhooks about a deletion, and not again: one that
is set meanwhile holds nothing. A webhook that takes its time shows it every time.
"""

import base64
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from mljobs.api.resources import GROUP, VERSION
from mljobs_dev.controlplane.pki import Authority
from tests.e2e.support import Job, Namespace, eventually, training
from tests.e2e.support_stack import ACCOUNT, Emulator, Operator


class Gatekeeper:
    """A webhook that is asked about deletions, and answers the first one late."""

    def __init__(self, folder: Path) -> None:
        self.asked = threading.Event()
        self.go = threading.Event()
        authority = Authority(folder)
        self.ca = authority.certificate
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.server("gatekeeper", "127.0.0.1"))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._server.server_address[1]}/"

    def close(self) -> None:
        self.go.set()
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        keeper = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                keeper.asked.set()
                keeper.go.wait(30)
                review["response"] = {"uid": review.pop("request")["uid"], "allowed": True}
                body = json.dumps(review).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        return Handler


@pytest.fixture
def gatekeeper(admin: client.ApiClient, namespace: Namespace, tmp_path: Path) -> Iterator[Gatekeeper]:
    keeper = Gatekeeper(tmp_path / "pki")
    hooks = client.AdmissionregistrationV1Api(admin)
    (manifest,) = yaml.safe_load_all(
        f"""
        metadata: {{name: {namespace.name}}}
        webhooks:
          - name: gatekeeper.example.com
            admissionReviewVersions: [v1]
            sideEffects: None
            timeoutSeconds: 30
            namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {namespace.name}}}}}
            rules:
              - {{apiGroups: [{GROUP}], apiVersions: [{VERSION}], resources: ["*"], operations: [DELETE]}}
        """
    )
    manifest["webhooks"][0]["clientConfig"] = {
        "url": keeper.url,
        "caBundle": base64.b64encode(keeper.ca).decode(),
    }
    hooks.create_validating_webhook_configuration(manifest)
    yield keeper
    hooks.delete_validating_webhook_configuration(namespace.name)
    keeper.close()


@pytest.fixture(scope="module")
def operator_options() -> dict[str, Any]:
    return {"settings": {"MLJOBS_LEADER_ELECTION": "true"}}


def delete_past_the_finalizer(
    gatekeeper: Gatekeeper, job: Job, emulator: Emulator, namespace: Namespace
) -> str:
    """Ask for a deletion, have the job submitted meanwhile, and give its id; the deletion waits."""
    deletion = threading.Thread(target=job.delete)
    deletion.start()
    assert gatekeeper.asked.wait(30)
    job.patch_spec(suspend=False)
    (job_id,) = eventually(
        lambda: emulator.applied("create", namespace.name),
        what="the job is submitted",
        report=namespace.report,
    )
    assert job.metadata()["finalizers"] == ["mljobs.dev/cancel-job"]
    assert "deletionTimestamp" not in job.metadata()
    return job_id


def test_what_is_being_deleted_takes_no_finalizer(namespace: Namespace, operator: Operator) -> None:
    """The other order of the two calls: the deletion comes first, and the operator's patch finds nothing."""
    job = namespace.create(training("census", {"suspend": True}))
    job.until_condition("Suspended", "True")
    before = job.patch({"metadata": {"finalizers": ["example.com/own"]}})["metadata"]["resourceVersion"]
    job.delete()
    both = {"finalizers": ["example.com/own", "mljobs.dev/cancel-job"]}
    for guard, status in (({"resourceVersion": before}, 409), ({}, 422)):
        with pytest.raises(client.ApiException) as refused:
            job.patch({"metadata": {**both, **guard}})
        assert refused.value.status == status
    job.patch({"metadata": {"finalizers": None}})
    job.until_gone()


def until_cancelled(namespace: Namespace, emulator: Emulator, job_id: str) -> None:
    eventually(
        lambda: emulator.applied("cancel", namespace.name),
        lambda cancelled: cancelled == [job_id],
        what="the job is cancelled",
        within=60,
        report=namespace.report,
    )


@pytest.fixture
def suspended(namespace: Namespace) -> Job:
    """A resource without a finalizer."""
    job = namespace.create(training("census", {"suspend": True}))
    job.until_condition("Suspended", "True")
    return job


def test_an_operator_that_lives_sees_it(
    gatekeeper: Gatekeeper, suspended: Job, namespace: Namespace, emulator: Emulator
) -> None:
    job_id = delete_past_the_finalizer(gatekeeper, suspended, emulator, namespace)
    gatekeeper.go.set()
    suspended.until_gone()
    until_cancelled(namespace, emulator, job_id)


@pytest.mark.parametrize("killed", ["before the resource is gone", "right after"])
def test_the_successor_of_one_that_was_killed_learns_of_it(
    killed: str,
    gatekeeper: Gatekeeper,
    suspended: Job,
    namespace: Namespace,
    emulator: Emulator,
    operator: Operator,
) -> None:
    job_id = delete_past_the_finalizer(gatekeeper, suspended, emulator, namespace)
    emulator.fault("error", method="cancel")
    if killed == "right after":
        gatekeeper.go.set()
        suspended.until_gone()
        eventually(
            lambda: emulator.effects(method="cancel", jobId=job_id), what="a cancel", report=namespace.report
        )
    operator.kill()
    gatekeeper.go.set()
    suspended.until_gone()
    emulator.fix()
    assert emulator.applied("cancel", namespace.name) == []
    operator.start()
    until_cancelled(namespace, emulator, job_id)
    assert emulator.applied("create", namespace.name) == [job_id]


def marks(admin: client.ApiClient) -> dict[str, int]:
    """What the Lease says."""
    lease: Any = client.CoordinationV1Api(admin).read_namespaced_lease("mljobs-operator", ACCOUNT[0])
    found: dict[str, int] = json.loads(lease.metadata.annotations["mljobs.dev/watched"])
    return found


def test_marks_go_on_with_the_watch(
    namespace: Namespace, operator: Operator, admin: client.ApiClient
) -> None:
    before = marks(admin)
    assert set(before) == {"TrainingJob", "PredictionJob"}
    job = namespace.create(training("census"))
    version = int(job.metadata()["resourceVersion"])
    eventually(lambda: marks(admin)["TrainingJob"], lambda mark: mark >= version, what="the mark follows")
    assert marks(admin)["PredictionJob"] == before["PredictionJob"]


def test_marks_that_the_api_server_has_forgotten_hold_nothing_up(
    namespace: Namespace, operator: Operator, admin: client.ApiClient
) -> None:
    operator.stop()
    old = {"metadata": {"annotations": {"mljobs.dev/watched": json.dumps({"TrainingJob": 1})}}}
    client.CoordinationV1Api(admin).patch_namespaced_lease("mljobs-operator", ACCOUNT[0], old)
    operator.start()
    eventually(lambda: marks(admin)["TrainingJob"], lambda mark: mark > 1, what="the mark starts again")
    job = namespace.create(training("census"))
    version = int(job.metadata()["resourceVersion"])
    assert job.job_id
    eventually(lambda: marks(admin)["TrainingJob"], lambda mark: mark >= version, what="the mark follows")
    assert "`mljobs leftovers` finds the jobs it may have left behind" in operator.tail()

"""kubectl as a user has it, what the server publishes, and resources that are valid."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from mljobs.api.resources import GROUP, KINDS, VERSION, JobKind
from mljobs_dev.controlplane.client import ApiError
from mljobs_dev.controlplane.controlplane import ControlPlane

NAMESPACE = "crds"
Json = dict[str, Any]

BINDINGS: list[Json] = [
    {
        "role": "roles/ml.jobOwner",
        "members": ["user:a@example.com"],
        "condition": {"title": "t", "description": "d", "expression": "true", "location": "l"},
    }
]

OWN_STATUS: Json = {
    "observedGeneration": 1,
    "jobName": "projects/p/jobs/j",
    "jobClassName": "vertex",
    "projectId": "my-project",
    "location": "us-central1",
    "errorCode": 8,
    "cause": "NoCapacity",
    "exitCode": 1,
    "outcome": "Failed",
    "record": {
        "jobClass": {
            "name": "vertex",
            "service": "VertexAI",
            "endpoint": "https://vertex.example.com",
            "identity": {"impersonate": "jobs@my-project.iam.gserviceaccount.com"},
            "labels": {"cost": "a"},
            "deletionPolicy": "Orphan",
        },
        "iamBindings": BINDINGS,
        "labelKeys": ["team"],
        "accepted": "Created",
        "suspendedAttempt": 1,
        "presence": "FoundAgain",
        "refused": {"generation": 1, "reason": "Rejected", "retry": "1"},
    },
    "attempt": 1,
    "attempts": [
        {
            "attempt": 1,
            "jobId": "j",
            "jobName": "projects/p/jobs/j",
            "state": "FAILED",
            "createTime": "2019-07-01T11:31:55Z",
            "startTime": "2019-07-01T11:32:55Z",
            "endTime": "2019-07-01T11:33:55Z",
            "errorMessage": "no",
        }
    ],
    "placement": {"number": 2, "round": 1, "region": "us-central1", "strategy": "SPOT"},
    "consoleUrl": "https://console.cloud.google.com/a",
    "logsUrl": "https://console.cloud.google.com/b",
    "conditions": [
        {
            "type": "Succeeded",
            "status": "False",
            "observedGeneration": 1,
            "lastTransitionTime": "2019-07-01T11:33:55Z",
            "reason": "JobFailed",
            "message": "",
        }
    ],
}

INPUTS: dict[str, Json] = {
    "TrainingJob": {
        "region": "us-central1",
        "runtimeVersion": "2.11",
        "pythonVersion": "3.7",
        "packageUris": ["gs://bucket/trainer.tar.gz"],
        "pythonModule": "trainer.task",
    },
    "PredictionJob": {
        "region": "us-central1",
        "dataFormat": "JSON",
        "inputPaths": ["gs://bucket/in/*"],
        "outputPath": "gs://bucket/out",
        "modelName": "projects/p/models/m",
    },
}

both = pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)


class Kubectl:
    """kubectl on one control plane and in one namespace."""

    def __init__(self, program: Path, kubeconfig: Path, cache: Path) -> None:
        self.command = [
            str(program),
            f"--kubeconfig={kubeconfig}",
            f"--namespace={NAMESPACE}",
            f"--cache-dir={cache}",
        ]

    def run(self, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.command, *args], input=stdin, capture_output=True, text=True, timeout=60, check=False
        )

    def out(self, *args: str, stdin: str = "") -> str:
        """Run a command that has to succeed without any warning, and give what it prints."""
        done = self.run(*args, stdin=stdin)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    def apply(self, *documents: Json) -> str:
        lines = json.dumps({"apiVersion": "v1", "kind": "List", "items": documents})
        return self.out("apply", "--server-side", "-f", "-", stdin=lines)

    def refuse(self, document: Json) -> str:
        """Apply what the server has to refuse, and give its words."""
        done = self.run("apply", "--server-side", "--dry-run=server", "-f", "-", stdin=json.dumps(document))
        assert done.returncode != 0, f"accepted: {document}"
        return done.stderr

    def get(self, kind: JobKind, name: str) -> Json:
        found: Json = json.loads(self.out("get", kind.plural, name, "-o", "json"))
        return found

    def patch(self, kind: JobKind, name: str, change: Json, *args: str) -> subprocess.CompletedProcess[str]:
        return self.run("patch", kind.plural, name, "--type=merge", f"-p={json.dumps(change)}", *args)

    def submitted(self, kind: JobKind, name: str) -> None:
        """Write what the operator writes once the service has accepted a job."""
        status = {"status": {"observedGeneration": 1, "state": "QUEUED", "jobId": f"{name}_1"}}
        done = self.patch(kind, name, status, "--subresource=status")
        assert done.returncode == 0, done.stderr


def wait_until_published(control_plane: ControlPlane) -> None:
    """Wait for the OpenAPI document, which the server makes some time after a CRD is established."""
    deadline = time.monotonic() + 30
    wanted = {kind.name for kind in KINDS.values()}
    while not wanted <= set(published(control_plane)):
        assert time.monotonic() < deadline, "the kinds are not in the OpenAPI document"
        time.sleep(0.05)


def published(control_plane: ControlPlane) -> dict[str, Json]:
    """The schemas of our kinds as the server publishes them for kubectl, by kind."""
    try:
        document = control_plane.client.get(f"/openapi/v3/apis/{GROUP}/{VERSION}")
    except ApiError as error:
        if error.status == 404:
            return {}
        raise
    return {
        entry["kind"]: schema
        for schema in document["components"]["schemas"].values()
        for entry in schema.get("x-kubernetes-group-version-kind", ())
        if entry["group"] == GROUP
    }


def resource(kind: JobKind, name: str, spec: Json | None = None, **job_input: Any) -> Json:
    """A valid resource, with these fields of the input and the spec changed; None removes a field."""
    merged = {**INPUTS[kind.name], **job_input}
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": kind.name,
        "metadata": {"name": name},
        "spec": {
            kind.input_field: {field: value for field, value in merged.items() if value is not None},
            **(spec or {}),
        },
    }

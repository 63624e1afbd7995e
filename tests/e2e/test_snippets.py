"""The table of snippets through the programs that it speaks of: kubectl with an API server, and gcloud."""

import json
from pathlib import Path
from typing import Any

import pytest

from mljobs.backends.mlv1.translate import to_job
from mljobs.domain.spec.validate import validate
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.support import Kubectl
from tests.e2e.support_gcloud import Gcloud
from tests.e2e.support_stack import PROJECT, Emulator
from tests.unit.cli.snippet_cases import SNIPPETS, Refused, Snippet
from tests.unit.cli.test_snippets import CONFIG, IMAGE, MANIFEST, without_empty

Json = dict[str, Any]


@pytest.fixture(scope="module")
def kubectl(binaries_dir: Path, control_plane: ControlPlane, crds: None) -> Kubectl:
    return Kubectl(binaries_dir / "kubectl", control_plane.kubeconfig, "default")


@pytest.mark.parametrize("snippet", SNIPPETS, ids=str)
def test_kubectl_and_the_api_server(snippet: Snippet, kubectl: Kubectl) -> None:
    done = kubectl.run(
        "apply", "--dry-run=server", "--validate=strict", "-o=json", "-f=-", stdin=MANIFEST % snippet.text
    )
    assert (done.returncode != 0) is isinstance(snippet.by_kubectl, Refused), done.stderr
    if not isinstance(snippet.by_kubectl, Refused):
        assert submitted(json.loads(done.stdout)["spec"]) == expected(snippet.by_kubectl)


def submitted(spec: Json) -> Json:
    """The training input that the operator would submit for a stored spec."""
    validated = validate("TrainingJob", spec)
    assert validated.spec is not None, validated.problems
    job = to_job("TrainingJob", validated.spec.document(), job_id="a", labels={})
    return without_empty(dict(job["trainingInput"]))


def expected(fields: Json) -> Json:
    return {"region": "us-central1", "masterConfig": IMAGE, **fields}


@pytest.mark.parametrize("snippet", SNIPPETS, ids=str)
def test_gcloud(
    snippet: Snippet,
    gcloud: Gcloud,
    emulator: Emulator,
    tmp_path: Path,
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG % snippet.text, "utf-8")
    job_id = f"snippet_{SNIPPETS.index(snippet)}"
    done = gcloud(f"submit training {job_id} --region us-central1 --config {config}")
    assert (done.returncode != 0) is isinstance(snippet.by_gcloud, Refused), done.stderr
    if not isinstance(snippet.by_gcloud, Refused):
        found = emulator.job(job_id, project=PROJECT)["trainingInput"]
        assert without_empty(found) == expected(snippet.by_gcloud)

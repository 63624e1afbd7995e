"""What `mljobs check` looks at; a module says which `account` of which cluster it is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mljobs.admin.check.cluster import Cluster
from mljobs.admin.check.definitions import check_definitions
from mljobs.admin.check.finding import Status
from mljobs.controller.kube.blocking import Client
from mljobs.controller.kube.kubeconfig import find_access
from tests.e2e.support import eventually, training
from tests.e2e.support_stack import Emulator


@pytest.fixture(scope="module")
def cluster(account: Path) -> Iterator[Cluster]:
    """The API server as the operator's ServiceAccount sees it."""
    with Client(find_access(str(account)), "test", retries=False) as api:
        cluster = Cluster(api)
        eventually(
            lambda: [finding.status for finding in check_definitions(cluster)],
            lambda statuses: set(statuses) == {Status.OK},
            what="the schemas are published",
        )
        yield cluster


@pytest.fixture
def job(emulator: Emulator) -> str:
    """The id of a job of the default project."""
    spec = training("x")["spec"]["trainingInput"]
    job_id = f"check_{emulator.last}"
    emulator.create({"jobId": job_id, "trainingInput": spec})
    return job_id

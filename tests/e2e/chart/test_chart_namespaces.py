"""A watched namespace that is deleted with a running job in it: its Role goes before the resource can."""

import asyncio
import copy
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from mljobs.controller.kube import errors
from mljobs.controller.kube.client import Kube
from mljobs.controller.kube.client import connect as connect_kube
from mljobs.controller.kube.documents import slim
from mljobs.controller.kube.kubeconfig import find_access
from mljobs.controller.kube.session import Connection
from mljobs.domain.job.resource import FINALIZER, Resource
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.chart.support_chart import FULLNAME, NAMESPACE, Helm, Release, ReleasedOperator, reach
from tests.e2e.support import Job, Kubectl, Namespace, condition, connect, eventually, training
from tests.e2e.support_stack import PROJECT, Emulator
from tests.unit.docs.markdown import DOCS, blocks

TENANT, OTHER = "tenant", "other"
STUCK = "NamespaceFinalizersRemaining"


@pytest.fixture(scope="module", autouse=True)
def needs_controllers(has_controllers: bool) -> None:
    if not has_controllers:
        pytest.skip("deleting namespaces needs kube-controller-manager: mljobs controlplane ensure --with it")


@dataclass
class World:
    """A release that watches two namespaces, and its operator."""

    release: Release
    operator: ReleasedOperator
    emulator: Emulator
    kubectl: Kubectl
    tenant: Namespace
    other: Namespace
    environment: Mapping[str, str]

    def running(self, name: str = "census") -> tuple[Job, str]:
        """A job that runs, and its id."""
        job = self.tenant.create(training(name))
        self.emulator.force(job.job_id, "RUNNING")
        job.until_state("RUNNING")
        return job, job.job_id

    def shell(self, script: str, **variables: str) -> str:
        """Run commands of the documentation as the administrator; what they print."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
            env={**self.environment, **variables},
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def delete_tenant(self) -> None:
        """Delete the namespace, and wait until nothing but the jobs' resources is left of it."""
        self.kubectl.out("delete", "namespace", TENANT, "--wait=false")
        eventually(
            lambda: self.kubectl.run("get", "role,rolebinding", "-n", TENANT, "-o", "name").stdout,
            lambda left: not left,
            what="the namespace's roles are gone",
        )

    def until_stuck(self) -> None:
        """Wait until the namespace says that a finalizer holds it."""
        states = f"jsonpath={{.status.conditions[?(@.type=='{STUCK}')].status}}"
        eventually(
            lambda: self.kubectl.run("get", "namespace", TENANT, "-o", states).stdout,
            lambda status: status == "True",
            what="a finalizer holds the namespace",
        )

    def until_ended(self, *ids: str) -> None:
        """Wait until the namespace is gone; each job has been cancelled once."""
        self.kubectl.out("wait", "--for=delete", f"namespace/{TENANT}", "--timeout=60s")
        cancelled = [job_id for job_id in self.emulator.applied("cancel", TENANT) if job_id in ids]
        assert sorted(cancelled) == sorted(ids)


Start = Callable[..., World]


@pytest.fixture
def start(
    cluster_helm: Helm,
    helm_binaries: Path,
    plane: ControlPlane,
    admin_kubectl: Kubectl,
    emulator: Emulator,
    tmp_path: Path,
) -> Iterator[Start]:
    """Installs the chart for both namespaces and runs its operator; at the end all of it is removed."""
    release = Release(cluster_helm, plane)
    running: list[World] = []

    def run(namespace_deletion: str, grace: float = 3) -> World:
        for name in (TENANT, OTHER):
            plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        rbac = {"namespaceDeletion": namespace_deletion}
        values = reach(emulator, watchNamespaces=[TENANT, OTHER], rbac=rbac)
        values["config"]["unknownOutcomeGrace"] = grace
        release.install(values)
        operator = release.operator(tmp_path)
        operator.start()
        api = connect(plane.kubeconfig)
        tenant, other = (Namespace(api, name, operator.tail) for name in (TENANT, OTHER))
        programs = f"{helm_binaries}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": programs, "KUBECONFIG": str(plane.kubeconfig)}
        running.append(World(release, operator, emulator, admin_kubectl, tenant, other, environment))
        return running[0]

    yield run
    emulator.fix()
    for world in running:
        world.operator.stop()
        for place in (world.tenant, world.other):
            place.release_all()
            place.delete_all()
        # where the test has begun with it, the next one needs it again
        left = admin_kubectl.run("get", "namespace", TENANT, "-o", "jsonpath={.status.phase}").stdout
        if left == "Terminating":
            admin_kubectl.out("wait", "--for=delete", f"namespace/{TENANT}", "--timeout=60s")
    release.uninstall()
    admin_kubectl.run("delete", "lease", FULLNAME, "-n", NAMESPACE, "--ignore-not-found")


def assert_the_other_namespace_is_served(world: World) -> None:
    job = world.other.create(training("meanwhile"))
    job.until_state("QUEUED")
    job.delete()
    job.until_gone()


@pytest.mark.parametrize("rights", ["Patch", "ReadAndPatch"])
def test_the_job_is_cancelled_and_the_namespace_ends(start: Start, rights: str) -> None:
    world = start(rights)
    ids = [world.running(f"job-{number}")[1] for number in range(3)]
    world.delete_tenant()
    world.until_ended(*ids)
    assert_the_other_namespace_is_served(world)


def test_a_cancel_that_fails_is_told_on_the_resource(start: Start) -> None:
    world = start("Patch")
    job, job_id = world.running()
    world.emulator.fault("error", method="cancel", status=503, message="The service is on holiday.")
    world.delete_tenant()
    status = job.until_status(
        lambda seen: "on holiday" in condition(seen, "Reconciling").get("message", ""),
        "it says what is wrong",
    )
    assert condition(status, "Reconciling")["status"] == "True"
    world.emulator.fix()
    world.until_ended(job_id)


def test_with_the_right_to_read_a_restart_meanwhile_changes_nothing(start: Start) -> None:
    world = start("ReadAndPatch")
    _, job_id = world.running()
    world.operator.kill()
    world.delete_tenant()
    world.until_stuck()
    world.operator.start()
    world.until_ended(job_id)
    assert_the_other_namespace_is_served(world)


def test_a_deletion_that_the_watch_has_missed_is_found(start: Start, plane: ControlPlane) -> None:
    """The Role goes, the watch is cut, and only then the resource is deleted."""
    world = start("Patch")
    job, job_id = world.running()
    world.kubectl.out("delete", "role,rolebinding", FULLNAME, "-n", TENANT)
    server = plane.processes["kube-apiserver"]
    server.restart = True
    server.send_signal(signal.SIGKILL)
    eventually(lambda: server.restarts, what="the API server is started again")
    plane.wait_ready()
    eventually(
        lambda: world.operator.tail(100_000),
        lambda log: "cannot list resource" in log,
        what="the watch may not start again",
    )
    job.delete()
    job.until_gone()
    assert job_id in world.emulator.applied("cancel", TENANT)
    assert_the_other_namespace_is_served(world)


@asynccontextmanager
async def as_the_operator(world: World) -> AsyncIterator[Kube]:
    """A connection of the operator's own kind with its rights; the operator is stopped."""
    world.operator.stop()
    async with connect_kube(Connection(find_access(str(world.operator.kubeconfig)))) as connection:
        yield connection


async def test_the_right_to_patch_is_enough_to_read(start: Start) -> None:
    """And nothing is written by it."""
    world = start("Patch")
    job, _ = world.running()
    world.kubectl.out("delete", "role,rolebinding", FULLNAME, "-n", TENANT)
    async with as_the_operator(world) as connection:
        before = job.object()
        assert before is not None
        with pytest.raises(errors.Forbidden):
            await connection.list("TrainingJob", TENANT)
        assert await connection.get("TrainingJob", TENANT, job.name) == slim(copy.deepcopy(before))
        with pytest.raises(errors.ObjectNotFound):
            await connection.get("TrainingJob", TENANT, "nobody")
    assert job.object() == before


async def in_force(connection: Kube, job: Job) -> Resource:
    """Wait until the policy refuses to change nothing, since the API server learns of it after a while."""
    async with asyncio.timeout(30):
        while True:
            resource = Resource.parse(job.object() or {})
            try:
                await connection.patch_metadata(resource, {"finalizers": []})
            except errors.Refused:
                return resource
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("rights", ["Patch", "ReadAndPatch"])
async def test_elsewhere_it_may_change_nothing(start: Start, plane: ControlPlane, rights: str) -> None:
    """The rights are the whole cluster's; the admission policy confines them."""
    world = start(rights)
    plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "elsewhere"}})
    job = Namespace(world.tenant.api, "elsewhere", str).create(training(f"census-{rights.lower()}"))
    async with as_the_operator(world) as connection:
        resource = await in_force(connection, job)
        for write in (
            connection.patch_metadata(resource, {"finalizers": ["a.example/b"]}),
            connection.patch_metadata(resource, {"finalizers": []}),
            connection.patch_status(resource, {"state": "RUNNING"}),
        ):
            with pytest.raises(errors.Refused, match="only in its watchNamespaces"):
                await write


SECTION = [
    block.text
    for block in blocks(DOCS / "operations.md")
    if block.heading == "When a namespace is deleted" and block.language == "sh"
]


def documented(word: str) -> str:
    """The commands of the page that hold a word, for this release and namespace."""
    (text,) = (text for text in SECTION if word in text)
    text = text.replace("mljobs-system:mljobs-mljobs-operator", f"{NAMESPACE}:{FULLNAME}")
    return text.replace("mljobs-mljobs-operator", FULLNAME).replace("team-a", TENANT)


def test_without_the_right_it_can_be_granted_afterwards(start: Start) -> None:
    world = start("None")
    _, job_id = world.running()
    # or the operator may be done before the roles are gone
    world.emulator.fault("error", method="cancel", status=503)
    world.delete_tenant()
    world.emulator.fix()
    world.until_stuck()
    hint = eventually(
        world.operator.tail, lambda log: "mljobs leftovers --cancel -n tenant" in log, what="the log says why"
    )
    assert "the finalizer cannot be removed" in hint
    world.shell(documented("create clusterrole"))
    world.until_ended(job_id)
    assert_the_other_namespace_is_served(world)


def test_without_the_right_resources_are_deleted_first(start: Start) -> None:
    world = start("None")
    _, job_id = world.running()
    world.shell(documented("kubectl delete namespace"))
    world.until_ended(job_id)


def leftovers(world: World, *options: str) -> str:
    """Run the command of the page, with more options."""
    command = documented("mljobs leftovers").strip().replace("my-project", PROJECT)
    return world.shell(
        " ".join([command, *options]),
        MLJOBS_ENDPOINT=world.emulator.url,
        MLJOBS_ANONYMOUS="true",
        MLJOBS_LEASE_NAMESPACE=NAMESPACE,
        MLJOBS_UNKNOWN_OUTCOME_GRACE="3",
    )


def test_without_the_right_leftovers_ends_it_while_the_operator_runs(start: Start) -> None:
    world = start("None")
    (_, first), (_, second) = world.running("first"), world.running("second")
    world.delete_tenant()
    world.until_stuck()
    said = leftovers(world)
    assert f"holds the Lease {NAMESPACE}/{FULLNAME}" in said
    world.until_ended(first, second)
    assert world.operator.running
    assert_the_other_namespace_is_served(world)


def test_leftovers_leaves_what_may_still_be_submitted_to_the_operator_that_runs(start: Start) -> None:
    world = start("None", grace=60)  # so that the operator comes to no end before it has lost its rights
    world.emulator.fault("error", method="create", status=503)
    job = world.tenant.create(training("unanswered"))
    job.until_condition("Submitted", "Unknown", "OutcomeUnknown")
    world.delete_tenant()
    world.until_stuck()
    said = leftovers(world, "-o json 2>/dev/null || true")
    (row,) = json.loads(said)["resources"]
    assert (row["outcome"], row["done"], "may still submit it" in row["message"]) == ("kept", False, True)
    assert job.metadata()["finalizers"] == [FINALIZER]
    world.operator.stop()
    world.emulator.fix()
    assert "released" in leftovers(world)
    world.until_ended()

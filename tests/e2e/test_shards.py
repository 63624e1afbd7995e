"""Three shards and a replica in reserve: each namespace has one operator, and then another one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client

from mljobs.controller.loop.shard import Shard
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.support import Namespace, eventually, training
from tests.e2e.support_shards import leading, owners, served, sharing
from tests.e2e.support_stack import Emulator, Operator

SHARDS = 3
NAMESPACES = [f"share-{number}" for number in range(9)]
EACH = 3
"""Resources in each namespace."""


@pytest.fixture
def operators(
    control_plane: ControlPlane, operator_kubeconfig: Path, emulator: Emulator, tmp_path: Path
) -> Iterator[dict[str, Operator]]:
    """Four operators by the user that each is."""
    made = sharing(control_plane, emulator.url, tmp_path, {}, SHARDS)
    for operator in made.values():
        operator.start()
    yield made
    for operator in made.values():
        operator.kill() if operator.running else None


@pytest.fixture
def places(admin: client.ApiClient, operators: dict[str, Operator]) -> Iterator[list[Namespace]]:
    made = []
    for name in NAMESPACES:
        client.CoreV1Api(admin).create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name)))
        made.append(Namespace(admin, name, lambda: "\n".join(one.tail() for one in operators.values())))
    yield made
    for place in made:
        place.delete_all()
    for place in made:
        eventually(place.all, lambda left: not left, what=f"{place.name} is empty again", within=60)


def test_each_namespace_has_one_operator_also_while_one_dies(
    control_plane: ControlPlane,
    operators: dict[str, Operator],
    places: list[Namespace],
    emulator: Emulator,
) -> None:
    eventually(lambda: len(leading(operators)) == SHARDS, what="three of four lead", within=60)
    jobs = [place.create(training(f"job-{n}")) for place in places for n in range(EACH)]
    ids = [job.job_id for job in jobs]
    assert len(set(ids)) == len(jobs)
    acting = leading(operators)
    assert sum(served(operators[user]) for user in acting) == len(jobs)
    before = owners(control_plane, set(operators))
    assert all(len(users) == 1 for users in before.values()), before
    shares = {number: {n for n in NAMESPACES if Shard(number, SHARDS).has(n)} for number in range(SHARDS)}
    shares_seen = [{name for name in NAMESPACES if before[name] == [user]} for user in acting]
    assert sorted(map(sorted, shares_seen)) == sorted(map(sorted, shares.values()))

    (dead, *living), (spare,) = acting, set(operators) - set(acting)
    operators[dead].kill()
    for job_id in ids:
        emulator.force(job_id, "SUCCEEDED")
    later = [place.create(training("later")) for place in places]
    for job in [*jobs]:
        job.until_condition("Succeeded", "True")
    for job in later:
        job.until_status(lambda status: bool(status.get("jobId")), "is submitted", within=60)
    after = owners(control_plane, set(operators))
    for name, users in after.items():
        assert users == ([dead, spare] if before[name] == [dead] else before[name]), name
    made = [row["jobId"] for row in emulator.effects(method="create") if row["applied"]]
    assert len(made) == len(set(made)) == len(jobs) + len(later)
    assert set(leading(operators)) == {*living, spare}

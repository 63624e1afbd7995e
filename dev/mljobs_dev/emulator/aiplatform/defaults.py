"""What the service fills into a new job."""

from typing import Any

from mljobs_dev.emulator.aiplatform.kinds import BATCH, Kind

Json = dict[str, Any]

DISK = {"bootDiskType": "pd-ssd", "bootDiskSizeGb": 100}
"""The boot disk of most machines (recorded)."""

_HYPERDISK_FAMILIES = ("a3-ultragpu-", "a4-", "a4x-")


def with_defaults(kind: Kind, body: Json) -> Json:
    """A checked job with the defaults that come back in the service's answers."""
    if kind is BATCH:
        return {**body, "manualBatchTuningParameters": body.get("manualBatchTuningParameters", {})}
    spec = dict(body[kind.spec])
    spec["workerPoolSpecs"] = [_pool(pool) for pool in spec["workerPoolSpecs"]]
    return {**body, kind.spec: spec}


def _pool(pool: Json) -> Json:
    if not pool:
        return {}
    machine = pool.get("machineSpec", {}).get("machineType", "")
    disk = {**DISK}
    if machine.startswith(_HYPERDISK_FAMILIES):
        disk["bootDiskType"] = "hyperdisk-balanced"
    return {
        **pool,
        "replicaCount": pool.get("replicaCount", "1"),
        "diskSpec": {**disk, **pool.get("diskSpec", {})},
    }

"""The least that a program can do for the same resources: the limit that the operator is compared with.

    python -m bench.bare KUBECONFIG ENDPOINT PROJECT

Plain asyncio and aiohttp: it lists and watches TrainingJobs, and for each new one sends one merge patch of
the metadata, one create call to the job service and one merge patch of the status. It validates nothing,
posts no Event, logs nothing and retries nothing. It prints a line once it watches.
"""

import asyncio
import json
import ssl
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import yaml

WORKERS = 32
"""Resources that are worked on at once."""

CLOUD_CONNECTIONS = 8
"""As many as the operator has threads for its calls."""

LONGEST_LINE = 2**21

MERGE = {"Content-Type": "application/merge-patch+json"}
JSON = {"Content-Type": "application/json"}
SETTLED = (
    ("Submitted", "True", "Accepted", "The service has accepted the job."),
    ("Succeeded", "Unknown", "NotFinished", "The job has not finished yet."),
    ("Reconciling", "False", "Watching", "Nothing is left to do but watch the job."),
    ("Suspended", "False", "NotSuspended", "Nothing holds the job back."),
)

Json = dict[str, Any]


class Bare:
    """One run of the program."""

    def __init__(
        self, kube: aiohttp.ClientSession, cloud: aiohttp.ClientSession, url: str, jobs: str
    ) -> None:
        self._kube = kube
        self._cloud = cloud
        self._root = f"{url}/apis/mljobs.dev/v1alpha1"
        self._jobs = jobs
        self._project = jobs.rsplit("/", 2)[1]
        self._new: asyncio.Queue[Json] = asyncio.Queue()

    async def run(self) -> None:
        async with self._kube.get(f"{self._root}/trainingjobs") as answer:
            page = json.loads(await answer.read())
        print("watching", flush=True)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch(page["metadata"]["resourceVersion"]))
            for _ in range(WORKERS):
                tasks.create_task(self._work())

    async def _watch(self, version: str) -> None:
        while True:
            address = f"{self._root}/trainingjobs?watch=true&resourceVersion={version}"
            async with self._kube.get(address) as answer:
                async for line in answer.content:
                    event = json.loads(line)
                    body = event["object"]
                    version = body["metadata"]["resourceVersion"]
                    if event["type"] == "ADDED" and "finalizers" not in body["metadata"]:
                        self._new.put_nowait(body)

    async def _work(self) -> None:
        while True:
            await self._submit(await self._new.get())

    async def _submit(self, body: Json) -> None:
        meta, uid = body["metadata"], body["metadata"]["uid"]
        address = f"{self._root}/namespaces/{meta['namespace']}/trainingjobs/{meta['name']}"
        job_id = f"{meta['namespace']}_{meta['name']}_{uid[:8]}".replace("-", "_")
        intent = {"uid": uid, "project": self._project, "jobId": job_id, "attempt": 1, "generation": 1}
        held = {
            "uid": uid,
            "resourceVersion": meta["resourceVersion"],
            "finalizers": ["mljobs.dev/cancel-job"],
            "annotations": {"mljobs.dev/submission": json.dumps(intent)},
        }
        written = await self._patch(address, {"metadata": held})
        job = {
            "jobId": job_id,
            "labels": {"mljobs-uid": uid, "mljobs-name": meta["name"]},
            "trainingInput": body["spec"]["trainingInput"],
        }
        async with self._cloud.post(self._jobs, data=json.dumps(job), headers=JSON) as answer:
            made = json.loads(await _whole(answer))
        guard = {"uid": uid, "resourceVersion": written["metadata"]["resourceVersion"]}
        status = self._status(job_id, made)
        await self._patch(f"{address}/status", {"metadata": guard, "status": status})

    def _status(self, job_id: str, made: Json) -> Json:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "observedGeneration": 1,
            "attempt": 1,
            "jobId": job_id,
            "projectId": self._project,
            "jobName": f"projects/{self._project}/jobs/{job_id}",
            **{name: made[name] for name in ("createTime", "state", "etag", "labels")},
            "conditions": [
                {
                    "type": kind,
                    "status": state,
                    "reason": reason,
                    "message": message,
                    "observedGeneration": 1,
                    "lastTransitionTime": now,
                }
                for kind, state, reason, message in SETTLED
            ],
        }

    async def _patch(self, address: str, patch: Json) -> Json:
        async with self._kube.patch(address, data=json.dumps(patch), headers=MERGE) as answer:
            written: Json = json.loads(await _whole(answer))
            return written


async def _whole(answer: aiohttp.ClientResponse) -> bytes:
    body = await answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{answer.method} {answer.url}: {answer.status} {body.decode()}")
    return body


async def main(access: Json, endpoint: str, project: str) -> None:
    cluster, user = access["clusters"][0]["cluster"], access["users"][0]["user"]
    context = ssl.create_default_context(cafile=cluster["certificate-authority"])
    kube = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=WORKERS + 1, ssl=context),
        headers={"Authorization": f"Bearer {user['token']}"},
        timeout=aiohttp.ClientTimeout(total=None),
        read_bufsize=LONGEST_LINE,
    )
    cloud = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CLOUD_CONNECTIONS))
    async with kube, cloud:
        await Bare(kube, cloud, cluster["server"], f"{endpoint}/v1/projects/{project}/jobs").run()


if __name__ == "__main__":
    kubeconfig, endpoint, project = sys.argv[1:4]
    asyncio.run(main(yaml.safe_load(Path(kubeconfig).read_text("utf-8")), endpoint, project))

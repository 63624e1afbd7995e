"""Makes many resources at once as the administrator, and watches when each is done."""

import asyncio
import json
import re
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import yaml

from mljobs.api.resources import GROUP, TRAINING_JOB, VERSION
from mljobs_dev.controlplane.controlplane import ControlPlane

CONNECTIONS = 32
LONGEST_LINE = 2**22
NAMESPACE = "bench"

Done = Callable[[bytes], bool]
"""Whether a watch event, one line of JSON, shows a resource that is done."""

_NAME = re.compile(rb'"name":"(job-\d+)"')


ARGUMENTS = ["--epochs", "10", "--learning-rate", "0.01", "--batch-size", "128"]
LARGE_ARGUMENTS, LARGE_NOTES = ["<" * 30_000] * 6, "x" * 256_000
"""What makes a resource as large as the rules allow: 1.3 MB in etcd, where each `<` takes six bytes."""


def manifest(name: str, *, large: bool = False) -> dict[str, Any]:
    """A resource like those of real projects, or one that is as large as it may be."""
    training = {
        "region": "us-central1",
        "scaleTier": "CUSTOM",
        "masterType": "n1-standard-8",
        "masterConfig": {"imageUri": "gcr.io/bench/trainer:1"},
        "args": LARGE_ARGUMENTS if large else ARGUMENTS,
        "jobDir": f"gs://bench/jobs/{name}",
        "scheduling": {"maxRunningTime": "86400s"},
    }
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": TRAINING_JOB.name,
        "metadata": {
            "name": name,
            **({"annotations": {"example.com/notes": LARGE_NOTES}} if large else {}),
        },
        "spec": {"labels": {"team": "a"}, "trainingInput": training},
    }


def has_job(line: bytes) -> bool:
    """The status names the job: managed fields spell that name otherwise."""
    return b'"jobName":"' in line


def in_state(state: str) -> Done:
    """The status says this state."""
    wanted = f'"state":"{state}"'.encode()
    return lambda line: wanted in line


class Crowd:
    """The resources of one namespace, many at once."""

    def __init__(self, session: aiohttp.ClientSession, url: str, namespace: str = NAMESPACE) -> None:
        self._session = session
        self._collection = f"{url}/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{TRAINING_JOB.plural}"

    async def create(self, manifests: Iterable[Mapping[str, Any]], connections: int = CONNECTIONS) -> None:
        """Make all of them, so many at once."""
        turns = iter(manifests)

        async def client() -> None:
            for body in turns:
                await self._send("POST", "", json.dumps(body))

        await asyncio.gather(*(client() for _ in range(connections)))

    async def version(self) -> str:
        """The resourceVersion of the present."""
        page = await self._send("GET", "?limit=1")
        return str(page["metadata"]["resourceVersion"])

    async def until(self, count: int, done: Done, since: str) -> list[float]:
        """Watch since a version until so many are done.

        Returns:
            The moments at which they were, in order.
        """
        return list((await self.moments(count, done, since)).values())

    async def moments(self, count: int, done: Done, since: str) -> Mapping[str, float]:
        """The same, by the names of the resources, the first one first."""
        seen: dict[str, float] = {}
        while True:
            address = f"{self._collection}?watch=true&resourceVersion={since}&timeoutSeconds=300"
            async with self._session.get(address) as answer:
                if answer.status != 200:
                    raise RuntimeError(f"watching: {answer.status} {await answer.text()}")
                async for line in answer.content:
                    name = _NAME.search(line)
                    if name is None:
                        raise RuntimeError(f"an event without a name of ours: {line[:300]!r}")
                    if done(line) and (key := name[1].decode()) not in seen:
                        seen[key] = time.monotonic()
                        if len(seen) == count:
                            return seen
            # a watch ends by itself after a while, and the API server cuts slow ones: what is there counts
            items, since = await self._listed()
            for item in items:
                line = json.dumps(item, separators=(",", ":")).encode()
                name = _NAME.search(line)
                if name and done(line):
                    seen.setdefault(name[1].decode(), time.monotonic())
            if len(seen) >= count:
                return seen

    async def _listed(self) -> tuple[list[Any], str]:
        """All objects, and the resourceVersion of the list."""
        items: list[Any] = []
        token, version = "", ""
        while True:
            page = await self._send("GET", f"?limit=50&continue={token}")
            items += page["items"]
            version = version or str(page["metadata"]["resourceVersion"])
            token = page["metadata"].get("continue", "")
            if not token:
                return items, version

    async def _send(self, method: str, query: str, body: str | None = None) -> Any:
        headers = {"Content-Type": "application/json"}
        async with self._session.request(
            method, self._collection + query, data=body, headers=headers
        ) as answer:
            content = await answer.read()
            if answer.status >= 300:
                raise RuntimeError(f"{method} {self._collection}: {answer.status} {content[:500]!r}")
            return json.loads(content)


@asynccontextmanager
async def crowd(plane: ControlPlane, namespace: str = NAMESPACE) -> AsyncIterator[Crowd]:
    """Connect to a namespace as the administrator."""
    access = yaml.safe_load(plane.kubeconfig.read_text("utf-8"))
    user = access["users"][0]["user"]
    context = ssl.create_default_context(cafile=str(plane.ca))
    context.load_cert_chain(user["client-certificate"], user.get("client-key"))
    connector = aiohttp.TCPConnector(limit=CONNECTIONS + 1, ssl=context)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, read_bufsize=LONGEST_LINE
    ) as session:
        yield Crowd(session, plane.url, namespace)

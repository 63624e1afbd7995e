"""A control plane, a job service, and operators that are started, killed and started again against them."""

import asyncio
import contextlib
import itertools
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp

from mljobs.api.resources import GROUP, KINDS, VERSION
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.support_stack import ACCOUNT, Emulator
from tests.faults.backend import Backend, Truth, kubernetes_step
from tests.faults.gate import Certificates, Gate, Json, Observer, Trap, Upstream
from tests.faults.process import Forks, OperatorProcess

MERGE = "application/merge-patch+json"
RBAC = "rbac.authorization.k8s.io/v1"

PATIENCE = 30.0
"""Seconds after which something counts as never happening."""

SETTINGS = {
    "MLJOBS_ANONYMOUS": "true",
    "MLJOBS_CREATES_PER_MINUTE": "0",
    "MLJOBS_OTHERS_PER_MINUTE": "0",
    "MLJOBS_UNKNOWN_OUTCOME_GRACE": "1",
    "MLJOBS_LOST_AFTER": "1",
    "MLJOBS_GAUGE_INTERVAL": "0.01",
    "MLJOBS_REQUEST_TIMEOUT": "10",
    "MLJOBS_POLL_INTERVAL": "0.2",
    "MLJOBS_HOST": "127.0.0.1",
    "MLJOBS_PORT": "0",
    "MLJOBS_LOG_FORMAT": "text",
    "MLJOBS_LEADER_ELECTION": "false",
    "MLJOBS_SCHEDULES": "false",
}
"""No schedules, no quota, short waits for unanswered create calls and missing jobs, frequent polls."""

_numbers = itertools.count(1)


class KubernetesError(Exception):
    """The API server has refused a request of the test's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Cluster:
    """The API server with the administrator's rights, and what a watch has told of all resources.

    Args:
        session: for requests.
        url: the API server.
        trust: TLS with the administrator's certificate.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str, trust: ssl.SSLContext) -> None:
        self._session = session
        self._url = url
        self._trust = trust
        self.objects: dict[tuple[str, str, str], Json] = {}
        self.history: dict[str, list[tuple[str, Json]]] = {}
        self.follower: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    async def request(
        self, verb: str, path: str, body: object = None, *, kind: str = "application/json"
    ) -> Any:
        async with self._session.request(
            verb,
            self._url + path,
            data=None if body is None else json.dumps(body),
            headers={"Content-Type": kind},
            ssl=self._trust,
        ) as answer:
            if answer.status >= 400:
                raise KubernetesError(answer.status, await answer.text())
            return await answer.json()

    async def follow(self) -> None:
        """Watch both kinds until cancelled."""
        await asyncio.gather(*(self._follow(kind.name, kind.plural) for kind in KINDS.values()))

    async def _follow(self, kind: str, plural: str) -> None:
        path = f"/apis/{GROUP}/{VERSION}/{plural}"
        version = str((await self.request("GET", f"{path}?limit=1"))["metadata"]["resourceVersion"])
        while True:
            try:
                if not version:
                    version = await self._list(kind, path)
                async for event in self._stream(f"{path}?watch=true&resourceVersion={version}"):
                    if event["type"] == "ERROR":
                        version = ""
                        break
                    version = event["object"]["metadata"]["resourceVersion"]
                    self._note(kind, event["type"], event["object"])
            except (aiohttp.ClientError, KubernetesError, TimeoutError):
                version = ""
                await asyncio.sleep(0.1)  # the API server is down, on purpose

    async def _list(self, kind: str, path: str) -> str:
        found = await self.request("GET", path)
        living = {row["metadata"]["uid"] for row in found["items"]}
        for known in [body for body in self.objects.values() if body["kind"] == kind]:
            if known["metadata"]["uid"] not in living:
                self._note(kind, "DELETED", known)
        for row in found["items"]:
            self._note(kind, "MODIFIED", {"kind": kind, **row})
        return str(found["metadata"]["resourceVersion"])

    async def _stream(self, path: str) -> AsyncIterator[Json]:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
        async with self._session.get(self._url + path, ssl=self._trust, timeout=timeout) as answer:
            if answer.status != 200:
                raise KubernetesError(answer.status, await answer.text())
            async for line in answer.content:
                yield json.loads(line)

    def _note(self, kind: str, event: str, body: Json) -> None:
        meta = body["metadata"]
        key = (meta["namespace"], kind, meta["name"])
        if event == "DELETED":
            if self.objects.get(key, body)["metadata"]["uid"] == meta["uid"]:
                self.objects.pop(key, None)
        else:
            self.objects[key] = body
        self.history.setdefault(meta["namespace"], []).append((event, body))
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def clear(self, namespace: str = "") -> None:
        """Remove resources by force, so that they hold nothing up that comes later."""
        for (place, kind, name), body in list(self.objects.items()):
            if namespace in ("", place):
                path = self.path(kind, place, name)
                with contextlib.suppress(KubernetesError):
                    if not body["metadata"].get("deletionTimestamp"):
                        await self.request("DELETE", path)
                    await self.request("PATCH", path, {"metadata": {"finalizers": None}}, kind=MERGE)

    async def change(self, within: float) -> None:
        """Wait for the next event, at most so long."""
        if self.follower and self.follower.done():
            self.follower.result()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), within)

    def path(self, kind: str, namespace: str, name: str = "", sub: str = "") -> str:
        parts = ["/apis", GROUP, VERSION, "namespaces", namespace, KINDS[kind].plural, name, sub]
        return "/".join(part for part in parts if part)


async def until(
    look: Callable[[], Any], *, what: str, within: float = PATIENCE, report: Callable[[], str] = str
) -> Any:
    """Poll until what is seen is true, and return it."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while not (seen := look()):
        if loop.time() > deadline:
            raise AssertionError(f"not within {within:g} s: {what}\n{report()}")
        await asyncio.sleep(0.02)
    return seen


@dataclass
class Operator:
    """One operator process behind its gate.

    Attributes:
        process: the process.
        gate: what it sends passes here.
        started: the loop's time at its start.
    """

    process: OperatorProcess
    gate: Gate
    started: float
    stack: contextlib.AsyncExitStack

    @property
    def watching(self) -> bool:
        return {kind.plural for kind in KINDS.values()} <= self.gate.watched

    async def until_watching(self, within: float = PATIENCE) -> Self:
        await until(
            lambda: self.watching or not self.process.running,
            what="the operator watches",
            within=within,
            report=self.process.tail,
        )
        assert self.process.running, f"the operator has ended: {self.process.tail()}"
        return self

    async def close(self) -> None:
        await self.process.kill()
        await self.stack.aclose()


@dataclass
class Lab:
    """What the tests of one event loop share.

    Attributes:
        cluster: the API server, as the administrator.
        service: the emulator.
        backend: how the operator uses it.
        folder: for logs and kubeconfigs.
        plane: the control plane.
    """

    cluster: Cluster
    service: Emulator
    backend: Backend
    folder: Path
    plane: ControlPlane
    forks: Forks
    session: aiohttp.ClientSession
    certificates: Certificates
    token: str
    kubernetes: Upstream
    jobs: Upstream
    operators: list[Operator] = field(default_factory=list)

    async def start(
        self,
        namespaces: list[str] | None = None,
        *,
        project: str = "",
        trap: Trap | None = None,
        observer: Observer | None = None,
        settings: Mapping[str, str] | None = None,
        prepare: Callable[[Gate], object] | None = None,
        port: int = 0,
    ) -> Operator:
        """Start an operator behind a gate of its own.

        Args:
            namespaces: those to watch; None for all.
            project: the default project; empty for none.
            trap: where it is killed.
            observer: awaited with each of its writes before it is passed on.
            settings: more environment variables.
            prepare: sets faults up before the process starts.
            port: where its gate is the job service; 0 for any.
        """
        gate = Gate(self.session, trap=trap, observer=observer)
        if prepare:
            prepare(gate)
        stack = contextlib.AsyncExitStack()
        kubernetes = await stack.enter_async_context(gate.serving(self.kubernetes))
        jobs = await stack.enter_async_context(gate.serving(self.jobs, port))
        number = next(_numbers)
        env = {
            **SETTINGS,
            **self.backend.settings,
            "MLJOBS_ENDPOINT": jobs,
            "MLJOBS_TOKEN_ENDPOINT": jobs,
            "MLJOBS_NAMESPACES": json.dumps(namespaces or []),
            "KUBECONFIG": str(
                self.certificates.kubeconfig(kubernetes, self.token, self.folder / f"kubeconfig-{number}")
            ),
            **({"MLJOBS_PROJECT_ID": project} if project else {}),
            **(settings or {}),
        }
        process = self.forks.start(env, self.folder / f"operator-{number}.log")
        gate.kill, gate.stop = process.kill, process.ask_to_end
        operator = Operator(process, gate, asyncio.get_running_loop().time(), stack)
        self.operators.append(operator)
        return operator

    async def elect(self, namespace: str) -> dict[str, str]:
        """Give a namespace a Lease of its own, so that stories do not wait for each other's.

        Returns:
            The settings with which an operator acts only while it holds that Lease.
        """
        rules = [
            {
                "apiGroups": ["coordination.k8s.io"],
                "resources": ["leases"],
                "verbs": ["create", "get", "update"],
            }
        ]
        role = {"apiVersion": RBAC, "kind": "Role", "metadata": {"name": "lease"}, "rules": rules}
        binding = {
            "apiVersion": RBAC,
            "kind": "RoleBinding",
            "metadata": {"name": "lease"},
            "roleRef": {"apiGroup": RBAC.partition("/")[0], "kind": "Role", "name": "lease"},
            "subjects": [{"kind": "ServiceAccount", "namespace": ACCOUNT[0], "name": ACCOUNT[1]}],
        }
        await asyncio.to_thread(self.plane.client.apply, [role, binding], namespace=namespace)
        return {"MLJOBS_LEADER_ELECTION": "true", "MLJOBS_LEASE_NAMESPACE": namespace}

    def truth(self, project: str) -> Truth:
        """The service's truth about a project."""
        return self.backend.truth(self.service, project)

    async def namespace(self, prefix: str = "f") -> str:
        """Make a namespace with a name of its own."""
        name = f"{prefix}{next(_numbers)}"
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        await self.cluster.request("POST", "/api/v1/namespaces", body)
        return name


@contextlib.asynccontextmanager
async def open_lab(
    plane: ControlPlane, service: Emulator, backend: Backend, forks: Forks, token: str, folder: Path
) -> AsyncIterator[Lab]:
    """Open a lab on running servers; at the end all of its operators are ended."""
    certificates = Certificates(folder / "pki")
    trust = ssl.create_default_context(cafile=str(plane.ca))
    admin = _admin_context(plane)
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
    plain = {"Accept-Encoding": "identity"}
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=plain) as session:
        cluster = Cluster(session, plane.url, admin)
        follower = cluster.follower = asyncio.create_task(cluster.follow())
        lab = Lab(
            cluster,
            service,
            backend,
            folder,
            plane,
            forks,
            session,
            certificates,
            token,
            Upstream("kubernetes", plane.url, kubernetes_step, trust, certificates.serve),
            Upstream("service", service.url, backend.step),
        )
        try:
            yield lab
        finally:
            await asyncio.gather(*(operator.close() for operator in lab.operators))
            await cluster.clear()
            follower.cancel()
            await asyncio.gather(follower, return_exceptions=True)


def _admin_context(plane: ControlPlane) -> ssl.SSLContext:
    """TLS with the administrator's client certificate."""
    context = ssl.create_default_context(cafile=str(plane.ca))
    context.load_cert_chain(plane.folder / "pki" / "admin.pem")
    return context

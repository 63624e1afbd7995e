"""One run of a scenario: a namespace, a project, an operator for both, and the truth about them."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from mljobs.api.resources import JobKind
from mljobs.domain.job.resource import FINALIZER, FORCE_RELEASE
from tests.e2e.support import condition, conditions, of_kind
from tests.faults.backend import CloudJob, Truth
from tests.faults.gate import Call, Fault, FaultRule, Gate, Json, Trap, no_answer, refusing
from tests.faults.lab import MERGE, PATIENCE, KubernetesError, Lab, Operator, until

NAME = "census"
NO_QUOTA = (
    "The following quota metrics exceed quota limits: aiplatform.googleapis.com/custom_model_training_cpus"
)
QUIET = 0.9
"""Seconds without a write after which a run counts as settled: four rounds of polls and more."""


@dataclass(frozen=True)
class Freed:
    """The moment at which a finalizer was about to go.

    Attributes:
        uid: of the resource.
        version: of the resource that the operator has decided on; the API server takes no other.
        jobs: the project's jobs.
    """

    uid: str
    version: str
    jobs: list[CloudJob]


@dataclass
class World:
    """A namespace and a project of one run.

    Attributes:
        lab: the servers.
        kind: of the resource.
        namespace: of the resource; also the name of the project.
        truth: what the service knows.
        default_project: whether the operator has the project as its default.
        operators: every operator of the run, the newest last.
        freed: each removal of a finalizer.
        waits: how long each wait of the scenario took after the newest start of an operator.
        rules: the faults, which outlive the process that met them.
        spec: what every resource of the run has in its spec.
        everywhere: whether the operator watches the whole cluster, as one that reads classes has to: no other
            run may go on meanwhile.
        port: at which every operator of the run finds the job service; 0 for one each.
        closing: what is to be done at the end.
    """

    lab: Lab
    kind: JobKind
    namespace: str
    truth: Truth
    default_project: bool = True
    settings: dict[str, str] = field(default_factory=dict)
    operators: list[Operator] = field(default_factory=list)
    freed: list[Freed] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    rules: list[FaultRule] = field(default_factory=list)
    spec: Json = field(default_factory=dict)
    everywhere: bool = False
    port: int = 0
    closing: list[Callable[[], Awaitable[object]]] = field(default_factory=list)
    _mine: list[FaultRule] = field(default_factory=list)

    @property
    def project(self) -> str:
        return self.namespace

    @property
    def operator(self) -> Operator:
        return self.operators[-1]

    async def start(self, trap: Trap | None = None) -> Operator:
        """Start the run's operator, or the one that follows it."""
        if self.port and self.operators:
            await self.operator.gate.shut("service")
        operator = await self.lab.start(
            None if self.everywhere else [self.namespace],
            project=self.project if self.default_project else "",
            trap=trap,
            observer=self._observe,
            settings=self.settings,
            prepare=self._share_rules,
            port=self.port,
        )
        self.operators.append(operator)
        return operator

    def _share_rules(self, gate: Gate) -> None:
        gate.rules = self.rules

    async def _observe(self, call: Call) -> None:
        metadata = (call.body or {}).get("metadata") if isinstance(call.body, dict) else None
        if call.side != "kubernetes" or not metadata or "finalizers" not in metadata:
            return
        if FINALIZER not in (metadata["finalizers"] or ()):
            self.freed.append(Freed(metadata["uid"], metadata["resourceVersion"], self.truth.jobs()))

    # --- the user -----------------------------------------------------------------------------------------

    def manifest(self, spec: Json | None = None, *, name: str = NAME, **annotations: str) -> Json:
        made = of_kind(self.kind, name, spec)
        if annotations:
            made["metadata"]["annotations"] = {
                f"mljobs.dev/{key.replace('_', '-')}": value for key, value in annotations.items()
            }
        return made

    async def create(self, spec: Json | None = None, *, name: str = NAME, **annotations: str) -> None:
        manifest = self.manifest({**self.spec, **(spec or {})}, name=name, **annotations)
        await self.lab.cluster.request(
            "POST", self.lab.cluster.path(self.kind.name, self.namespace), manifest
        )

    async def patch(self, change: Json, *, name: str = NAME) -> None:
        path = self.lab.cluster.path(self.kind.name, self.namespace, name)
        await self.lab.cluster.request("PATCH", path, change, kind=MERGE)

    async def patch_spec(self, *, name: str = NAME, **fields: Any) -> None:
        await self.patch({"spec": fields}, name=name)

    async def force_release(self, *, name: str = NAME) -> None:
        await self.patch({"metadata": {"annotations": {FORCE_RELEASE: "true"}}}, name=name)

    async def delete(self, *, name: str = NAME) -> None:
        with contextlib.suppress(KubernetesError):
            await self.lab.cluster.request(
                "DELETE", self.lab.cluster.path(self.kind.name, self.namespace, name)
            )

    # --- the service --------------------------------------------------------------------------------------

    def force(self, state: str, error: str = "", *, name: str = NAME) -> None:
        """Move the resource's job on, unless it has been there already."""
        job_id = str(self.status(name)["jobId"])
        self.truth.force(job_id, state, error)

    def fail(
        self, method: str, answer: Fault, *, times: int | None = None, after: bool = False, only: str = ""
    ) -> FaultRule:
        """Let calls of a method of the service go wrong from now on; see `FaultRule`."""

        def matches(call: Call) -> bool:
            body = call.body or {}
            named = body.get("jobId") or body.get("displayName") or "" if method == "create" else call.path
            mine = call.side == "service" and f"/projects/{self.project}/" in call.path
            return mine and call.step.name == method and only in named

        rule = FaultRule(matches, answer, times, after)
        self._add(rule)
        return rule

    def exhaust(self, region: str) -> FaultRule:
        """Let a region refuse new jobs for lack of quota from now on."""

        def matches(call: Call) -> bool:
            body = call.body or {}
            given = body.get("trainingInput") or body.get("predictionInput") or {}
            there = f"/locations/{region}/" in call.path or given.get("region") == region
            mine = call.side == "service" and f"/projects/{self.project}/" in call.path
            return mine and call.step.name == "create" and there

        rule = FaultRule(matches, refusing(429, NO_QUOTA))
        self._add(rule)
        return rule

    def _add(self, rule: FaultRule) -> None:
        self._mine.append(rule)
        self.rules.append(rule)

    def before(self, method: str, act: Callable[[], None]) -> None:
        """Let something happen right before the first call of a method of the service."""
        done = False

        def matches(call: Call) -> bool:
            nonlocal done
            mine = call.side == "service" and f"/projects/{self.project}/" in call.path
            if not done and mine and call.step.name == method:
                done = True
                act()
            return False

        self._add(FaultRule(matches, no_answer))

    def fix(self) -> None:
        """End all faults of this run."""
        for rule in self._mine:
            self.rules.remove(rule)
        self._mine.clear()

    def force_of(self, uid: str, state: str) -> None:
        """Move the job of a resource on that may be gone."""
        job = next(job for job in self.truth.jobs() if job.owned(uid))
        self.truth.force(job.job_id, state)

    # --- what is seen -------------------------------------------------------------------------------------

    def object(self, name: str = NAME) -> Json | None:
        return self.lab.cluster.objects.get((self.namespace, self.kind.name, name))

    def status(self, name: str = NAME) -> Json:
        return (self.object(name) or {}).get("status") or {}

    def uid(self, name: str = NAME) -> str:
        body = self.object(name)
        return str(body["metadata"]["uid"]) if body else ""

    async def until(
        self, accept: Callable[[], Any], what: str, within: float = PATIENCE, *, timed: bool = True
    ) -> None:
        """Wait until something is so that depends on resources."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not accept():
            if loop.time() > max(began, self.operator.started) + within:
                raise AssertionError(f"not within {within:g} s: {what}\n{self.report()}")
            await self.lab.cluster.change(0.2)
        if timed:
            self.waits.append(loop.time() - max(began, self.operator.started))

    async def until_state(self, *states: str, name: str = NAME) -> None:
        await self.until(lambda: self.status(name).get("state") in states, f"state {states}")

    async def until_status(self, field: str, *, name: str = NAME) -> None:
        await self.until(lambda: field in self.status(name), f"status has {field}")

    async def until_condition(self, kind: str, status: str, reason: str, *, name: str = NAME) -> None:
        def there() -> bool:
            found = condition(self.status(name), kind)
            return (found.get("status"), found.get("reason")) == (status, reason)

        await self.until(there, f"{kind}={status} {reason}")

    async def until_gone(self, name: str = NAME) -> None:
        await self.until(lambda: self.object(name) is None, "the resource is gone")

    async def until_job(self, accept: Callable[[CloudJob], Any], what: str) -> None:
        """Wait for the service itself."""
        await self.until(lambda: any(accept(job) for job in self.truth.jobs()), what)

    async def settle(self, quiet: float = QUIET) -> None:
        """Wait until the newest operator watches, and nobody has written for a while but the Lease (I6)."""
        await until(
            lambda: self.operator.watching and self.operator.process.running,
            what="an operator watches",
            report=self.report,
        )
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE

        def latest() -> float:
            return max(
                (
                    call.time
                    for one in self.operators
                    for call in one.gate.writes()
                    if "lease" not in call.path
                ),
                default=0.0,
            )

        def busy() -> bool:
            return any(call.write and not call.status for call in self.operator.gate.calls)

        while busy() or loop.time() < max(latest(), self.operator.started) + quiet:
            if loop.time() > deadline:
                raise AssertionError(f"I6: it never becomes quiet\n{self.report()}")
            await asyncio.sleep(0.05)

    async def writes_within(self, window: float) -> list[str]:
        """What the newest operator writes in so many seconds."""
        last = len(self.operator.gate.calls)
        await asyncio.sleep(window)
        return [call.step.name for call in self.operator.gate.writes(after=last)]

    async def events(self) -> list[str]:
        """The reasons of all events of the namespace, sorted."""
        found = await self.lab.cluster.request("GET", f"/api/v1/namespaces/{self.namespace}/events")
        return sorted(row["reason"] for row in found["items"])

    async def close(self) -> None:
        """End the run's operators, and leave nothing that a later test would stumble over."""
        for operator in self.operators:
            await operator.close()
        await self.lab.cluster.clear(self.namespace)
        for end in self.closing:
            await end()

    def report(self) -> str:
        """How everything is now."""
        lines = [f"--- {self.kind.name} in {self.namespace}"]
        for (namespace, kind, name), body in self.lab.cluster.objects.items():
            if (namespace, kind) == (self.namespace, self.kind.name):
                lines.append(f"{name}: {body['metadata'].get('finalizers')} {body.get('spec')!r:.300}")
                lines.append(f"  state {self.status(name).get('state')} {conditions(self.status(name))}")
                lines += [f"  {row['message']}" for row in self.status(name).get("conditions") or ()]
        lines += [f"job {job}" for job in self.truth.jobs()]
        lines += [f"applied {row}" for row in self.truth.applied()]
        for operator in self.operators:
            rows = [f"{c.number} {c.step.name} {c.status}" for c in operator.gate.calls[-25:]]
            lines += ["--- calls", *rows, "--- log", operator.process.tail(3000)]
        return "\n".join(lines)

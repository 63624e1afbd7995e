"""Finds what remains, and cleans it up by the operator's own steps: decide, execute, release."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from mljobs.admin.leftovers.leftover import (
    Leftover,
    Way,
    left_to_operator,
    marked,
    next_step,
    probe,
    strays,
    why,
    why_missing,
)
from mljobs.api.resources import KINDS
from mljobs.controller.kube.client import Kube
from mljobs.controller.kube.errors import Conflict, KubeError, NotServed, ObjectNotFound
from mljobs.controller.loop.effects import Effects
from mljobs.controller.loop.release import release_finalizer
from mljobs.controller.loop.status import StatusWriter
from mljobs.domain import errors
from mljobs.domain.decide import AdminPolicy
from mljobs.domain.decide.decisions import Cancel, Read, Release, Wait, Watch
from mljobs.domain.job.observation import Observation
from mljobs.domain.job.resource import Resource
from mljobs.domain.policies.lost import ANSWERS
from mljobs.domain.port import Backend, Job, Reference, Scope
from mljobs.domain.reasons import Reason

AT_ONCE = 32
"""Resources whose jobs are read at once."""

LOOK_EVERY = timedelta(seconds=10)
"""Between two reads of a missing job, at most."""


@dataclass(frozen=True)
class Survey:
    """What remains.

    Attributes:
        items: resources that have our finalizer, then jobs without a resource.
        notes: what could not be read, and other notes.
        complete: whether everything could be read.
    """

    items: Sequence[Leftover]
    notes: Sequence[str] = ()
    complete: bool = True

    def noted(self, note: str) -> "Survey":
        """The same with one more note."""
        return replace(self, notes=(*self.notes, note))


@dataclass(frozen=True)
class Outcome:
    """The outcome of one of them.

    Attributes:
        item: in its last known state.
        done: whether nothing of it remains.
        word: `cancelled`, `released`, `left running`, or `kept`.
        message: why it was kept.
    """

    item: Leftover
    done: bool
    word: str
    message: str = ""


@dataclass(frozen=True)
class Session:
    """One run of the command.

    Attributes:
        kube: the API server.
        backend: the job service.
        effects: its calls.
        writer: posts Events.
        policy: the administrator's settings.
        clock: the time, with a zone.
        beside: whether an operator is active at the same time.
        believe_missing: whether many jobs of a project may be lost at once.
    """

    kube: Kube
    backend: Backend
    effects: Effects
    writer: StatusWriter
    policy: AdminPolicy
    clock: Callable[[], datetime]
    beside: bool = False
    believe_missing: bool = False
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def survey(self, namespaces: Sequence[str], projects: Sequence[str]) -> Survey:
        """Read everything; nothing is changed.

        Args:
            namespaces: those to read; none: the whole cluster.
            projects: where to search for jobs without a resource.

        Raises:
            KubeError: the resources cannot be listed.
        """
        since = self.clock()
        notes: list[str] = []
        # jobs first: the resource of a job was there before it
        listed = [(project, await self._jobs(project, notes)) for project in projects]
        complete = not notes
        resources = await self._resources(namespaces, notes)
        items = await asyncio.gather(*(self._read(one, since) for one in resources if one.held))
        living = {one.uid for one in resources}
        gone = [item for project, jobs in listed for item in strays(project, jobs, living, namespaces, since)]
        items = items if self.believe_missing else marked(items)
        return Survey([*items, *gone], notes, complete)

    async def settle(self, item: Leftover, way: Way, until: datetime) -> Outcome:
        """Take step after step until nothing of it remains, or it has to be kept.

        Args:
            item: from the survey.
            way: what happens to the job.
            until: how long to wait for what is not known yet.
        """
        while True:
            step = next_step(item, way, self.policy, self.clock())
            reason = left_to_operator(item, self.policy, self.clock()) if self.beside else ""
            match step:
                case Cancel() | Wait() | Release() if reason:
                    return Outcome(item, done=False, word="kept", message=reason)
                case Read() | Cancel():
                    item = replace(item, known=await self._carry_out(step, item))
                case Wait():
                    if step.reason is Reason.DENIED or step.again > until:
                        return Outcome(item, done=False, word="kept", message=why(item, step))
                    await asyncio.sleep((step.again - self.clock()).total_seconds())
                case Watch(target) if item.resource.held:
                    first = item.known.absent_since or self.clock()
                    if item.disbelieved or first + self.policy.lost_after > until:
                        message = why_missing(item, self.policy.lost_after)
                        return Outcome(item, done=False, word="kept", message=message)
                    await asyncio.sleep(self._pause.total_seconds())
                    item = replace(item, known=await self._carry_out(Read(target), item))
                case Release(left_behind):
                    outcome = await self._release(item, left_behind)
                    if isinstance(outcome, Outcome):
                        return outcome
                    item = outcome
                case _:
                    return Outcome(item, done=True, word="released")

    @property
    def _pause(self) -> timedelta:
        return min(LOOK_EVERY, self.policy.lost_after / ANSWERS)

    async def _carry_out(self, step: Read | Cancel, item: Leftover) -> Observation:
        async with self._slots:
            return await self.effects.carry_out(step, replace(item.resource, deleting=True), item.known)

    async def _release(self, item: Leftover, left_behind: str) -> Outcome | Leftover:
        """Release a resource; one that has changed meanwhile is returned in its current state."""
        resource = item.resource
        running = bool(left_behind) or item.may_run
        word = "cancelled" if item.known.cancelled else "left running" if running else "released"
        if item.stray:
            return Outcome(item, done=True, word=word)
        try:
            await release_finalizer(self.kube, self.writer, resource, left_behind)
        except ObjectNotFound:
            pass
        except Conflict as error:
            return await self._again(item) or Outcome(item, done=False, word="kept", message=str(error))
        except KubeError as error:
            return Outcome(item, done=False, word="kept", message=str(error))
        return Outcome(item, done=True, word=word)

    async def _again(self, item: Leftover) -> Leftover | None:
        old = item.resource
        try:
            resource = Resource.parse(
                await self.kube.get(old.kind, old.namespace, old.name), self.effects.facts
            )
        except ObjectNotFound:
            return replace(item, resource=replace(old, finalizers=()))
        except KubeError:
            return None
        if resource.uid != old.uid:  # another has taken the name of one that is gone
            return replace(item, resource=replace(old, finalizers=()))
        return replace(item, resource=resource)

    async def _resources(self, namespaces: Sequence[str], notes: list[str]) -> list[Resource]:
        found: list[Resource] = []
        for kind in KINDS.values():
            try:
                for namespace in namespaces or (None,):
                    bodies, _ = await self.kube.list(kind.name, namespace)
                    found += [Resource.parse(body, self.effects.facts) for body in bodies]
            except NotServed:
                notes.append(f"the cluster does not know {kind.plural}: their CRD is not installed")
        return found

    async def _read(self, resource: Resource, since: datetime) -> Leftover:
        known = Observation(since=since)
        target = probe(resource, since, self.policy, self.clock())
        if target:
            async with self._slots:
                known = await self.effects.carry_out(Read(target), replace(resource, deleting=True), known)
        return Leftover(resource, known, target or resource.target)

    async def _jobs(self, project: str, notes: list[str]) -> list[Job]:
        scopes = self.backend.facts.scopes(project)
        if not scopes:
            notes.append(f"the jobs of project {project} cannot be listed without the setting locations")
        jobs: dict[Reference, Job] = {}
        try:
            for scope in scopes:
                jobs |= await self._jobs_in(scope)
        except errors.JobServiceError as error:
            notes.append(f"the jobs of project {project} cannot be listed: {error.message}")
        return list(jobs.values())

    async def _jobs_in(self, scope: Scope) -> dict[Reference, Job]:
        jobs: dict[Reference, Job] = {}
        token = ""
        while True:
            page = await self.backend.active(scope, page_token=token)
            jobs |= {job.reference: job for job in page.jobs if not job.ended}
            token = page.next_page_token
            if not token:
                return jobs

"""Reconciles a resource with its cloud job: decide, execute, show, one step after the other.

Level-based: the triggering event is no input, so that a missed or repeated event changes nothing.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from mljobs.api.base import JsonObject
from mljobs.api.resources import KINDS
from mljobs.controller.kube.client import Kube
from mljobs.controller.kube.errors import Conflict, Forbidden, ObjectNotFound, Refused
from mljobs.controller.loop.gauges import Gauges
from mljobs.controller.loop.queue import WorkQueue
from mljobs.controller.loop.reconciler import FIRST_RETRY
from mljobs.controller.loop.release import release_finalizer
from mljobs.controller.loop.services import Services
from mljobs.controller.loop.status import StatusWriter
from mljobs.controller.loop.store import Key, Store, keep, number, remove
from mljobs.controller.loop.turns import TurnKeeper
from mljobs.controller.process.logs import about
from mljobs.domain.decide import AdminPolicy, Polled, decide, polled
from mljobs.domain.decide.decisions import (
    AT_ONCE,
    Adopt,
    Announce,
    BindIam,
    Cancel,
    CancelExtra,
    Decision,
    Discard,
    Finish,
    Keep,
    Move,
    Read,
    Record,
    Release,
    Search,
    Settled,
    Submit,
    UpdateLabels,
)
from mljobs.domain.decide.intents import foreseen
from mljobs.domain.decide.turns import to_create
from mljobs.domain.job.observation import Observation
from mljobs.domain.job.resource import FINALIZER, SUBMISSION, Resource
from mljobs.domain.port import Job
from mljobs.domain.reasons import Reason
from mljobs.domain.show.events import Event
from mljobs.domain.show.gauges import only_gauges_moved
from mljobs.domain.show.project import project
from mljobs.domain.spec.problems import summary

logger = logging.getLogger(__name__)

STEPS = 8
"""Steps of one resource before others get their turn."""


class JobHandler:
    """Reconciles resources with their cloud jobs.

    Args:
        kube: the API server.
        store: objects and observations.
        services: what is known of each job's service, its calls and its polls.
        writer: the status writer.
        queue: gets the keys to reconcile again.
        policy: the administrator's settings.
        clock: the time, with a zone.
        gauges: when gauges may be written.
        turns: the lines of classes with limits.
        wrote: called with the object after each change of its status, and the status before.
        remember: writes down what is kept of a finished resource, before it goes.
        unsettled: returns the seconds for which a finished resource has to stay whatever its ttl.
    """

    def __init__(
        self,
        *,
        kube: Kube,
        store: Store,
        services: Services,
        writer: StatusWriter,
        queue: WorkQueue[Key],
        policy: AdminPolicy,
        clock: Callable[[], datetime],
        gauges: Gauges,
        turns: TurnKeeper,
        wrote: Callable[[JsonObject, Mapping[str, Any]], None] = lambda _body, _before: None,
        remember: Callable[[Resource], None] = lambda _: None,
        unsettled: Callable[[Key], Awaitable[float]] | None = None,
    ) -> None:
        self._kube = kube
        self._store = store
        self._services = services
        self._writer = writer
        self._queue = queue
        self._policy = policy
        self._clock = clock
        self._gauges = gauges
        self._turns = turns
        self._wrote = wrote
        self._remember = remember
        self._unsettled = unsettled

    async def reconcile(self, key: Key) -> float | None:
        """Do everything that can be done for a resource now.

        Returns:
            Seconds after which to reconcile again, or None: on the next change of the resource or its job.

        Raises:
            KubeError: the API server did not accept a write.
        """
        self._store.begin(key)
        settled = None
        try:
            delay, settled = await self._steps(key)
        finally:
            self._store.settle(key, settled)
        return delay

    async def _steps(self, key: Key) -> tuple[float | None, int | None]:
        """Take steps until nothing is left to do now.

        Returns:
            What `reconcile` does, and the version on which the last decision was made; None if it is not the
            newest.
        """
        taken: tuple[Resource, Decision] | None = None
        for _ in range(STEPS):
            body = self._store.body(key)
            if body is None:
                await self._follow(key, None, None)
                self._turns.forget(key)
                return None, None
            decided = self._decide(key, body, taken)
            if decided is None:
                return None, None  # the next round of the line queues it
            resource, observation, decision = decided
            taken = resource, decision
            self._turns.note(key, resource, decision)
            await self._follow(key, resource, polled(resource, observation))
            with about(resource):
                try:
                    await self._step(key, resource, decision)
                except Refused as error:
                    await self._writer.refused(resource, error)
                    raise
                except (ObjectNotFound, Conflict):
                    await self._read_again(key, resource)
                else:
                    newest = self._store.version(key) == number(resource.version)
                    shown = not isinstance(decision, Keep | Release | Discard)
                    if decision.again != AT_ONCE and (newest or not shown):
                        if newest and resource.ended and isinstance(decision, Finish):
                            self._store.observe(key, resource.uid, self._store.observation(key).recorded())
                        return self._pause(decision.again), number(resource.version) if newest else None
        return FIRST_RETRY, None

    def _decide(
        self, key: Key, body: JsonObject, taken: tuple[Resource, Decision] | None
    ) -> tuple[Resource, Observation, Decision] | None:
        """Choose the next step by what is known; None while it is not known whose turn it is.

        Args:
            key: of the resource.
            body: the resource.
            taken: the step before, and what it was decided on.
        """
        resource = self._services.resource(body)
        observation = self._store.observation(key)
        if taken and isinstance(taken[1], Record):
            submission = foreseen(taken[1], taken[0], resource)
            if submission:
                return resource, observation, submission
        decision = decide(resource, observation, self._policy, self._clock())
        order = to_create(decision)
        if order is None:
            return resource, observation, decision
        seated = self._turns.seat(key, resource, order)
        if seated is None:
            return None
        if seated is not resource:  # a class gives turns: without one, something else is due
            decision = decide(seated, observation, self._policy, self._clock())
        return seated, observation, decision

    async def _step(self, key: Key, resource: Resource, decision: Decision) -> None:
        """Take one step."""
        if key.deleted:
            await self._step_deleted(key, resource, decision)
            return
        match decision:
            case Keep():
                pass
            case Release(left_behind):
                await self._release(key, resource, left_behind)
            case Discard():
                await self._discard(key, resource)
            case Record():
                await self._record(key, resource, decision)
            case CancelExtra(_, extra):
                await self._end_extra(key, resource, decision, extra)
            case Submit() | Adopt() | Read() | Search() | UpdateLabels() | BindIam() | Cancel():
                known = await self._services.carry_out(decision, resource, self._store.observation(key))
                self._store.observe(key, resource.uid, known)
            case _:
                await self._show(key, resource, decision)

    async def _show(self, key: Key, resource: Resource, decision: Settled) -> None:
        """Write the status if it has changed; gauges alone can wait."""
        observation = self._store.observation(key)
        status = project(resource, observation, decision, self._writer.clock())
        early = self._gauges_can_wait(key, resource, status)
        if not early and (written := await self._writer.write(resource, status)):
            self._keep(written)
            self._gauges.wrote(key)
            self._wrote(written, resource.status)
        if isinstance(decision, Announce):
            self._store.observe(key, resource.uid, observation.announced())
        if isinstance(decision, Move):
            self._store.observe(key, resource.uid, observation.moved())

    def _gauges_can_wait(self, key: Key, resource: Resource, status: JsonObject) -> bool:
        """Whether there is nothing to write but gauges, and it is too early for them."""
        if not only_gauges_moved(resource.status, status):
            return False
        wait = self._gauges.wait(key, resource.uid)
        if wait:
            self._queue.add_later(key, wait)
        return wait > 0

    async def _step_deleted(self, key: Key, resource: Resource, decision: Decision) -> None:
        """Take one step for a deleted resource: its job must end, and there is no status to write."""
        match decision:
            case Record(intent):
                self._store.annotate_deleted(key, {SUBMISSION: intent.encode(resource.uid)})
            case Read() | Search() | Cancel() | CancelExtra():
                known = await self._services.carry_out(decision, resource, self._store.observation(key))
                self._store.observe(key, resource.uid, known)
            case Keep() | Release():
                await self._follow(key, None, None)
                self._store.drop(key, resource.uid)

    async def _follow(self, key: Key, resource: Resource | None, watched: Polled | None) -> None:
        await self._services.follow(key, resource, watched)
        if watched is None:
            self._gauges.forget(key)

    def _pause(self, again: datetime | None) -> float | None:
        return None if again is None else max((again - self._clock()).total_seconds(), 0.05)

    async def _end_extra(self, key: Key, resource: Resource, decision: CancelExtra, extra: Job) -> None:
        known = await self._services.carry_out(decision, resource, self._store.observation(key))
        self._store.observe(key, resource.uid, known)
        if extra not in known.extra:
            message = (
                f"{extra.reference} was created by a call that got no answer, besides "
                f"{decision.target.job_name}, and is cancelled."
            )
            await self._writer.post(resource, Event(Reason.EXTRA_JOB, message))

    async def _record(self, key: Key, resource: Resource, decision: Record) -> None:
        """Record the intent together with the finalizer, and report what is legal but hardly intended."""
        intent = decision.intent
        finalizers = [*resource.finalizers, *([] if resource.held else [FINALIZER])]
        annotations = {SUBMISSION: intent.encode(resource.uid)}
        body = await self._kube.patch_metadata(
            resource, {"finalizers": finalizers, "annotations": annotations}
        )
        self._keep(body)
        known = self._store.observation(key).planned(intent.target, first=decision.first)
        self._store.observe(key, resource.uid, known)
        if isinstance(decision.then, Submit) and decision.then.warnings:
            await self._writer.post(resource, Event(Reason.SPEC_WARNING, summary(decision.then.warnings)))

    async def _release(self, key: Key, resource: Resource, left_behind: str) -> None:
        await self._follow(key, None, None)
        self._services.forget(resource.uid)
        self._remember(resource)
        try:
            self._keep(await release_finalizer(self._kube, self._writer, resource, left_behind))
        except Forbidden as error:
            raise Forbidden(
                f"the finalizer cannot be removed. A namespace that is being deleted loses its Roles first: "
                f"run `mljobs leftovers --cancel -n {key.namespace}`, or grant the right to patch "
                f"{KINDS[key.kind].plural} in the whole cluster. {error}"
            ) from error

    async def _discard(self, key: Key, resource: Resource) -> None:
        """Delete a finished resource, as it was decided on; its finalizer is released as of any other."""
        wait = await self._unsettled(key) if self._unsettled else 0.0
        if wait > 0:
            self._queue.add_later(key, wait)
            return
        if not resource.held:
            self._remember(resource)  # it goes at once
        logger.info("%s/%s is deleted: its ttl has passed", resource.kind.lower(), resource.name)
        await self._kube.delete(*key, resource.uid, resource.version)

    def _keep(self, body: JsonObject | None) -> None:
        if body is not None:
            self._store.put(body)

    async def _read_again(self, key: Key, resource: Resource) -> None:
        """Read the object after a conflict: the watch has not delivered a change yet."""
        try:
            body = await self._kube.get(*key)
        except ObjectNotFound:
            remove(key, resource.uid, self._store, self._queue.add, self._clock())
        else:
            keep(body, self._store, self._queue.add, self._clock())

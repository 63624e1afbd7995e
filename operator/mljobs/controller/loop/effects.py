"""Executes decisions at the job service, and adds the outcome to the observation."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from mljobs.domain import errors
from mljobs.domain.decide.decisions import (
    Adopt,
    BindIam,
    Cancel,
    CancelExtra,
    Effect,
    Read,
    Search,
    Submit,
    UpdateLabels,
)
from mljobs.domain.job import naming
from mljobs.domain.job.labels import differing
from mljobs.domain.job.observation import Call, Observation
from mljobs.domain.job.resource import Resource, Target
from mljobs.domain.port import AttemptSelector, Backend, BindsIam, Facts, Job, Order, Reference, Relabels
from mljobs.domain.spec.problems import printable_lines

logger = logging.getLogger(__name__)


class Effects:
    """The calls of one resource's reconciliation.

    Args:
        backend: the port.
        clock: the time, with a zone.
        jitter: returns a random number from 0 to 1.
        extra: called for each extra job of an attempt once its cancellation was requested.
    """

    def __init__(
        self,
        backend: Backend,
        clock: Callable[[], datetime],
        jitter: Callable[[], float],
        extra: Callable[[], None] = lambda: None,
    ) -> None:
        self._backend = backend
        self._clock = clock
        self._jitter = jitter
        self._extra = extra

    @property
    def facts(self) -> Facts:
        """What is known of the service without a request."""
        return self._backend.facts

    async def carry_out(self, effect: Effect, resource: Resource, known: Observation) -> Observation:
        """Make one call and add its outcome to what is known. Failures are outcomes: nothing is raised."""
        match effect:
            case Submit(intent, order):
                logger.info("submitting %s", intent.target.job_name)
                return await self._submit(order, resource, known.about(intent.target))
            case Read(target):
                return await self._read(target, resource, known.about(target))
            case Adopt(intent, labels, etag):
                logger.info("adopting %s", intent.target.job_name)
                known = known.about(intent.target)
                return await self._relabel(UpdateLabels(intent.target, labels, etag), resource, known)
            case Search(target):
                return await self._search(target, resource, known.about(target))
            case CancelExtra(target, extra):
                logger.warning("cancelling %s, which is an extra job", extra.reference)
                return await self._cancel_extra(extra, resource, known.about(target))
            case BindIam(target):
                return await self._bind(effect, resource, known.about(target))
            case UpdateLabels(target):
                return await self._relabel(effect, resource, known.about(target))
            case Cancel(target):
                logger.info("cancelling %s", target.job_name)
                return await self._cancel(target, resource, known.about(target))

    async def _submit(self, order: Order, resource: Resource, known: Observation) -> Observation:
        try:
            made = await self._backend.submit(order)
            if not naming.is_owned(made.labels, resource.uid):
                raise errors.Unavailable("its answer lacks the job's labels.", status=200)
            return known.saw(made, self._clock(), by=Call.CREATE)
        except errors.JobServiceError as error:
            return self._failed(known, Call.CREATE, error, resource)

    async def _read(self, target: Target, resource: Resource, known: Observation) -> Observation:
        """Read the job; if its reference is not known, search for it by its labels."""
        reference = known.job.reference if known.job else target.reference
        asked = self._clock()  # the answer may come many pages later, and lack what has happened since
        try:
            if reference:
                return known.saw(await self._backend.get(reference), asked)
            found = await self._find(target, resource)
            return known.found(found, asked, deleting=resource.deleting)
        except errors.NotFound:
            return known.missed(asked, deleting=resource.deleting)
        except errors.JobServiceError as error:
            return self._failed(known, Call.GET, error, resource)

    async def _search(self, target: Target, resource: Resource, known: Observation) -> Observation:
        asked = self._clock()
        try:
            found = await self._find(target, resource)
        except errors.JobServiceError as error:
            return self._failed(known, Call.GET, error, resource)
        return known.searched(found, asked)

    async def _find(self, target: Target, resource: Resource) -> Sequence[Job]:
        """Find the attempt's jobs wherever they may be, the oldest first."""
        labels = naming.attempt_labels(resource.uid, target.attempt)
        found: list[Job] = []
        for scope in resource.scopes(target):
            found += await self._backend.find(AttemptSelector(scope, labels, resource.created))
        return sorted(found, key=lambda job: str(job.document.get("createTime") or ""))

    async def _cancel_extra(self, extra: Job, resource: Resource, known: Observation) -> Observation:
        try:
            await self._backend.cancel(extra.reference)
        except (errors.NotFound, errors.Rejected) as error:  # it has already ended
            logger.info("%s needs no cancellation: %s", extra.reference, printable_lines(error.message))
        except errors.JobServiceError as error:
            return self._failed(known, Call.CANCEL, error, resource)
        self._extra()
        return known.ended_extra(extra)

    async def _bind(self, effect: BindIam, resource: Resource, known: Observation) -> Observation:
        try:
            if not isinstance(self._backend, BindsIam):
                raise errors.Rejected("the service has no IAM policies of jobs.")
            await self._backend.bind_iam(_reference(effect.target, known), effect.wanted, effect.applied)
        except errors.NotFound:
            return known.missed(self._clock(), deleting=resource.deleting)
        except errors.JobServiceError as error:
            return self._failed(known, Call.IAM, error, resource)
        return known.bound_to(effect.wanted)

    async def _relabel(self, effect: UpdateLabels, resource: Resource, known: Observation) -> Observation:
        target = effect.target
        try:
            if not isinstance(self._backend, Relabels):
                raise errors.Rejected("the service cannot change labels of jobs.")
            job = await self._backend.relabel(_reference(target, known), effect.labels, effect.etag)
        except errors.StaleEtag as error:
            seen = await self._read(target, resource, known)
            return self._failed(seen, Call.PATCH, error, resource) if _same(seen, known) else seen
        except errors.NotFound:
            return known.missed(self._clock(), deleting=resource.deleting)
        except errors.JobServiceError as error:
            return self._failed(known, Call.PATCH, error, resource)
        changed = differing(known.job.labels, effect.labels) if known.job else effect.labels
        seen = known.relabelled(job, self._clock(), generation=resource.generation, keys=changed)
        if dict(job.labels) == dict(effect.labels):
            return seen
        kept = ", ".join(f"{key}={value}" for key, value in sorted(job.labels.items())) or "none"
        # the same call would get the same answer
        return self._failed(seen, Call.PATCH, errors.Rejected(f"the job still has: {kept}."), resource)

    async def _cancel(self, target: Target, resource: Resource, known: Observation) -> Observation:
        try:
            await self._backend.cancel(_reference(target, known))
        except errors.NotFound as error:
            # a read may find it all the same, and then the call is not repeated at once
            failed = self._failed(known, Call.CANCEL, error, resource)
            return failed.missed(self._clock(), deleting=resource.deleting)
        except errors.Rejected as error:
            # usually the job has ended meanwhile, which a read shows
            seen = await self._read(target, resource, known)
            running = seen.job is not None and not seen.job.ending
            return self._failed(seen, Call.CANCEL, error, resource) if running else seen
        except errors.JobServiceError as error:
            return self._failed(known, Call.CANCEL, error, resource)
        return known.accepted_cancel()

    def _failed(
        self, known: Observation, call: Call, error: errors.JobServiceError, resource: Resource
    ) -> Observation:
        if not isinstance(error, errors.AlreadyExists):
            remedy = f" {error.remedy}" if isinstance(error, errors.Denied) else ""
            message = printable_lines(f"{error.message}{remedy}")
            logger.warning("%s failed: %s: %s", call, type(error).__name__, message)
        return known.failed(
            call,
            error,
            generation=resource.generation,
            now=self._clock(),
            jitter=self._jitter(),
            retry=resource.retry,
        )


def _reference(target: Target, known: Observation) -> Reference:
    """The job's reference.

    Raises:
        Rejected: it is not known; nothing was sent.
    """
    reference = known.job.reference if known.job else target.reference
    if reference is None:
        raise errors.Rejected(f"the service's name of {target.job_name} is not known yet", status=0)
    return reference


def _same(seen: Observation, known: Observation) -> bool:
    """Whether a read has returned the same job, so that the same call would fail again at once."""
    return seen.job is not None and known.job is not None and seen.job.etag == known.job.etag

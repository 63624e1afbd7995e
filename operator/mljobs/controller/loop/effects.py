"""Carries out what was decided at the job service, and says what that taught."""

import logging
from collections.abc import Callable
from datetime import datetime

from mljobs.domain import errors
from mljobs.domain.decide.decisions import Adopt, BindIam, Cancel, Effect, Look, Submit, UpdateLabels
from mljobs.domain.job import naming
from mljobs.domain.job.iam import merged
from mljobs.domain.job.labels import differing
from mljobs.domain.job.observation import Method, Observation
from mljobs.domain.job.resource import Resource, Target
from mljobs.domain.port import JobService
from mljobs.domain.spec.problems import printable_lines

logger = logging.getLogger(__name__)

CANCEL_PERMISSION = "ml.jobs.cancel"
"""Not part of `roles/ml.developer` (documentation of access control)."""


class Effects:
    """The calls of one resource's reconciliation.

    Args:
        service: the port.
        clock: the time, with a zone.
        jitter: a number from 0 to 1, anew at each call.
    """

    def __init__(
        self, service: JobService, clock: Callable[[], datetime], jitter: Callable[[], float]
    ) -> None:
        self._service = service
        self._clock = clock
        self._jitter = jitter

    async def carry_out(self, effect: Effect, resource: Resource, known: Observation) -> Observation:
        """Make one call and add its outcome to what is known. Failures are outcomes: nothing is raised."""
        match effect:
            case Submit(intent, job):
                known = known.about(intent.target)
                logger.info("submitting %s", intent.target.job_name)
                try:
                    made = await self._service.create(intent.target.project, job)
                    if not naming.is_owned(made.labels, resource.uid):
                        raise errors.Unavailable("its answer does not show the job's labels.", status=200)
                    return known.saw(made, self._clock(), by=Method.CREATE)
                except errors.JobServiceError as error:
                    return self._failed(known, Method.CREATE, error, resource)
            case Look(target):
                return await self._look(target, resource, known.about(target))
            case Adopt(intent, labels, etag):
                logger.info("adopting %s", intent.target.job_name)
                known = known.about(intent.target)
                return await self._relabel(UpdateLabels(intent.target, labels, etag), resource, known)
            case BindIam(target):
                return await self._bind(effect, resource, known.about(target))
            case UpdateLabels(target):
                return await self._relabel(effect, resource, known.about(target))
            case Cancel(target):
                logger.info("cancelling %s", target.job_name)
                return await self._cancel(target, resource, known.about(target))

    async def _look(self, target: Target, resource: Resource, known: Observation) -> Observation:
        try:
            return known.saw(await self._service.get(target.project, target.job_id), self._clock())
        except errors.NotFound:
            return known.missed(self._clock(), deleting=resource.deleting)
        except errors.JobServiceError as error:
            return self._failed(known, Method.GET, error, resource)

    async def _bind(self, effect: BindIam, resource: Resource, known: Observation) -> Observation:
        """Read, modify, write; a concurrent change is read anew at once, and only so often."""
        target = effect.target
        for last in (False, False, True):
            try:
                policy = await self._service.get_iam_policy(target.project, target.job_id)
                changed = merged(policy, effect.wanted, effect.applied)
                if changed is not None:
                    await self._service.set_iam_policy(target.project, target.job_id, changed)
            except errors.NotFound:
                return known.missed(self._clock(), deleting=resource.deleting)
            except errors.JobServiceError as error:
                if isinstance(error, errors.StaleEtag) and not last:
                    continue
                return self._failed(known, Method.IAM, error, resource)
            break
        return known.bound_to(effect.wanted)

    async def _relabel(self, effect: UpdateLabels, resource: Resource, known: Observation) -> Observation:
        target = effect.target
        try:
            job = await self._service.patch_labels(target.project, target.job_id, effect.labels, effect.etag)
        except errors.StaleEtag as error:
            seen = await self._look(target, resource, known)
            return self._failed(seen, Method.PATCH, error, resource) if _same(seen, known) else seen
        except errors.NotFound:
            return known.missed(self._clock(), deleting=resource.deleting)
        except errors.JobServiceError as error:
            return self._failed(known, Method.PATCH, error, resource)
        changed = differing(known.job.labels, effect.labels) if known.job else effect.labels
        seen = known.relabelled(job, self._clock(), generation=resource.generation, keys=changed)
        if dict(job.labels) == dict(effect.labels):
            return seen
        kept = ", ".join(f"{key}={value}" for key, value in sorted(job.labels.items())) or "none"
        # the same call would bring the same answer
        return self._failed(seen, Method.PATCH, errors.Rejected(f"it keeps other ones: {kept}."), resource)

    async def _cancel(self, target: Target, resource: Resource, known: Observation) -> Observation:
        try:
            await self._service.cancel(target.project, target.job_id)
        except errors.NotFound:
            return known.missed(self._clock(), deleting=resource.deleting)
        except errors.Rejected as error:
            # the usual cause is that the job has ended meanwhile, which only a look can tell
            seen = await self._look(target, resource, known)
            running = seen.job is not None and not seen.job.ending
            return self._failed(seen, Method.CANCEL, error, resource) if running else seen
        except errors.Denied as error:
            named = await self._name_permission(target, error)
            return self._failed(known, Method.CANCEL, named, resource)
        except errors.JobServiceError as error:
            return self._failed(known, Method.CANCEL, error, resource)
        return known.accepted_cancel()

    async def _name_permission(self, target: Target, error: errors.Denied) -> errors.Denied:
        """Say which permission is missing, where the service tells."""
        try:
            granted = await self._service.test_iam_permissions(
                target.project, target.job_id, [CANCEL_PERMISSION]
            )
        except errors.JobServiceError:
            return error
        if CANCEL_PERMISSION in granted:
            return error
        message = f"{error.message} The permission {CANCEL_PERMISSION} is missing on {target.job_name}."
        return errors.Denied(message, status=error.status, cause=errors.Denial.PERMISSION)

    def _failed(
        self, known: Observation, method: Method, error: errors.JobServiceError, resource: Resource
    ) -> Observation:
        if not isinstance(error, errors.AlreadyExists):
            remedy = f" {error.remedy}" if isinstance(error, errors.Denied) else ""
            message = printable_lines(f"{error.message}{remedy}")
            logger.warning("%s failed: %s: %s", method, type(error).__name__, message)
        return known.failed(
            method, error, generation=resource.generation, now=self._clock(), jitter=self._jitter()
        )


def _same(seen: Observation, known: Observation) -> bool:
    """Whether a look has brought no newer job, so that the same call would fail again at once."""
    return seen.job is not None and known.job is not None and seen.job.etag == known.job.etag

"""Releases a resource: the last step of its deletion."""

from mljobs.api.base import JsonObject
from mljobs.controller.kube.client import Kube
from mljobs.controller.loop.status import StatusWriter
from mljobs.domain.job.resource import FINALIZER, Resource
from mljobs.domain.reasons import Reason
from mljobs.domain.show.events import Event


async def release_finalizer(
    kube: Kube, writer: StatusWriter, resource: Resource, left_behind: str
) -> JsonObject:
    """Remove our finalizer, after an Event that names the job which may still run.

    Args:
        kube: the API server.
        writer: posts the Event.
        resource: as it was decided on.
        left_behind: the job's full name; empty if none can run.

    Returns:
        The object after the write.

    Raises:
        KubeError: the finalizer is still there, or the object has changed since.
    """
    if left_behind:
        message = f"{left_behind} may still run. Cancel it manually if it is not wanted."
        event = Event(Reason.LEFT_BEHIND, message)
        await writer.post(resource, event, at_once=True)  # nothing else tells of it once the resource is gone
    finalizers = [name for name in resource.finalizers if name != FINALIZER]
    return await kube.patch_metadata(resource, {"finalizers": finalizers})

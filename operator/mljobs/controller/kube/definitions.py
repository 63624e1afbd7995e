"""Waits for the definitions of our kinds: a watch that begins without them never learns that they came."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

from mljobs.api.resources import GROUP
from mljobs.controller.kube.client import Kube
from mljobs.controller.kube.errors import KubeError

logger = logging.getLogger(__name__)

PAUSE = 2.0
"""Seconds between looks."""


async def installed(kube: Kube, stop: asyncio.Event) -> bool:
    """Wait until all kinds can be watched, or nobody can tell; says once what is missing.

    Returns:
        Whether they can; False if `stop` came first.
    """
    said: Sequence[str] = ()
    while not stop.is_set():
        try:
            missing = await kube.missing()
        except KubeError as error:
            logger.warning("the watches will tell whether the resources are defined: %s", error)
            return True
        if not missing:
            return True
        if missing != said:
            names = ", ".join(f"{plural}.{GROUP}" for plural in missing)
            logger.error("nothing is watched until these definitions are installed; apply `crds/`: %s", names)
        said = missing
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), PAUSE)
    return False

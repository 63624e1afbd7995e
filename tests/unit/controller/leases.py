"""Leases without an API server, and a clock that is set."""

import asyncio
from collections.abc import Callable

from mljobs.api.base import JsonObject
from mljobs.controller.kube.errors import Conflict, ObjectNotFound


class Leases:
    """The API server's part: optimistic concurrency on each Lease. The real one is met end to end."""

    def __init__(self) -> None:
        self.leases: dict[str, JsonObject] = {}
        self.error: Callable[[str], Exception | None] = lambda _: None

    @property
    def lease(self) -> JsonObject | None:
        """The only one; None if there is none yet."""
        return next(iter(self.leases.values()), None)

    def _reach(self, name: str) -> None:
        if error := self.error(name):
            raise error

    async def get_lease(self, _namespace: str, name: str) -> JsonObject:
        await asyncio.sleep(0)
        self._reach(name)
        if name not in self.leases:
            raise ObjectNotFound(name)
        found = self.leases[name]
        return {"metadata": dict(found["metadata"]), "spec": dict(found["spec"])}

    async def create_lease(self, namespace: str, name: str, spec: JsonObject) -> None:
        await asyncio.sleep(0)
        self._reach(name)
        if name in self.leases:
            raise Conflict(name)
        metadata = {"name": name, "namespace": namespace, "resourceVersion": "1"}
        self.leases[name] = {"metadata": metadata, "spec": spec}

    async def replace_lease(self, lease: JsonObject) -> None:
        await asyncio.sleep(0)
        name, version = lease["metadata"]["name"], lease["metadata"]["resourceVersion"]
        self._reach(name)
        if self.leases[name]["metadata"]["resourceVersion"] != version:
            raise Conflict(version)
        lease["metadata"]["resourceVersion"] = str(int(version) + 1)
        self.leases[name] = lease

    def holders(self) -> dict[str, str]:
        found = {name: lease["spec"]["holderIdentity"] for name, lease in self.leases.items()}
        return {name: holder for name, holder in found.items() if holder}


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

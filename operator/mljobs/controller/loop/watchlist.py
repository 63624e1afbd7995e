"""Which jobs are polled, kept by scope and job, so that a round of polls does not have to sort them."""

from collections.abc import Callable, Iterator, Mapping

from mljobs.controller.loop.store import Key
from mljobs.domain.decide import Polled
from mljobs.domain.port import Reference, Scope

Jobs = dict[Reference, list[Key]]
"""Jobs of one scope, with the resources that they are watched for."""


class Watchlist:
    """The watched jobs.

    Args:
        scope_of: where a job is listed.
    """

    def __init__(self, scope_of: Callable[[Reference], Scope]) -> None:
        self._scope_of = scope_of
        self._polled: dict[Key, Polled] = {}
        self._active: dict[Scope, Jobs] = {}
        self._lost: dict[Scope, Jobs] = {}

    def __len__(self) -> int:
        return len(self._polled)

    def get(self, key: Key) -> Polled | None:
        """What is watched for a resource."""
        return self._polled.get(key)

    def put(self, key: Key, polled: Polled | None) -> None:
        """Watch this job for a resource from now on; None: none."""
        before = self._polled.get(key)
        if before and polled and before == polled and before.reference == polled.reference:
            return
        if before is not None:
            self._remove(key, before)
        if polled is None:
            self._polled.pop(key, None)
            return
        self._polled[key] = polled
        jobs = self._place(polled).setdefault(self._scope_of(polled.reference), {})
        jobs.setdefault(polled.reference, []).append(key)

    def active(self) -> Mapping[Scope, Jobs]:
        """The jobs that do not count as lost."""
        return self._active

    def lost(self) -> Mapping[Scope, Jobs]:
        """The jobs that count as lost."""
        return self._lost

    def active_keys(self) -> Iterator[Key]:
        """The resources with a job that does not count as lost."""
        return (key for jobs in self._active.values() for keys in jobs.values() for key in keys)

    def _place(self, polled: Polled) -> dict[Scope, Jobs]:
        return self._lost if polled.lost else self._active

    def _remove(self, key: Key, polled: Polled) -> None:
        place, scope = self._place(polled), self._scope_of(polled.reference)
        jobs = place[scope]
        jobs[polled.reference].remove(key)
        if not jobs[polled.reference]:
            del jobs[polled.reference]
        if not jobs:
            del place[scope]

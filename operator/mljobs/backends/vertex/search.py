"""Searches for jobs: those that wait for the same place at the same time share one list of it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from mljobs.domain.port import Job, Scope

Lister = Callable[[Scope, datetime], Awaitable[Sequence[Job]]]
"""Lists all jobs of a scope that are no older than a moment."""


@dataclass
class _Round:
    """A list that has not begun, and the searches that wait for it.

    Attributes:
        since: the earliest moment that one of them asks for.
        listing: gives the list to all of them.
    """

    since: datetime
    listing: asyncio.Task[Sequence[Job]]


class Searches:
    """Lists scopes for searches. For one event loop.

    A search gets a list that was begun after it was asked for, since an earlier one may lack its job. While a
    list is under way, those that come meanwhile wait for the next one together: after a failure of the
    service hundreds of jobs are looked for at once.

    Args:
        lister: makes a list.
    """

    def __init__(self, lister: Lister) -> None:
        self._lister = lister
        self._turns: dict[Scope, asyncio.Lock] = {}
        self._waiting: dict[Scope, _Round] = {}

    async def jobs(self, scope: Scope, since: datetime) -> Sequence[Job]:
        """All jobs of a scope since a moment, and perhaps older ones.

        Raises:
            JobServiceError: the list has failed.
        """
        waiting = self._waiting.get(scope)
        if waiting is None:
            waiting = self._waiting[scope] = _Round(since, asyncio.create_task(self._list(scope)))
        waiting.since = min(waiting.since, since)
        return await asyncio.shield(waiting.listing)

    async def _list(self, scope: Scope) -> Sequence[Job]:
        async with self._turns.setdefault(scope, asyncio.Lock()):
            return await self._lister(scope, self._waiting.pop(scope).since)

"""The kopf side: settings that write nothing by themselves, and kopf's start and stop.

kopf lists and watches, and survives broken streams and expired versions. It hands no objects on: they are
taken from its responses (see `stream`), since its work for each of them is for handlers that the level-based
reconciler does not need.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from mljobs.api.jobclass import JOB_CLASS
from mljobs.api.jobschedule import JOB_SCHEDULE
from mljobs.api.resources import GROUP, KINDS, VERSION, ResourceKind
from mljobs.controller.kube import login
from mljobs.controller.kube.documents import PAGE
from mljobs.controller.kube.kopf_alone import kopf
from mljobs.controller.kube.login import Login
from mljobs.controller.process.stop import Stop

WATCH_SECONDS = 300
"""After this a watch is resumed by a new request, which counts as its heartbeat."""


BACKOFFS = (1, 1, 2, 3, 5, 8, 13, 21, 30)
"""Seconds between the retries of a request that fails or is forbidden; the last one repeats indefinitely."""


class Backoffs(Iterable[float]):
    """An endless list: a finite one would end the process in a long outage."""

    def __iter__(self) -> Iterator[float]:
        return chain(BACKOFFS, repeat(BACKOFFS[-1]))


def settings() -> kopf.OperatorSettings:
    """How kopf behaves here."""
    chosen = kopf.OperatorSettings()
    # kopf would remove a finalizer of its own name, since none of its handlers needs one
    chosen.persistence.finalizer = "mljobs.dev/kopf"
    chosen.persistence.progress_storage = kopf.StatusProgressStorage(field="status.operator.progress")
    chosen.persistence.diffbase_storage = kopf.StatusDiffBaseStorage(field="status.operator.lastHandled")
    chosen.posting.enabled = False
    chosen.scanning.disabled = True
    chosen.watching.chunk_size = PAGE
    chosen.watching.server_timeout = WATCH_SECONDS
    chosen.networking.error_backoffs = Backoffs()
    chosen.queueing.worker_limit = None
    return chosen


def watched_kinds(namespaces: Sequence[str], *, schedules: bool) -> Sequence[ResourceKind]:
    """The kinds that are watched: classes only by who watches the whole cluster, which needs that right.

    Args:
        namespaces: those to watch; none: the whole cluster.
        schedules: whether JobSchedules are reconciled.
    """
    return [
        *KINDS.values(),
        *([JOB_SCHEDULE] if schedules else []),
        *([] if namespaces else [JOB_CLASS]),
    ]


def watched_paths(kinds: Iterable[ResourceKind], namespaces: Sequence[str]) -> dict[str, str]:
    """What is listed and watched: paths at the API server, and names for messages.

    Args:
        kinds: those to watch.
        namespaces: those to watch; none: the whole cluster.
    """
    places = {f"namespaces/{name}/": f" in {name}" for name in namespaces} or {"": ""}
    return {
        f"{GROUP}/{VERSION}/{place}{kind.plural}": f"the watch of {kind.plural}{said}"
        for kind in kinds
        for place, said in places.items()
    }


class Watch:
    """kopf, once for each kind, so that none waits for the CRD of another.

    Args:
        logins: makes the login of one kopf.
        server: URL of the API server.
        namespaces: those to watch; none: the whole cluster.
        ready: set once one of them starts to watch.
    """

    def __init__(
        self,
        logins: Callable[[], Login],
        *,
        server: str,
        namespaces: Sequence[str],
        ready: asyncio.Event,
    ) -> None:
        self._logins = logins
        self._server = server
        self._namespaces = namespaces
        self._ready = ready
        self._roots: set[asyncio.Task[Any]] = set()

    async def run(self, kind: ResourceKind, stop: Stop) -> None:
        """Let kopf watch a kind, which is served, until a stop is requested."""
        roots = await kopf.spawn_tasks(
            registry=self._registry(kind, stop),
            settings=settings(),
            standalone=True,
            clusterwide=not self._namespaces,
            namespaces=self._namespaces,
            ready_flag=self._ready,
            stop_flag=stop.requested,
        )
        self._roots.update(roots)
        stop.listen()  # kopf has taken the signals
        await kopf.run_tasks(roots, ignored=_Everything())

    def _registry(self, kind: ResourceKind, stop: Stop) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        logins = self._logins()

        @kopf.on.login(registry=registry, id="login")
        async def log_in(**_: Any) -> kopf.AiohttpSession:
            session = await logins.session()
            end = datetime.now(UTC) + timedelta(seconds=login.LIFETIME)
            return kopf.AiohttpSession(server=self._server, aiohttp_session=session, expiration=end)

        @kopf.on.event(GROUP, VERSION, kind.plural, registry=registry, id="observe")
        async def observe(**_: Any) -> None:
            """Make kopf watch the kind; it is never called, since no response holds an object."""

        @kopf.on.cleanup(registry=registry, id="cleanup")
        async def cleanup(**_: Any) -> None:
            # kopf awaits the flag even if it ends by itself, and for 5 s unless the flag is set by then
            stop.requested.set()
            # after this kopf closes its connections, which fails its calls in flight
            left = [task for task in asyncio.all_tasks() - self._roots if _is_kopfs(task)]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

        return registry


class _Everything(Collection["asyncio.Task[Any]"]):
    """All tasks: kopf would cancel each that was created after its start, those of other kinds too."""

    def __contains__(self, _: object) -> bool:
        return True

    def __iter__(self) -> Iterator["asyncio.Task[Any]"]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _is_kopfs(task: "asyncio.Task[Any]") -> bool:
    """Whether a task runs kopf's own code, and is not the one that asks."""
    code = getattr(task.get_coro(), "cr_code", None)
    inside = code is not None and Path(code.co_filename).is_relative_to(Path(kopf.__file__).parent)
    return inside and task is not asyncio.current_task()

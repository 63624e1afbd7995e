"""Lists and watches that the API server forbids: whoever has forgotten a Role is told so, and where."""

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus

import aiohttp

logger = logging.getLogger(__name__)


class Refusals:
    """Tracks which lists and watches are forbidden; logs each change once.

    Args:
        watched: names for messages, by path (see `watched_paths`).
        shown: called with a resource's plural, the namespace (empty: the whole cluster), and whether it is
            forbidden, with every answer.
    """

    def __init__(self, watched: Mapping[str, str], shown: Callable[[str, str, bool], None]) -> None:
        self._watched = watched
        self._shown = shown
        self._forbidden: set[str] = set()

    async def see(
        self, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Look at an answer, and hand it on; a middleware of aiohttp sessions."""
        answer = await send(request)
        path = request.url.path.rpartition("/apis/")[2]
        if path in self._watched and (answer.ok or answer.status == HTTPStatus.FORBIDDEN):
            self._see(path, forbidden=not answer.ok)
        return answer

    def _see(self, path: str, *, forbidden: bool) -> None:
        place, _, plural = path.rpartition("/")
        namespace = place.partition("/namespaces/")[2]
        if forbidden and path not in self._forbidden:
            logger.error(
                "%s is forbidden, so that nothing of it is reconciled: grant the operator's ServiceAccount "
                "list and watch of %s in %s; the chart does for all of watchNamespaces, with rbac.create",
                self._watched[path],
                plural,
                f"the namespace {namespace}" if namespace else "the whole cluster",
            )
        if not forbidden and path in self._forbidden:
            logger.info("%s is allowed now", self._watched[path])
        (self._forbidden.add if forbidden else self._forbidden.discard)(path)
        self._shown(plural, namespace, forbidden)

"""Takes objects from the lists and watches that kopf requests, before kopf does.

kopf keeps a watch alive: it lists, resumes from the last version, waits after errors, and lists again when a
version has expired. What it does with each event beyond that, a queue, a task and a memory for each object,
is for handlers that are called one at a time for each object; the work queue does that here. So the responses
that kopf gets hold no objects: lists are empty, and of a watch there remain bookmarks with the newest
version, from which kopf resumes.
"""

import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp

from mljobs.api.base import JsonObject
from mljobs.api.json_text import decoded, encoded
from mljobs.controller.kube.documents import slim

logger = logging.getLogger(__name__)

Bring = Callable[[str | None, JsonObject], None]
"""Called with each event's type, None for what a list holds, and its object."""

_OBJECTS = ("ADDED", "MODIFIED", "DELETED")


def taking(bring: Bring) -> type[aiohttp.ClientResponse]:
    """Make the class of responses of a session whose lists and watches are taken from it."""

    class Response(aiohttp.ClientResponse):
        async def start(self, connection: Any) -> aiohttp.ClientResponse:
            await super().start(connection)
            if self.ok and self.url.query.get("watch") == "true":
                self.content = _Watched(self.content, bring)  # type: ignore[assignment]
            return self

        async def json(self, **options: Any) -> Any:
            if not self.ok:
                return await super().json(**options)
            found = decoded(await self.read())
            self._body = None  # a page is large, and kopf keeps the response for a while
            if not isinstance(found, dict) or "items" not in found:
                return found
            of = {"kind": str(found.get("kind", "")).removesuffix("List"), "apiVersion": found["apiVersion"]}
            items = found.pop("items") or []
            for place, item in enumerate(items):
                items[place] = None  # of a page only what is kept of it stays
                _hand_over(bring, None, {**of, **item})
            return {**found, "items": []}

    return Response


class _Watched:
    """The body of a watch; all but `iter_chunked` is the stream's own.

    Args:
        stream: the body as it comes.
        bring: see `Bring`.
    """

    def __init__(self, stream: aiohttp.StreamReader, bring: Bring) -> None:
        self._stream = stream
        self._bring = bring
        self._failed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """Yield what is no object line by line, and bookmarks instead of objects, until the watch has failed.

        What follows an error, as of an expired version, would be taken across a gap: kopf lists first.
        """
        rest: list[bytes] = []
        async for data in self._stream.iter_chunked(size):
            head, line_end, tail = data.rpartition(b"\n")
            if not line_end:
                rest.append(data)
                continue
            lines = b"".join([*rest, head])
            rest = [tail]
            for line in self._without_objects(lines.split(b"\n")):
                yield line
        if left := b"".join(rest):
            yield left

    def _without_objects(self, lines: list[bytes]) -> list[bytes]:
        kept: list[bytes] = []
        version = ""
        for line in lines:
            event = None if self._failed else _parsed(line)
            if event is not None and event["type"] in _OBJECTS:
                version = event["object"]["metadata"]["resourceVersion"]
                _hand_over(self._bring, event["type"], event["object"])
            else:
                self._failed = self._failed or (event is not None and event["type"] == "ERROR")
                kept += [*_bookmark(version), line + b"\n"]
                version = ""
        return [*kept, *_bookmark(version)]


def _bookmark(version: str) -> list[bytes]:
    if not version:
        return []
    mark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": version}}}
    return [encoded(mark) + b"\n"]


def _parsed(line: bytes) -> JsonObject | None:
    """An event; None for what kopf has to judge."""
    try:
        event = decoded(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "type" in event else None


def _hand_over(bring: Bring, event: str | None, body: JsonObject) -> None:
    try:
        bring(event, slim(body))
    except Exception:  # the watch has to go on; the next complete list brings the object again
        logger.exception("an object of the watch could not be taken")

"""The port to the tiny service, over HTTP."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Self

import aiohttp

from mljobs.backends import MLV1, SERVICES, Access, Limits, Service, Terms
from mljobs.domain import errors
from mljobs.domain.port import AttemptSelector, Job, JobDocument, JobPage, Order, Reference, Scope
from tests.tiny.facts import TinyFacts, parts
from tests.tiny.read import job_of


class TinyBackend:
    """`domain.port.Backend` of the tiny service; it is neither a `Relabels` nor a `BindsIam`.

    Args:
        endpoint: the service's URL.
        timeout: seconds for one call.
        guard: called before each request is sent; where it must not be sent, it ends the process.
    """

    def __init__(self, endpoint: str, timeout: float, guard: Callable[[], None] = lambda: None) -> None:
        self.facts = TinyFacts()
        self._endpoint = endpoint
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._guard = guard
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=self._timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()

    def longest(self) -> float:
        return 0.0  # every call has a time-out of the loop's own

    async def submit(self, order: Order) -> Job:
        line, body = _request(order, Terms())
        verb, _, path = line.partition(" ")
        return job_of(order.scope, await self._call(verb, path, body))

    async def find(self, selector: AttemptSelector) -> Sequence[Job]:
        found: list[Job] = []
        token = ""
        while True:
            page = await self.active(selector.scope, page_token=token)
            found += [job for job in page.jobs if selector.matches(job)]
            token = page.next_page_token
            if not token:
                return sorted(found, key=lambda job: str(job.document["createTime"]))

    async def get(self, reference: Reference, *, background: bool = False) -> Job:  # noqa: ARG002
        project, number = parts(reference)
        return job_of(project, await self._call("GET", f"/projects/{project}/runs/{number}"))

    async def active(self, scope: Scope, *, page_token: str = "") -> JobPage:
        size = self.facts.polling.page_size
        answer = await self._call("GET", f"/projects/{scope}/runs?start={page_token or 0}&size={size}")
        return JobPage([job_of(scope, run) for run in answer["runs"]], str(answer.get("next", "")))

    async def cancel(self, reference: Reference) -> None:
        project, number = parts(reference)
        await self._call("POST", f"/projects/{project}/runs/{number}/stop", {})

    async def _call(self, verb: str, path: str, body: object = None) -> Any:
        assert self._session is not None
        self._guard()
        try:
            async with self._session.request(verb, self._endpoint + path, json=body) as answer:
                return self._read(answer.status, await answer.text(), await answer.json())
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
            raise errors.Unavailable(f"{verb} {path}: no usable answer: {error!r}") from error

    @staticmethod
    def _read(status: int, text: str, answer: Any) -> Any:
        match status:
            case 200:
                return answer
            case 404:
                raise errors.NotFound(text, status=404)
            case 403:
                raise errors.Denied(text, status=403)
            case 429:
                raise errors.Throttled(text)
            case _ if status < 500:
                raise errors.Rejected(text, status=status)
            case _:
                raise errors.Unavailable(text, status=status)


def _open(access: Access, _terms: Terms) -> TinyBackend:
    return TinyBackend(access.endpoint, access.timeout, access.guard or (lambda: None))


def _request(order: Order, _terms: Terms) -> tuple[str, JobDocument]:
    body = {"title": order.job_id, "marks": dict(order.labels), "work": dict(order.spec)}
    return f"POST /projects/{order.scope}/runs", body


def install() -> None:
    """Let this process's operator use the tiny service in place of `ml` v1."""
    SERVICES[MLV1] = Service(
        Limits(), lambda _terms: TinyFacts(), _open, _request, lambda reference: "#" in reference
    )

"""One request of an API: a fault may befall it, it is answered, and the ledger records it."""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from aiohttp import web

from mljobs_dev.emulator.control import Emulator
from mljobs_dev.emulator.errors import ApiError
from mljobs_dev.emulator.ledger import NO_ANSWER
from mljobs_dev.emulator.scripting import Action, Fault
from mljobs_dev.emulator.subjects import Subject

logger = logging.getLogger(__name__)

JSON = "application/json; charset=UTF-8"
HTML = "text/html; charset=UTF-8"


@dataclass(frozen=True)
class Outcome:
    """An answer, before HTTP.

    Attributes:
        body: its bytes.
        status: the HTTP status.
        headers: of the answer; JSON's media type where none is named.
        applied: whether the request changed any state.
        job_id: the id that the service gave to a new job; empty for other requests.
        identity: who called, where that is known by the answer only.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    applied: bool = False
    job_id: str = ""
    identity: str = ""

    def response(self) -> web.Response:
        """The answer as HTTP."""
        return web.Response(
            status=self.status, body=self.body, headers={"Content-Type": JSON, **self.headers}
        )


@dataclass(frozen=True)
class Exchange:
    """A request that is understood as far as its method.

    Attributes:
        method: as the discovery document names it.
        answer: applies the request; an ApiError is its refusal.
        refusal: the answer that a refusal is.
        subject: what it is about.
        identity: who calls.
    """

    method: str
    answer: Callable[[], Outcome]
    refusal: Callable[[ApiError], Outcome]
    subject: Subject = field(default_factory=Subject)
    identity: str = ""


async def carry_out(emulator: Emulator, request: web.BaseRequest, exchange: Exchange) -> web.StreamResponse:
    """Answer a request, unless a fault has it otherwise."""
    fault = emulator.faults.take(exchange.method, exchange.subject)
    if fault is not None and fault.action is Action.DELAY:
        await asyncio.sleep(fault.seconds)
    if fault is not None and fault.action in (Action.ERROR, Action.DROP_BEFORE):
        return _fail(emulator, request, exchange, fault)
    outcome = _answered(exchange)
    dropped = fault is not None and fault.action is Action.DROP_AFTER
    if outcome.job_id:
        exchange = replace(exchange, subject=replace(exchange.subject, job_id=outcome.job_id))
    if outcome.identity:
        exchange = replace(exchange, identity=outcome.identity)
    _record(emulator, exchange, NO_ANSWER if dropped else outcome.status, applied=outcome.applied)
    if dropped:
        return _drop(request)
    if fault is not None and fault.action is Action.TRUNCATE:
        return await _truncate(request, outcome.response())
    return outcome.response()


def json_outcome(error: ApiError, body: object) -> Outcome:
    """A refusal; the services indent errors whatever prettyPrint says, and people read them."""
    return Outcome(json.dumps(body, indent=2, ensure_ascii=False).encode(), error.code, error.headers)


def page(status: int) -> web.Response:
    """An HTML page like those of Google's front ends."""
    body = (
        f"<!DOCTYPE html>\n<html lang=en>\n<title>Error {status}</title>\n<p><b>{status}.</b> "
        "That's an error.\n"
    )
    return web.Response(status=status, body=body.encode(), headers={"Content-Type": HTML})


def _answered(exchange: Exchange) -> Outcome:
    try:
        return exchange.answer()
    except ApiError as error:
        return exchange.refusal(error)
    except Exception:
        logger.exception("%s failed by a bug of the emulator; the client gets a 500", exchange)
        return exchange.refusal(ApiError(500))


def _record(emulator: Emulator, exchange: Exchange, status: int, *, applied: bool) -> None:
    emulator.ledger.add(
        exchange.method, exchange.subject, status, applied=applied, identity=exchange.identity
    )


def _fail(
    emulator: Emulator, request: web.BaseRequest, exchange: Exchange, fault: Fault
) -> web.StreamResponse:
    drop = fault.action is Action.DROP_BEFORE
    _record(emulator, exchange, NO_ANSWER if drop else fault.status, applied=False)
    if drop:
        return _drop(request)
    error = fault.error()
    if fault.html:
        response = page(error.code)
        response.headers.update(error.headers)
        return response
    return exchange.refusal(error).response()


def _drop(request: web.BaseRequest) -> web.StreamResponse:
    """Close the connection; the response that is returned goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


async def _truncate(request: web.BaseRequest, whole: web.Response) -> web.StreamResponse:
    """Promise the whole body, send half of it and close the connection."""
    body = whole.body if isinstance(whole.body, bytes) else b""
    cut = web.StreamResponse(status=whole.status, headers=whole.headers)
    cut.content_length = len(body)
    await cut.prepare(request)
    await cut.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return cut

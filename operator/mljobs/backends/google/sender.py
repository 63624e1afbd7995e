"""How calls of a job service go out: each waits for its quota, then for a thread, and is sent once."""

from collections.abc import Callable
from functools import partial
from typing import Any

from google.auth.exceptions import GoogleAuthError

from mljobs.backends.google.answers import Method
from mljobs.backends.google.calls import Api, no_token
from mljobs.backends.google.credentials import SharedCredentials
from mljobs.backends.google.limits import ProjectLimits, QuotaGroup
from mljobs.backends.google.threads import RequestThreads
from mljobs.domain.errors import Throttled

OnWait = Callable[[str, float], None]
"""Told of each request that a quota held back: the method's id, and seconds waited. Called on the loop."""

RETRY_AFTER = 5.0
"""Seconds after which a call may be tried again for which there was no token yet."""


class Sender:
    """Sends the calls of one API, for one event loop.

    Requests run on threads of their own and are sent once; only one that was answered 401 is sent again, with
    a new token. A caller that is cancelled leaves its request running.

    Args:
        api: makes a call of it.
        threads: where calls are made.
        limits: the quotas.
        on_wait: see `OnWait`.
        background: whether every call is sent in the background.
        credentials: those of the calls; None for anonymous ones.
    """

    def __init__(
        self,
        api: Api,
        threads: RequestThreads,
        limits: ProjectLimits,
        on_wait: OnWait | None = None,
        *,
        background: bool = False,
        credentials: SharedCredentials | None = None,
    ) -> None:
        self._credentials = credentials
        self._api = api
        self._threads = threads
        self._limits = limits
        self._on_wait = on_wait
        self._background = background

    async def close(self) -> None:
        """Take no more calls, wait for those on their way at most the time-out, close the connections."""
        await self._threads.close()

    def longest(self) -> float:
        """Seconds for which the oldest request has held its thread; far above the time-out, it is stuck."""
        return self._threads.longest()

    async def call(
        self,
        method: Method,
        quota: str,
        request_of: Callable[..., Any],
        *,
        background: bool = False,
        **arguments: Any,
    ) -> dict[str, Any]:
        """Make a call.

        Args:
            method: which; one that creates counts apart from all others.
            quota: whose quota it takes, such as a project's id.
            request_of: makes the request of the arguments, as googleapiclient does.
            background: whether other calls go first; see `ProjectLimits` and `RequestThreads`.
            arguments: of the method.

        Raises:
            JobServiceError: whatever goes wrong, in the port's words.
        """
        kind: QuotaGroup = "create" if method.creates else "other"
        background = background or self._background
        await self._have_token(method, background=background)
        waited = await self._limits.admit(quota, kind, background=background)
        if waited and self._on_wait is not None:
            self._on_wait(method.id, waited)
        try:
            call = partial(self._api.call, method, request_of, arguments)
            return await self._threads.run(call, background=background)
        except Throttled as error:
            self._limits.pause(quota, kind, error.retry_after)
            raise

    async def _have_token(self, method: Method, *, background: bool) -> None:
        """Wait for a token before a quota or a thread is taken."""
        if self._credentials is None:
            return
        try:
            ready = await self._credentials.ready(background=background)
        except GoogleAuthError as error:
            raise no_token(method, error) from error
        if not ready:
            raise Throttled(
                f"{method.id} was not sent: the token service has not answered yet for "
                f"{self._credentials.name}",
                status=0,
                retry_after=RETRY_AFTER,
            )

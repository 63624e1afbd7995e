"""What is opened and closed: the clients of the services, and the backends over them."""

from types import TracebackType
from typing import Generic, Self, TypeVar

from mljobs.backends.google.sender import Sender


class Client:
    """The calls of a service.

    Args:
        sender: sends them; it is closed with this.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Accept no more calls, wait for running ones for at most the time-out, close the connections."""
        await self._sender.close()

    def longest(self) -> float:
        """Seconds that the oldest request has taken so far; far above the time-out, it is stuck."""
        return self._sender.longest()


ClientT = TypeVar("ClientT", bound=Client)


class ClientBackend(Generic[ClientT]):
    """A backend over the calls of a client.

    Args:
        client: sends the calls; it is closed with this.
    """

    def __init__(self, client: ClientT) -> None:
        self.client = client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.client.close()

    def longest(self) -> float:
        """Seconds that the oldest request has taken so far; far above the time-out, it is stuck."""
        return self.client.longest()

"""Why a server was not reached, from the exceptions that a client library leaves."""

import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import urllib3


@dataclass(frozen=True)
class NetworkFailure:
    """A network failure on the way to a server.

    Attributes:
        what: in a few words.
        remedy: what to check.
    """

    what: str
    remedy: str


_DNS = "check the spelling of the address, and from inside the cluster the Pod's DNS and egress to port 53"
_REFUSED = "check host and port, and that the server runs"
_SILENCE = "check firewalls, egress policies and the proxy variables on the way: something drops the packets"
_TRUST = (
    "if a proxy or a private endpoint presents this certificate, mount its CA and name the file in "
    "HTTPLIB2_CA_CERTS; for the API server, check the CA in the kubeconfig"
)
_TLS = "check that the address speaks https on this port, and what a proxy on the way does to TLS"

_TIMEOUTS = (TimeoutError, urllib3.exceptions.TimeoutError)


def trouble(error: BaseException) -> NetworkFailure | None:
    """Find the cause that an error and those behind it name; None if the network is not to blame."""
    for cause in _causes(error):
        for kinds, describe in _CAUSES:
            if isinstance(cause, kinds):
                return describe(cause)
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The innermost cause first."""
    chain: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in chain:
        chain.append(following)
        hidden = following.__suppress_context__
        following = following.__cause__ or (None if hidden else following.__context__)
    yield from reversed(chain)


def _certificate(error: BaseException) -> NetworkFailure:
    return NetworkFailure(
        f"its certificate is not trusted: {getattr(error, 'verify_message', '') or error}", _TRUST
    )


_CAUSES: tuple[
    tuple[type[BaseException] | tuple[type[BaseException], ...], Callable[..., NetworkFailure]], ...
] = (
    (socket.gaierror, lambda error: NetworkFailure(f"its name cannot be resolved: {error.strerror}", _DNS)),
    (ssl.SSLCertVerificationError, _certificate),
    (ssl.SSLError, lambda error: NetworkFailure(f"TLS failed: {error}", _TLS)),
    (_TIMEOUTS, lambda _: NetworkFailure("it did not answer in time", _SILENCE)),
    (
        ConnectionRefusedError,
        lambda _: NetworkFailure("nothing listens there: the connection was refused", _REFUSED),
    ),
    (ConnectionError, lambda error: NetworkFailure(f"the connection broke: {error}", _REFUSED)),
    (OSError, lambda error: NetworkFailure(f"the network refuses: {error.strerror or error}", _SILENCE)),
)
"""From the special to the general: a TimeoutError is an OSError too."""

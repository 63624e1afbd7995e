"""TLS to an API server, as kubectl does it."""

import os
import ssl
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mljobs.controller.kube.access import Server
from mljobs.controller.kube.credentials import Keys
from mljobs.controller.kube.errors import NoCredentials


class _Context(ssl.SSLContext):
    """A context that expects another name than the URL's in the API server's certificate.

    The name is kept here because each client library wants it in another place, and one of them in none.

    Attributes:
        names: the expected names by the names in URLs.
    """

    names: dict[str, str]

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        return super().wrap_socket(*args, **self._renamed(options))

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        return super().wrap_bio(*args, **self._renamed(options))

    def _renamed(self, options: dict[str, Any]) -> dict[str, Any]:
        name = options.get("server_hostname")
        return {**options, "server_hostname": self.names.get(str(name), name)}


def tls_context(server: Server, keys: Keys) -> ssl.SSLContext:
    """Make the TLS context of connections to an API server.

    Args:
        server: the API server.
        keys: the authorities to trust, and our certificate.

    Raises:
        NoCredentials: a certificate or a key is invalid.
    """
    context = _Context(ssl.PROTOCOL_TLS_CLIENT)
    context.names = {urlsplit(server.url).hostname or "": server.tls_name} if server.tls_name else {}
    # Python 3.13 refuses authorities without an Authority Key Identifier, which Go, and so kubectl, accepts
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if server.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif keys.authorities:
        try:
            context.load_verify_locations(cadata=keys.authorities)
        except (ssl.SSLError, ValueError) as error:
            raise NoCredentials(
                f"the API server's certificate-authority is not a certificate: {error}"
            ) from error
    else:
        context.load_default_certs()
    if keys.certificate:
        _load(context, keys)
    return context


def _load(context: ssl.SSLContext, keys: Keys) -> None:
    """Load our certificate. OpenSSL reads it from a file only, which is deleted at once."""
    descriptor, name = tempfile.mkstemp(prefix="mljobs-")  # for its owner only
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{keys.certificate}\n{keys.key}\n")
        context.load_cert_chain(name, password=lambda: b"")
    except (ssl.SSLError, ValueError) as error:
        raise NoCredentials(
            f"the client certificate and its key do not match, or are invalid: {error}"
        ) from error
    finally:
        Path(name).unlink()

"""The API server for commands: the official client's synchronous half."""

from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import urllib3
from kubernetes import client
from urllib3.contrib.socks import SOCKSProxyManager

from mljobs import __version__
from mljobs.controller.kube.access import Access, Server
from mljobs.controller.kube.credentials import Credentials, Identity, Keys
from mljobs.controller.kube.tls import tls_context


class Client(client.ApiClient):
    """The official client, which renews refused credentials and reconnects with new keys.

    Args:
        access: the API server and its user.
        user_agent: the name of the command.
        retries: whether failed connections are retried.
    """

    def __init__(self, access: Access, user_agent: str, *, retries: bool = True) -> None:
        # without this it would read the environment, differently from kubectl
        super().__init__(client.Configuration(host=access.server.url, proxy="", no_proxy=""))
        self.user_agent = f"{user_agent}/{__version__}"
        self._access = access
        self._credentials = Credentials(access)
        self._keys: Keys | None = None
        self._more = {} if retries else {"retries": False}

    def call_api(
        self, method: str, url: str, header_params: Any = None, *arguments: Any, **options: Any
    ) -> Any:
        """Send a request, and once more if it is refused (401) and there are new credentials.

        Raises:
            NoCredentials: there are none.
        """

        def send(identity: Identity) -> Any:
            self._open(identity.keys)
            headers = urllib3.HTTPHeaderDict(header_params or {})
            headers.extend(identity.headers)
            return super(Client, self).call_api(method, url, headers, *arguments, **options)

        identity = self._credentials.current()
        answer = send(identity)
        if answer.status == 401:
            renewed = self._credentials.renew(identity)
            if renewed != identity:
                answer.response.drain_conn()
                answer.response.release_conn()
                return send(renewed)
        return answer

    def _open(self, keys: Keys) -> None:
        if keys == self._keys:
            return
        self._keys = keys
        rest: Any = self.rest_client
        rest.pool_manager.clear()
        rest.pool_manager = _pool(self._access.server, keys, self._more)


def _pool(server: Server, keys: Keys, more: dict[str, Any]) -> urllib3.PoolManager:
    context = tls_context(server, keys)
    if server.insecure:  # the kubeconfig asks for it; kubectl does not warn either
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    options = {
        "ssl_context": context,
        "cert_reqs": "CERT_NONE" if server.insecure else "CERT_REQUIRED",
        **more,
    }
    if not server.proxy:
        return urllib3.PoolManager(**options)
    if server.proxy.startswith("socks5"):
        # Go lets the proxy resolve the name of the server
        return SOCKSProxyManager(server.proxy.replace("socks5://", "socks5h://", 1), **options)
    parts = urlsplit(server.proxy)
    headers = None
    if parts.username is not None:  # urllib3 would leave them out
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers = urllib3.make_headers(proxy_basic_auth=pair)
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return urllib3.ProxyManager(bare, proxy_headers=headers, proxy_ssl_context=context, **options)

"""Chooses the proxy for a server: by Go's rules, since they are kubectl's.

Python's libraries each read `NO_PROXY` in their own way, and most know no networks in it. The rules are those
of Go's `golang.org/x/net/http/httpproxy`.
"""

import ipaddress
import os
import re
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}
_HOST_AND_PORT = re.compile(r"(?:\[(?P<bracketed>[^\]]+)\]|(?P<plain>[^:\[\]]+)):(?P<port>[^:\[\]]*)")
_MAPPED = 96
"""Bits before the IPv4 address in an IPv6 address that stands for one."""

_NETWORK = re.compile(r"[0-9a-f.:]+/\d+")

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
Matcher = Callable[[str, str, Ip | None], bool]
"""Takes host, port, and the host as an address; returns whether the host is reached without a proxy."""


def proxy_for(url: str, environ: Mapping[str, str] = os.environ) -> str:
    """The proxy that the environment names for a URL; empty for none.

    `HTTP_PROXY` or `HTTPS_PROXY` counts, by the URL's scheme, and `NO_PROXY` makes exceptions; the names in
    lower case count where those in upper case are not set. `NO_PROXY` takes addresses and networks
    (`10.0.0.0/8`), domains (`example.com` with all below it, `.example.com` only those below it), each with
    or without a port, and `*`. A server on this machine is never reached through a proxy.

    Args:
        url: of the server.
        environ: the environment.
    """
    parts = urlsplit(url)
    proxy = _any(environ, f"{parts.scheme}_proxy") if parts.scheme in _PORTS else ""
    if not proxy:
        return ""
    host = _ascii((parts.hostname or "").lower())
    port = str(parts.port or _PORTS[parts.scheme])
    ip = _ip(host.partition("%")[0])  # without its zone
    if host == "localhost" or (ip is not None and ip.is_loopback):
        return ""
    if any(matches(host, port, ip) for matches in _exceptions(_any(environ, "no_proxy"))):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _any(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name.upper()) or environ.get(name) or ""


def _exceptions(no_proxy: str) -> Iterator[Matcher]:
    for entry in (part.strip().lower() for part in no_proxy.split(",")):
        if entry == "*":
            yield lambda _host, _port, _ip: True
        elif entry:
            yield _network(entry) or _address_or_domain(entry)


def _network(entry: str) -> Matcher | None:
    if not _NETWORK.fullmatch(entry):
        return None
    try:
        network = ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return None
    mapped = isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped
    if mapped and network.prefixlen >= _MAPPED:
        network = ipaddress.IPv4Network((mapped, network.prefixlen - _MAPPED))
    return lambda _host, _port, ip: ip is not None and ip in network


def _address_or_domain(entry: str) -> Matcher:
    parts = _HOST_AND_PORT.fullmatch(entry)
    name, wanted = (parts["bracketed"] or parts["plain"], parts["port"]) if parts else (entry, "")
    address = _ip(name)
    if address is not None:
        return lambda _host, port, ip: ip == address and wanted in ("", port)
    domain = _ascii(name.removeprefix("*") if name.startswith("*.") else name)
    below = domain if domain.startswith(".") else f".{domain}"
    itself = domain != below

    def matches(host: str, port: str, ip: Ip | None) -> bool:
        meant = host.endswith(below) or (itself and host == domain)
        return ip is None and meant and wanted in ("", port)

    return matches


def _ip(text: str) -> Ip | None:
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return None
    return (ip.ipv4_mapped or ip) if isinstance(ip, ipaddress.IPv6Address) else ip


def _ascii(host: str) -> str:
    try:
        return host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        return host

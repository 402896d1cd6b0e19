"""The pools of connections to other services, and the guard of the one for URLs that users chose.

httpx is loaded with the first call, not with the application: with the certificates it takes 0.1 s.
"""

import asyncio
import ipaddress
import socket
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Final

from app.core.process import get_object

if TYPE_CHECKING:
    import httpx

# Beside what `ipaddress` knows: Azure's metadata service (documentation, "IP address 168.63.129.16"), Oracle's block,
# and IPv6 that stands for an IPv4 address (mapped or translated, Teredo, 6to4) or for a site.
_INSIDE: Final = tuple(
    map(ipaddress.ip_network, ("168.63.129.16/32", "192.0.0.0/24", "::/8", "2001::/32", "2002::/16", "fec0::/10"))
)


def create_http_client(*, public_only: bool = False) -> "httpx.AsyncClient":
    """Return a client, to be closed by its maker; most code uses the process's, `get_http_client()`.

    `HTTPS_PROXY`, `NO_PROXY` and `SSL_CERT_FILE` of the environment hold, as for most programs. With `public_only`, it
    calls public addresses alone, and never through a proxy, which would look the names up anew.
    """
    import httpx  # noqa: PLC0415

    return httpx.AsyncClient(
        trust_env=not public_only,
        # A connection is kept by its address, where the next name may be another owner's.
        limits=httpx.Limits(max_connections=100, max_keepalive_connections=0 if public_only else None),
        # One user's cookie must not go out with the next one's request.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        # httpx unpacks at once what it has read, a thousandfold: no stranger may make use of that.
        headers={"accept-encoding": "identity" if public_only else "gzip"},
        event_hooks={"request": [_pin_public_address] if public_only else []},
    )


class HttpClients:
    """The process's clients, each made when it is first used."""

    def __init__(self) -> None:
        self._made: dict[bool, httpx.AsyncClient] = {}

    def get(self, *, public_only: bool) -> "httpx.AsyncClient":
        """Return the client for URLs of this application's own, or for those that users chose."""
        if public_only not in self._made:
            self._made[public_only] = create_http_client(public_only=public_only)
        return self._made[public_only]

    async def close(self) -> None:
        """Close all connections; calls under way fail."""
        for client in self._made.values():
            await client.aclose()


def get_http_client() -> "httpx.AsyncClient":
    """Return the process's client, for URLs of this application's own; ConfigurationError when there is none."""
    return get_object(HttpClients).get(public_only=False)


def get_public_client() -> "httpx.AsyncClient":
    """Return the process's client for URLs that users chose: it calls public addresses alone."""
    return get_object(HttpClients).get(public_only=True)


def is_public(text: str) -> bool:
    """Return True for an address that is public and no metadata service's."""
    address = ipaddress.ip_address(text)
    inside = any(address in network for network in _INSIDE)
    return address.is_global and not (inside or address.is_multicast or address.is_reserved)


async def _pin_public_address(request: "httpx.Request") -> None:
    """Look the host up once, and have the request sent to the address that was checked: a second look-up may lie.

    `Host` and the certificate's name stay as the user gave them (OWASP, "Server-Side Request Forgery").
    """
    found = await asyncio.get_running_loop().getaddrinfo(request.url.host, None, type=socket.SOCK_STREAM)
    addresses = [str(each[4][0]) for each in found]
    if not addresses or not all(map(is_public, addresses)):
        raise ValueError("not a public address")
    request.extensions = {**request.extensions, "sni_hostname": request.url.raw_host.decode("ascii")}
    request.url = request.url.copy_with(host=addresses[0])

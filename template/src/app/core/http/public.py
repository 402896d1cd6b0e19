"""The way to public addresses alone, for URLs that users chose (OWASP, "Server-Side Request Forgery")."""

import asyncio
import ipaddress
import socket
from typing import Final

import httpx

from app.core.http.answers import AnswerRefused

# Azure's metadata service has a public address (documentation, "IP address 168.63.129.16"); Oracle's is in a block that
# older Pythons take for public in parts (RFC 6890).
_INSIDE: Final = tuple(map(ipaddress.IPv4Network, ("168.63.129.16/32", "192.0.0.0/24")))
# IPv6 that a gateway turns into IPv4 (RFC 6052 and 8215): the last four bytes are the address.
_TRANSLATED: Final = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48")))


class PublicTransport(httpx.AsyncHTTPTransport):
    """Looks a host up once, and connects to the address that was checked: a second look-up may lead elsewhere."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request. `Host` and the certificate's name stay as the user gave them."""
        request.extensions = {**request.extensions, "sni_hostname": request.url.raw_host.decode("ascii")}
        request.url = request.url.copy_with(host=await _public_address(request.url.host))
        return await super().handle_async_request(request)


async def _public_address(host: str) -> str:
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    addresses = [str(each[4][0]) for each in found]
    if not addresses or not all(map(is_public, addresses)):
        raise AnswerRefused("The address is not a public one, and is not called.")
    return addresses[0]


def is_public(text: str) -> bool:
    """Return True for an address that is public and no metadata service's, whichever way it is written."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if any(address in network for network in _TRANSLATED):
            inner = ipaddress.IPv4Address(address.packed[-4:])
        if inner is not None:
            return is_public(str(inner))
        if address.is_site_local:
            return False
    elif any(address in network for network in _INSIDE):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved

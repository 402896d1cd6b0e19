"""The check that an address is a public one, for URLs that users chose (OWASP, "Server-Side Request Forgery")."""

import asyncio
import ipaddress
import socket
from typing import Final

from app.core.http.answers import AnswerRefused

# Azure's metadata service has a public address (documentation, "IP address 168.63.129.16"); Oracle's is in a block that
# older Pythons take for public in parts (RFC 6890).
_INSIDE: Final = tuple(map(ipaddress.IPv4Network, ("168.63.129.16/32", "192.0.0.0/24")))
# IPv6 that a gateway turns into IPv4 (RFC 6052 and 8215): the last four bytes are the address.
_TRANSLATED: Final = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48")))


async def public_address(host: str) -> str:
    """Look a host up, once, and return an address to connect to, if all of its addresses are public."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    addresses = [str(each[4][0]) for each in found]
    if not addresses or not all(map(is_public, addresses)):
        raise AnswerRefused("The address is not a public one, and is not called.")
    return addresses[0]


def is_public(text: str) -> bool:
    """Return whether an address is public and no metadata service's, whichever way it is written."""
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

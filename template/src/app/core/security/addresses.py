"""Callers' addresses, in the one form in which limits count them."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

# The size of a customer's IPv6 network, whose addresses are one caller.
_CUSTOMER_BITS: Final = 64
_MAPPED: Final = IPv6Network("::ffff:0:0/96")
# Networks whose last 32 bits are a caller's IPv4 address: a dual-stack socket's (RFC 4291, 2.5.5.2), those of
# translators (RFC 6052, 2.1 and RFC 2765, 2.1).
_CARRIERS: Final = (_MAPPED, IPv6Network("64:ff9b::/96"), IPv6Network("::ffff:0:0:0/96"))
# RFC 8215: translators whose layout only their own network knows. Each address is a caller.
_LOCAL_TRANSLATORS: Final = IPv6Network("64:ff9b:1::/48")


def caller_address(host: str) -> str:
    """Return the address or network of a caller.

    An IPv4 caller has one form, whether the address came as such, through a dual-stack socket, a translator (NAT64) or
    a tunnel (6to4, Teredo); an IPv6 caller is a /64.

    Args:
        host: The peer's address as the server names it. Anything that is no IP address is returned unchanged.
    """
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        if (carried := _carried(address)) is not None:
            return str(carried)
        if address not in _LOCAL_TRANSLATORS:
            return str(IPv6Network((int(address), _CUSTOMER_BITS), strict=False))
    return str(address)


def with_mapped_forms(networks: str) -> str:
    """Return a list of addresses and networks, with the form beside each of IPv4 in which a dual-stack socket shows it.

    Args:
        networks: Separated by commas; what is neither an address nor a network stays as it is.
    """
    entries = [entry.strip() for entry in networks.split(",")]
    return ",".join([*entries, *(mapped for entry in entries if (mapped := _mapped(entry)))])


def _carried(address: IPv6Address) -> IPv4Address | None:
    if any(address in network for network in _CARRIERS):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    # Of a Teredo tunnel, the second is the caller; the first is the server that all its callers share.
    return address.sixtofour or (address.teredo or (None, None))[1]


def _mapped(entry: str) -> str | None:
    try:
        network = ip_network(entry)
    except ValueError:
        return None
    if not isinstance(network, IPv4Network):
        return None
    address = IPv6Address(int(_MAPPED.network_address) | int(network.network_address))
    return f"{address}/{_MAPPED.prefixlen + network.prefixlen}"

"""Rate limits: so many in such a time, and the callers that they count.

The generic cell rate algorithm (ITU-T I.371) keeps one number per key, the time at which the key's allowance is full
again; it needs no clean-up task, spreads no load spikes at window borders, and knows the exact time to wait.
"""

import time
from collections import OrderedDict
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address
from typing import Final, NamedTuple

# Networks whose last 32 bits are a caller's IPv4 address: a dual-stack socket's (RFC 4291, 2.5.5.2), those of
# translators (RFC 6052, 2.1 and RFC 2765, 2.1).
_CARRIERS: Final = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"), IPv6Network("::ffff:0:0:0/96"))
# RFC 8215: translators whose layout only their own network knows. Each address is a caller.
_LOCAL_TRANSLATORS: Final = IPv6Network("64:ff9b:1::/48")


class Rate(NamedTuple):
    """So many times, all at once if need be, in so many seconds."""

    times: int
    seconds: float


class RateLimits:
    """Allowances of this process, each under a key of its owner and purpose.

    Beyond so many keys (some 10 MB), those unused for longest are forgotten.
    """

    def __init__(self, *, max_keys: int = 100_000) -> None:
        self._max_keys = max_keys
        self._full_at: OrderedDict[str, float] = OrderedDict()

    async def hit(self, key: str, rate: Rate) -> float:
        """Use one of an allowance up and return 0; else the seconds until there is one, and nothing is used up."""
        now = time.time()
        interval = rate.seconds / rate.times
        full_at = max(self._full_at.get(key, now), now) + interval
        wait = full_at - now - rate.seconds
        # A rounding error must not refuse the last of an allowance.
        if wait > interval * 1e-6:
            return wait
        self._full_at[key] = full_at
        self._full_at.move_to_end(key)
        while len(self._full_at) > self._max_keys:
            self._full_at.popitem(last=False)
        return 0.0

    async def refund(self, key: str, rate: Rate) -> None:
        """Give one of the allowance back, as where only failures should count."""
        if key in self._full_at:
            self._full_at[key] -= rate.seconds / rate.times


def caller_address(host: str) -> str:
    """Return the address or network of a caller in the one form in which limits count it.

    An IPv4 caller has one form, whether the address came as such, through a dual-stack socket, a translator (NAT64) or
    a tunnel (6to4, Teredo); an IPv6 caller is a customer's /64. What is no IP address is returned unchanged.
    """
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv4Address) or address in _LOCAL_TRANSLATORS:
        return str(address)
    if any(address in network for network in _CARRIERS):
        return str(IPv4Address(int(address) & 0xFFFF_FFFF))
    # Of a Teredo tunnel, the second is the caller; the first is the server that all its callers share.
    tunnelled = address.sixtofour or (address.teredo or (None, None))[1]
    return str(tunnelled or IPv6Network((int(address), 64), strict=False))


def with_mapped_forms(networks: str) -> str:
    """Return a comma list of networks, with the form beside each of IPv4 in which a dual-stack socket shows it."""
    forms = [entry.strip() for entry in networks.split(",")]
    for entry in list(forms):
        with suppress(ValueError):
            network = IPv4Network(entry)
            forms.append(f"::ffff:{network.network_address}/{96 + network.prefixlen}")
    return ",".join(forms)

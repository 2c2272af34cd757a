"""Whose address a request comes from, and which addresses share a rate limit."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from django.http import HttpRequest

UNKNOWN = "unknown"

_BRACKETED = re.compile(r"\[([^\]]*)\](?::[0-9]{1,5})?")
_V4_WITH_PORT = re.compile(r"([0-9.]+):[0-9]{1,5}")
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052, the last 32 bits are the IPv4 address


def client_ip(
    request: HttpRequest, *, trusted_proxy_count: int, trusted_header: str | None
) -> str | None:
    """Return the client's address in its canonical form, or None when it has none (a Unix socket).

    The rules are those of allauth (``ALLAUTH_TRUSTED_PROXY_COUNT``,
    ``ALLAUTH_TRUSTED_CLIENT_IP_HEADER``): no header is believed by default; a named header, which
    the proxy must overwrite, wins; else the ``trusted_proxy_count``-th entry of X-Forwarded-For
    from the right, the one that our outermost proxy added.

    Other than allauth, a missing, short or malformed header is no server error but means the peer's
    own address. SECURITY: such a request did not pass the proxies as configured, so somebody
    reached the server directly (then the peer is he, and he cannot choose it), or the configuration
    is wrong (then the peer is our proxy, and all who are affected share one limit). Neither way
    does a forged header buy a fresh limit.
    """
    if trusted_header:
        claimed = request.headers.get(trusted_header)
    elif trusted_proxy_count > 0:
        claimed = _from_the_right(request.headers.get("X-Forwarded-For"), trusted_proxy_count)
    else:
        claimed = None
    address = _parse(claimed) or _parse(request.META.get("REMOTE_ADDR"))
    return str(address) if address else None


def network_key(ip: str | None) -> str:
    """Return the key under which an address is limited: itself if IPv4, the /64 if IPv6.

    A /64 is the least that a subscriber gets, so 2^64 addresses are one client. Addresses that
    carry an IPv4 address (mapped, 6to4, NAT64) count as that one: mapped and NAT64 clients would
    all share one /64, and whoever has an IPv4 address owns 65,536 6to4 networks. No address at all
    is one shared limit: it fails closed.
    """
    address = _parse(ip)
    if address is None:
        return UNKNOWN
    if isinstance(address, IPv6Address):
        embedded = address.sixtofour
        if address in _NAT64:
            embedded = IPv4Address(int(address) & 0xFFFF_FFFF)
        if embedded is None:
            return str(IPv6Network((int(address), 64), strict=False))
        address = embedded
    return str(address)


def _from_the_right(header: str | None, position: int) -> str | None:
    entries = (header or "").rsplit(",", position)
    # With fewer entries than proxies, the first one is the client's own writing.
    return entries[-position] if len(entries) >= position else None


@lru_cache(maxsize=1024)  # the proxies and clients of the hour come again and again
def _parse(value: str | None) -> IPv4Address | IPv6Address | None:
    """Return the address in ``1.2.3.4:80``, ``[2001:db8::1]:80``, ``fe80::1%eth0`` and so on."""
    text = (value or "").strip()
    if match := _BRACKETED.fullmatch(text) or _V4_WITH_PORT.fullmatch(text):
        text = match[1]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address

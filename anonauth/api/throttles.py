"""Rate limits, counted by django-ratelimit (as a library: it is not to be in INSTALLED_APPS).

Of its settings, RATELIMIT_USE_CACHE chooses the cache and RATELIMIT_ENABLE = False switches ours
off with all others. RATELIMIT_FAIL_OPEN has no say here: what happens while the cache is down is
ANONAUTH_FAIL_OPEN.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings as django_settings
from django.http import HttpRequest
from django.utils.crypto import salted_hmac
from django_ratelimit.core import get_usage

from anonauth.client_ip import network_key
from anonauth.conf import get_settings
from anonauth.exceptions import RateLimited, RateLimitUnavailable
from anonauth.rates import parse_rate
from anonauth.shared_cache import cache_answers


def check_rate_limits(
    request: HttpRequest, *, group: str, rates: Sequence[str], ip: str | None
) -> None:
    """Count this attempt of a client network in every window, and refuse it if one is full.

    Refused attempts count too, and in all windows: whoever hammers on stays out, and the outcome
    does not depend on the order of the rates. A client that waits for ``Retry-After`` never
    notices.

    Raises RateLimited with the longest wait in seconds of the windows that are full (at least 1);
    RateLimitUnavailable when the cache does not answer, unless ANONAUTH_FAIL_OPEN.
    """
    _check(request, group=group, rates=rates, key=network_key(ip))


def check_address_limits(
    request: HttpRequest, *, group: str, rates: Sequence[str], address: str
) -> None:
    """Count this message to an e-mail address or phone number, whoever asked for it; else as above.

    The cache learns a keyed hash of the address only.
    """
    digest = salted_hmac("anonauth.address_limit", address, algorithm="sha256").hexdigest()
    _check(request, group=group, rates=rates, key=digest)


def _check(request: HttpRequest, *, group: str, rates: Sequence[str], key: str) -> None:
    if not getattr(django_settings, "RATELIMIT_ENABLE", True):
        return
    waits = []
    for rate in rates:
        try:
            wait = _wait(request, group=group, rate=rate, key=key)
        except RateLimitUnavailable:
            if not get_settings().fail_open:
                raise
            break  # the other windows would only cost a timeout each
        if wait:
            waits.append(wait)
    if waits:
        raise RateLimited(retry_after=max(waits))


def _wait(request: HttpRequest, *, group: str, rate: str, key: str) -> int:
    """Count one attempt; return the seconds until the window ends if it is full, else 0."""
    parsed = parse_rate(rate)
    with cache_answers():
        usage = get_usage(
            request,
            # It joins the parts of its cache key without a separator; "|" keeps 1.2.3.4 apart from
            # 1.2.3.41.
            group=f"{group}|",
            key=lambda _group, _request: f"|{key}|",
            rate=f"{parsed.limit}/{parsed.seconds}s",
            increment=True,
        )
    # How it says that the cache gave no count: None under RATELIMIT_FAIL_OPEN, else a limit of 0.
    if usage is None or usage["limit"] == 0:
        raise RateLimitUnavailable
    return max(1, usage["time_left"]) if usage["should_limit"] else 0

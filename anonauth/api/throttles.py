"""Rate limits: fixed windows, counted in the cache that all processes share."""

from __future__ import annotations

import hashlib
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from django.core.cache import BaseCache
from django.core.cache.backends.redis import RedisCache
from django.utils.crypto import salted_hmac

from anonauth.client_ip import network_key
from anonauth.conf import get_settings
from anonauth.exceptions import RateLimited, RateLimitUnavailable
from anonauth.rates import parse_rate
from anonauth.shared_cache import cache_answers, shared_cache

if TYPE_CHECKING:
    from redis import Redis

# Making a client takes as long as using it. Each thread has a cache of its own, and so a client.
_clients: WeakKeyDictionary[RedisCache, Redis] = WeakKeyDictionary()

_SKEW = 60  # seconds; a window's count outlives it, for servers whose clocks are behind


def check_rate_limits(*, group: str, rates: Sequence[str], ip: str | None) -> None:
    """Count this attempt of a client network in every window, and refuse it if one is full.

    Refused attempts count too, and in all windows: whoever hammers on stays out, and the outcome
    does not depend on the order of the rates. A client that waits for ``Retry-After`` never
    notices.

    Raises RateLimited with the longest wait in seconds of the windows that are full (at least 1);
    RateLimitUnavailable when the cache does not answer, unless ANONAUTH_FAIL_OPEN.
    """
    _check(group=group, rates=rates, key=network_key(ip))


def check_address_limits(*, group: str, rates: Sequence[str], address: str) -> None:
    """Count this message to an e-mail address or phone number, whoever asked for it; else as above.

    The cache learns a keyed hash of the address only.
    """
    digest = salted_hmac("anonauth.address_limit", address, algorithm="sha256").hexdigest()
    _check(group=group, rates=rates, key=digest)


@dataclass(frozen=True, slots=True)
class _Window:
    """The window that an attempt falls into; ``wait`` is the seconds until it ends, at least 1."""

    key: str
    limit: int
    wait: int

    @property
    def lifetime(self) -> int:
        """The seconds for which the cache has to keep the count."""
        return self.wait + _SKEW


def _check(*, group: str, rates: Sequence[str], key: str) -> None:
    now = int(time.time())
    windows = [_window(group, rate, key, now) for rate in rates]
    waits = []
    try:
        with cache_answers():
            for window, count in zip(windows, _counts(windows), strict=True):
                if count > window.limit:
                    waits.append(window.wait)
    except RateLimitUnavailable:
        if not get_settings().fail_open:
            raise
    if waits:
        raise RateLimited(retry_after=max(waits))


def _window(group: str, rate: str, key: str, now: int) -> _Window:
    parsed = parse_rate(rate)
    # Each client's windows end at a time of its own, or all who wait would come at the same instant.
    offset = zlib.crc32(key.encode())
    wait = parsed.seconds - (now - offset) % parsed.seconds
    facts = f"{group}|{parsed.limit}/{parsed.seconds}|{key}|{now + wait}"
    digest = hashlib.sha256(facts.encode()).hexdigest()
    return _Window(key=f"anonauth:limit:{digest}", limit=parsed.limit, wait=wait)


def _counts(windows: Sequence[_Window]) -> Iterator[int]:
    """Count the attempt in each window and yield the new counts, as far as the cache answers."""
    cache = shared_cache()
    # Not isinstance: a subclass may have methods of its own for what is bypassed here.
    if type(cache) is RedisCache:
        yield from _counts_in_redis(cache, windows)
    else:
        yield from (_count(cache, window) for window in windows)


def _counts_in_redis(cache: RedisCache, windows: Sequence[_Window]) -> Iterator[int]:
    """Do it in one round trip; by Django's methods it would be three for each window."""
    keys = [cache.make_and_validate_key(window.key) for window in windows]
    client = _client(cache)
    with client.pipeline(transaction=False) as pipeline:
        for key, window in zip(keys, windows, strict=True):
            pipeline.set(key, 0, nx=True, ex=window.lifetime)
            pipeline.incr(key)
        answers = iter(pipeline.execute(raise_on_error=False))
    for key, window in zip(keys, windows, strict=True):
        made, count = next(answers), next(answers)
        for answer in (made, count):
            if isinstance(answer, Exception):
                raise answer
        if count == 1 and not made:  # evicted between the two: INCR made it anew, to stay forever
            client.expire(key, window.lifetime)
        yield count


def _client(cache: RedisCache) -> Redis:
    client = _clients.get(cache)
    if client is None:
        # The only name here that Django does not document; a test notices if it moves.
        client = _clients[cache] = cache._cache.get_client(write=True)
    return client


def _count(cache: BaseCache, window: _Window) -> int:
    for _ in range(2):
        if cache.add(window.key, 1, window.lifetime):
            return 1
        try:
            count: int | None = cache.incr(window.key)
        except ValueError:  # it was lost between the two
            continue
        if type(cache).incr is BaseCache.incr:  # files, database: that sets the default lifetime
            cache.touch(window.key, window.lifetime)
        if count is not None:
            return count
    # Some clients swallow an outage: they add nothing and know of nothing.
    raise RateLimitUnavailable

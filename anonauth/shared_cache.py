"""The cache in which attempts and guests are counted, and how its outages differ from bugs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.cache import BaseCache, caches
from django.db import DatabaseError

from anonauth.conf import get_settings
from anonauth.exceptions import RateLimitUnavailable

logger = logging.getLogger(__name__)

_OUR_SIDE = {"builtins", "django", "anonauth"}


def shared_cache() -> BaseCache:
    """Return the cache that ANONAUTH_RATE_LIMIT_CACHE names.

    Give it short socket timeouts (``OPTIONS``): a cache that hangs without one holds the worker.
    """
    return caches[get_settings().rate_limit_cache]


@contextmanager
def cache_answers() -> Iterator[None]:
    """Turn the failure of a cache to answer into RateLimitUnavailable, and let bugs through."""
    try:
        yield
    except Exception as error:
        if not _is_outage(error):
            raise
        logger.error("The cache for rate limits does not answer: %s", type(error).__name__)
        raise RateLimitUnavailable from error


def _is_outage(error: Exception) -> bool:
    # Cache clients share no base class (redis.RedisError, pymemcache.MemcacheError, ...), and
    # importing each to catch it would make them dependencies. So: the network, the database
    # (database cache), and whatever a client library defines itself. A TypeError or
    # ImproperlyConfigured stays an error, because ANONAUTH_FAIL_OPEN must never turn a programming
    # mistake into an open door.
    if isinstance(error, (OSError, DatabaseError)):
        return True
    return type(error).__module__.partition(".")[0] not in _OUR_SIDE

"""The cap on the number of guests, without a COUNT per request.

The number is remembered in the cache. Once per interval one process counts anew, at most up to the
cap, and meanwhile each new guest adds one. Workers that create at the same instant may exceed the
cap by their number.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from django.contrib.auth import get_user_model

from anonauth.conf import get_settings
from anonauth.exceptions import CapacityReached, RateLimitUnavailable
from anonauth.shared_cache import cache_answers, shared_cache

_NUMBER = "anonauth:guests"  # never expires: it is used on while somebody counts anew
_COUNTED = "anonauth:guests:counted"  # lives for the interval; whoever adds it has to count


def check_capacity(*, max_guests: int | None, interval: timedelta) -> None:
    """Raise CapacityReached at ``max_guests`` guests; no query but once per ``interval``.

    Raises RateLimitUnavailable when the cache does not answer, unless ANONAUTH_FAIL_OPEN. There is
    no fall-back to the database: without the cache there are no rate limits either, and a COUNT per
    attempt is what an attacker would want then.
    """
    if max_guests is None:
        return
    try:
        number = _remembered(interval)
        if number is None:
            number = _counted(max_guests)
    except RateLimitUnavailable:
        if get_settings().fail_open:
            return
        raise
    if number >= max_guests:
        raise CapacityReached


def count_one() -> None:
    """Add one guest to the remembered number; to be called once his row is committed."""
    if get_settings().max_guests is None:
        return
    # ValueError: nothing is remembered, the next check counts him. No answer: he exists, and must
    # not be refused.
    with suppress(RateLimitUnavailable, ValueError), cache_answers():
        shared_cache().incr(_NUMBER)


def _remembered(interval: timedelta) -> int | None:
    """Return the remembered number, or None to the one who has to count."""
    with cache_answers():
        cache = shared_cache()
        found = cache.get_many([_NUMBER, _COUNTED])
        # `add` is the lock: of all who find the interval over, one counts and the others go on with
        # the old number. Only in the moment after a flush is there no old number, and each counts
        # for himself.
        if _COUNTED not in found and cache.add(_COUNTED, 1, interval.total_seconds()):
            return None
        number: int | None = found.get(_NUMBER)
        return number


def _counted(max_guests: int) -> int:
    guests = get_user_model()._base_manager.filter(is_guest=True)
    # The slice stops the count at the cap; the column is that of the partial index on guests.
    number = guests.order_by().values("last_seen_at")[:max_guests].count()
    with cache_answers():
        shared_cache().set(_NUMBER, number, timeout=None)
    return number

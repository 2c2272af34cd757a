"""A guest came back: remember when, at most once in an interval."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from anonauth.conf import get_settings

#: In ``request.META``: this very request gave, or renewed, the cookie of a guest's session.
SETS_COOKIE = "anonauth.sets_cookie"


def touch(user: Any, *, interval: timedelta) -> bool:
    """Write a guest's ``last_seen_at`` if it is older than the interval; one UPDATE, else nothing.

    Args:
        user: any user; a permanent one is left alone. The instance changes with the row.
        interval: the least time between two writes.

    Returns:
        Whether a row was written.
    """
    now = timezone.now()
    if not user.is_guest or (user.last_seen_at and now - user.last_seen_at < interval):
        return False
    # Parallel requests all come here; the repeated condition lets one of them write.
    due = Q(last_seen_at__isnull=True) | Q(last_seen_at__lte=now - interval)
    rows = get_user_model()._base_manager.filter(due, pk=user.pk, is_guest=True)
    user.last_seen_at = now
    return bool(rows.update(last_seen_at=now))


def remember_visit(request: HttpRequest, guest: Any) -> None:
    """Touch a guest who came with a session, and let the session live on for as long as his data.

    A cookie of Django's ends a fixed time after it was last written, however often it is used: without this, a
    guest who comes every day would lose his session, and with it everything.
    """
    if touch(guest, interval=get_settings().last_seen_interval):
        request.session.modified = True
        # SECURITY: the answer carries his cookie now; GuestMiddleware keeps it out of shared caches.
        request.META[SETS_COOKIE] = True

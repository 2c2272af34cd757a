"""Merge offers: what a login leaves in the new session of the guest who was signed in there before it.

SECURITY: only the server writes it, and only where it has just seen both: the guest's session, and a finished login to
the account. Nothing that a client sends can name the guest.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from anonauth.conf import get_settings
from anonauth.models import find_user, is_guest, is_trace, trace_of
from anonauth.tickets import is_version, version_of

KEY = "_anonauth_merge_offer"
PAGE = "anonauth:merge_offer"


def remember(session: Any, *, guest: Any, account: Any) -> None:
    """Leave the guest in the session of the account to which he has just signed in."""
    now = timezone.now().timestamp()
    session[KEY] = [str(guest.pk), str(account.pk), version_of(guest), now]


def offered_guest(session: Any, *, account: Any) -> Any | None:
    """Return the guest who can be merged into the account of a session, or None.

    If his row is gone, he may have been merged by a request whose answer got lost: then the trace of him is returned
    (see :func:`~anonauth.models.trace_of`).

    Args:
        session: of the request at hand, or None.
        account: the user whose session it is.
    """
    offer = None if session is None else session.get(KEY)
    if offer is None:
        return None
    guest_id, account_id, version, since = offer
    ends = since + get_settings().merge_offer_lifetime.total_seconds()
    if account_id != str(account.pk) or ends < timezone.now().timestamp():
        return None
    guest = find_user(guest_id)
    if guest is None:
        return trace_of(guest_id)
    # SECURITY: upgraded, banned or signed out everywhere meanwhile, perhaps because the session was not his.
    still = is_guest(guest) and guest.is_active and is_version(version, of=guest)
    return guest if still else None


def forget(session: Any) -> None:
    """Leave the guest behind."""
    if session.pop(KEY, None) is not None:
        session.save()


def waiting_guest(session: Any, *, account: Any) -> Any | None:
    """Return the guest who waits in the session of an account to be merged, or None; a trace of one waits no more."""
    guest = offered_guest(session, account=account)
    return None if guest is None or is_trace(guest) else guest


def page(back: str = "") -> str | None:
    """Return the path of the page that asks, or None where the project does not include its URL.

    Args:
        back: where it goes on afterwards; a path of this site.
    """
    try:
        path = reverse(PAGE)
    except NoReverseMatch:  # anonauth.W307
        return None
    return f"{path}?{urlencode({'next': back})}" if back else path

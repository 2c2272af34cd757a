"""What the purge of guests has to know of allauth: who is at a provider now, whose a session is, what has expired."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.db import router
from django.db.models import QuerySet
from django.utils import timezone

from anonauth.contrib.allauth.models import SeenToken, SocialTicket
from anonauth.flows.sweep import session_model

USER_SESSIONS = "allauth.usersessions"


def expired_tickets(database: str) -> QuerySet[Any]:
    """Return the tickets of social upgrades that were given up."""
    return SocialTicket.objects.using(database).filter(expires_at__lte=timezone.now())


def expired_seen_tokens(database: str) -> QuerySet[Any]:
    """Return the hashes of provider tokens that have expired, and cannot be brought again."""
    return SeenToken.objects.using(database).filter(expires_at__lte=timezone.now())


def live_tickets(database: str) -> QuerySet[Any]:
    """Return the tickets of guests who are on their way through a provider."""
    return SocialTicket.objects.using(database).filter(expires_at__gt=timezone.now())


def end_sessions(guests: QuerySet[Any]) -> None:
    """Delete the sessions of guests whose keys allauth's ``usersessions`` knows, where they are in the database.

    It knows all with USERSESSIONS_TRACK_ACTIVITY. Without it nobody knows whose a session is: it is of no use from now
    on, and is swept when it expires.
    """
    model = session_model()
    if model is None or not apps.is_installed(USER_SESSIONS):
        return
    known: Any = apps.get_model("usersessions.UserSession")
    mine = known.objects.using(guests.db).filter(user__in=guests.order_by().values("pk"))
    if keys := list(mine.values_list("session_key", flat=True)):
        sessions: QuerySet[Any] = model._base_manager.using(router.db_for_write(model))
        sessions.filter(pk__in=keys).delete()

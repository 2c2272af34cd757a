"""Telling the project which guests will soon be purged, while they can still be reached."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from anonauth.adapter import purgeable
from anonauth.models import Watermark
from anonauth.registry import as_service
from anonauth.signals import guest_expiring

MARK = "expiring"


def warn_expiring(
    *, database: str, older_than: timedelta, ahead: timedelta, batch_size: int = 1000
) -> int:
    """Send ``guest_expiring`` for each guest who will be stale within a time; once, unless he returns and goes again.

    A mark moves along ``last_seen_at``: whoever it passes has been told. A guest who returns is in front of it again.
    The mark is moved first and the signals are sent after the commit: after a crash in between, some are told nothing.

    Args:
        database: the alias of the users.
        older_than: after how long a guest is stale.
        ahead: how long before that he is announced.
        batch_size: about how many guests are in memory at a time.

    Returns:
        The number of guests.

    Raises:
        ValueError: ``ahead`` is not shorter than ``older_than``; the mark would pass guests who are here just now.
    """
    if ahead >= older_than:
        raise ValueError("Guests are kept for no longer than they are to be warned before.")
    now = timezone.now()
    stale_since, until = now - older_than, now - older_than + ahead
    warned = 0
    while True:
        with transaction.atomic(using=database), as_service():
            marks = Watermark.objects.using(database)
            marks.get_or_create(name=MARK, defaults={"reached": stale_since})
            mark = marks.select_for_update().get(name=MARK)
            # Who is stale by now is past warning.
            after = max(mark.reached, stale_since)
            guests = list(_guests(database, after, until)[:batch_size])
            upto = until
            if len(guests) == batch_size:
                # Guests who were seen at the same moment are passed together.
                upto = guests[-1].last_seen_at
                guests = list(_guests(database, after, upto))
            if after < upto:
                marks.filter(name=MARK).update(reached=upto)
            send = partial(_send, guests, older_than)
            transaction.on_commit(send, using=database, robust=True)
        warned += len(guests)
        if upto >= until:
            return warned


def count_expiring(*, database: str, older_than: timedelta, ahead: timedelta) -> int:
    """Return how many guests :func:`warn_expiring` would announce now; reads only."""
    stale_since = timezone.now() - older_than
    with as_service():
        mark = Watermark.objects.using(database).filter(name=MARK).first()
        after = stale_since if mark is None else max(mark.reached, stale_since)
        return _guests(database, after, stale_since + ahead).count()


def _guests(database: str, after: datetime, upto: datetime) -> QuerySet[Any]:
    users = get_user_model()._base_manager.using(database)
    guests = users.filter(is_guest=True, last_seen_at__gt=after, last_seen_at__lte=upto)
    return purgeable(guests).order_by("last_seen_at", "pk")


def _send(guests: list[Any], older_than: timedelta) -> None:
    for guest in guests:
        guest_expiring.send_robust(
            sender=type(guest), user=guest, purge_at=guest.last_seen_at + older_than
        )

"""The one door out: a guest becomes a permanent user and stays the same row."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from anonauth import audit
from anonauth.credentials import allowed_credentials, rotate_session
from anonauth.exceptions import UserInactive, UserNotFound
from anonauth.models import PendingUpgrade, user_database
from anonauth.signals import guest_upgraded
from anonauth.tally import count_upgraded


def upgrade(user: Any, *, method: str, request: HttpRequest | None = None) -> bool:
    """Turn a guest into a permanent user; safe to repeat, and in parallel.

    All credentials of the guest end, but for the session of the request, which goes on under a new key with its data.
    Tokens are for the caller to issue anew.

    Args:
        user: the guest; the instance changes with the row.
        method: how the identity was proved, e.g. ``"email"`` or ``"social"``; for the signal and the statistics.
        request: the request in which it was proved, if that is one of the guest's own.

    Returns:
        Whether this call did it; False if the user was permanent already.

    Raises:
        UserNotFound: the row is gone, e.g. purged a moment ago.
        UserInactive: the guest is banned, and an upgrade does not undo that.
    """
    database = user_database()
    with transaction.atomic(using=database):
        row = lock(user.pk, database)
        if not row.is_active:
            raise UserInactive
        happened = row.is_guest
        if happened:
            _write(row, database)
            announce = partial(_announce, user, method, row.upgraded_at, row.guest_since)
            transaction.on_commit(announce, using=database, robust=True)
        for name in ("is_guest", "upgraded_at", "credentials_revoked_at", "password"):
            setattr(user, name, getattr(row, name))
    if happened and request is not None:
        rotate_session(request, user)
    return bool(happened)


def lock(user_id: Any, database: str) -> Any:
    """Return the user's row, locked until the end of the transaction.

    Raises:
        UserNotFound: there is none.
    """
    rows = get_user_model()._base_manager.using(database).select_for_update()
    row = rows.filter(pk=user_id).first()
    if row is None:
        raise UserNotFound
    return row


def _write(row: Any, database: str) -> None:
    now = timezone.now()
    changes: dict[str, Any] = {
        "is_guest": False,
        "upgraded_at": now,
        # SECURITY: fixation. Whoever planted the guest's session or token, or copied one, is out from here on.
        "credentials_revoked_at": now,
    }
    if not row.has_usable_password():
        changes["password"] = make_password(None)
    get_user_model()._base_manager.using(database).filter(pk=row.pk).update(**changes)
    for name, value in changes.items():
        setattr(row, name, value)
    PendingUpgrade.objects.filter(user_id=row.pk).delete()
    for kind in allowed_credentials().values():
        kind.forget(row)


def _announce(user: Any, method: str, at: datetime, since: datetime | None) -> None:
    count_upgraded(method, at=at, since=since)
    audit.record("guest_upgraded", user_id=str(user.pk), method=method)
    guest_upgraded.send_robust(
        sender=get_user_model(), user=user, method=method, age=at - (since or at)
    )

"""Deleting a guest with all that is his."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError, RestrictedError

from anonauth import audit
from anonauth.adapter import get_adapter
from anonauth.credentials import allowed_credentials
from anonauth.exceptions import NotAnonymous, ProtectedData
from anonauth.models import user_database
from anonauth.registry import as_service
from anonauth.signals import guest_purged


def purge_guest(*, user_id: Any) -> bool:
    """Delete one guest, following ``on_delete`` of everything that refers to him.

    Args:
        user_id: the primary key.

    Returns:
        False if there was no such user any more.

    Raises:
        NotAnonymous: the user is permanent, perhaps since a moment ago.
        ProtectedData: PROTECT, RESTRICT, a constraint or the adapter's ``can_purge`` forbids it; nothing was deleted.
    """
    model = get_user_model()
    database = user_database()
    try:
        # What is his goes with him, also what he might not touch himself.
        with transaction.atomic(using=database), as_service():
            # Locked, and the flag read under the lock: an upgrade that runs at the same time wins or waits.
            row: Any = (
                model._base_manager.using(database).select_for_update().filter(pk=user_id).first()
            )
            if row is None:
                return False
            if not row.is_guest:
                raise NotAnonymous
            _delete(row, database)
    except (ProtectedError, RestrictedError, IntegrityError) as error:
        raise ProtectedData from error
    return True


def _delete(row: Any, database: str) -> None:
    one = type(row)._base_manager.using(database).filter(pk=row.pk)
    if not get_adapter().can_purge(one).exists():
        raise ProtectedData
    for kind in allowed_credentials().values():
        kind.forget(row)
    user_id = row.pk
    row.delete(using=database)
    transaction.on_commit(partial(_announce, type(row), user_id), using=database, robust=True)


def _announce(model: type[Any], user_id: Any) -> None:
    audit.record("guest_purged", user_id=str(user_id))
    guest_purged.send_robust(sender=model, user_id=user_id)

"""How many rows of a kind a guest may own: declared once, kept under a lock.

A guest costs nothing, and what he owns costs the project. ``Adapter.quotas()`` names the limits; who makes rows calls
:func:`check_quota` in the transaction that makes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.exceptions import FieldError
from django.db import models, router, transaction
from django.db.transaction import TransactionManagementError

from anonauth.adapter import GuestQuota, get_adapter
from anonauth.exceptions import QuotaExceeded, UserNotFound
from anonauth.models import is_guest

Model = type[models.Model]


def quota_of(model: Model) -> GuestQuota:
    """Return the quota on a model.

    Raises:
        LookupError: ``Adapter.quotas()`` names none.
    """
    for quota in get_adapter().quotas():
        if apps.get_model(quota.model) is model:
            return quota
    raise LookupError(f"Adapter.quotas() names none for {model._meta.label}.")


def fault_of(quota: GuestQuota) -> str | None:
    """Return what is wrong with a quota, as it would be said to whoever makes a row; reads no table."""
    try:
        rows = apps.get_model(quota.model)._base_manager.filter(**{quota.owner: None})
        rows.filter(quota.counted)
    except (LookupError, ValueError, FieldError) as error:
        return str(error)
    return None


def check_quota(user: Any, model: Model, *, adding: int = 1) -> None:
    """Let the transaction at hand add rows, or refuse; a permanent user has no quota and costs no query.

    Of parallel calls for one guest, each waits for the transactions of those before it. Call it before the rows are
    made, or after them with ``adding=0``.

    Args:
        user: who is to own the rows.
        model: what is made; ``Adapter.quotas()`` has to name it.
        adding: how many are about to be made.

    Raises:
        QuotaExceeded: the guest would own more than guests may.
        TransactionManagementError: there is no transaction, so the lock would end before the rows are made.
        UserNotFound: the guest is gone, e.g. merged or purged a moment ago.
    """
    if not is_guest(user):
        return
    quota, database = quota_of(model), router.db_for_write(model)
    if not transaction.get_connection(database).in_atomic_block:
        raise TransactionManagementError("Call check_quota() within transaction.atomic().")
    if not _lock(user, database):
        return
    if _owned(user, model, quota, database) + adding > quota.limit:
        raise QuotaExceeded(quota.limit, get_adapter().upgrade_methods())


@contextmanager
def within_quota(user: Any, model: Model, *, adding: int = 1) -> Iterator[None]:
    """Open a transaction in which so many rows may be made.

    ``with within_quota(user, Draft): Draft.objects.create(user=user)``

    Raises:
        QuotaExceeded: the guest would own more than guests may; nothing in the block has run.
    """
    with transaction.atomic(using=router.db_for_write(model)):
        check_quota(user, model, adding=adding)
        yield


def is_within_quota(user: Any, model: Model, *, adding: int = 1) -> bool:
    """Tell whether a user may own more rows now; without a lock, so only to show or hide a button."""
    if not is_guest(user):
        return True
    quota = quota_of(model)
    return _owned(user, model, quota, router.db_for_read(model)) + adding <= quota.limit


def _lock(user: Any, database: str) -> bool:
    """Lock the guest's row until the end of the transaction; tell whether he is a guest still."""
    # Not FOR UPDATE: it waits for the key locks that inserted rows hold on their user, and two requests that have
    # inserted before they lock would wait for each other.
    no_key = transaction.get_connection(database).features.has_select_for_no_key_update
    rows = get_user_model()._base_manager.using(database).select_for_update(no_key=no_key)
    flags = list(rows.filter(pk=user.pk).values_list("is_guest", flat=True))
    if not flags:
        raise UserNotFound
    return bool(flags[0])


def _owned(user: Any, model: Model, quota: GuestQuota, database: str) -> int:
    rows = model._base_manager.using(database).filter(**{quota.owner: user.pk})
    return rows.filter(quota.counted).count()

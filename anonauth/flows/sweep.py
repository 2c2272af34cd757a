"""Deleting what has expired: codes, keys, tickets, tokens and sessions, which nobody can use, and records of merges."""

from __future__ import annotations

from collections import Counter
from importlib import import_module
from typing import Any

from django.conf import settings as django_settings
from django.db import router
from django.db.models import QuerySet
from django.utils import timezone

from anonauth.conf import get_settings
from anonauth.deletion import delete_rows
from anonauth.deletion.keys import Keys, among
from anonauth.models import MergeRecord, PendingUpgrade, SignInKey
from anonauth.registry import as_service, expired_rows


def sweep(*, database: str, batch_size: int = 1000) -> Counter[str]:
    """Delete expired rows, in batches; returns their number by the label of their model.

    Args:
        database: the alias of the users; sessions are swept where they are.
        batch_size: the most rows deleted in one transaction.
    """
    swept: Counter[str] = Counter()
    with as_service():
        for source in (_pending_upgrades, _sign_in_keys, _merge_records, _sessions, *expired_rows):
            rows = source(database)
            while rows is not None and (number := _delete_some(rows, batch_size)):
                swept[rows.model._meta.label] += number
                if number < batch_size:
                    break
    return swept


def session_model() -> Any | None:
    """Return the table in which the sessions are; None if they are in a cache, in files or in cookies."""
    store: Any = import_module(django_settings.SESSION_ENGINE).SessionStore
    return store.get_model_class() if hasattr(store, "get_model_class") else None


def _delete_some(rows: QuerySet[Any], limit: int) -> int:
    keys = list(rows.order_by().values_list("pk", flat=True)[:limit])
    if not keys:
        return 0
    for part in Keys(keys).chunks(rows.db, [rows.model._meta.pk]):
        # The condition is asked once more by the deleting statement: a session may have been renewed since.
        delete_rows(rows.filter(among([rows.model._meta.pk.attname], part)))
    return len(keys)


def _pending_upgrades(database: str) -> QuerySet[Any]:
    # With it go addresses that were never proved, and hashes of passwords.
    return PendingUpgrade.objects.using(database).filter(expires_at__lt=timezone.now())


def _sign_in_keys(database: str) -> QuerySet[Any]:
    return SignInKey.objects.using(database).filter(expires_at__lt=timezone.now())


def _merge_records(database: str) -> QuerySet[Any]:
    kept_since = timezone.now() - get_settings().merge_record_retention
    return MergeRecord.objects.using(database).filter(merged_at__lt=kept_since)


def _sessions(_database: str) -> QuerySet[Any] | None:
    model = session_model()
    if model is None:
        return None
    rows: QuerySet[Any] = model._base_manager.using(router.db_for_write(model))
    return rows.filter(expire_date__lt=timezone.now())

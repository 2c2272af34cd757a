"""Deleting what has expired: codes, keys, tickets, tokens and sessions, which nobody can use, and records of merges."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import Any

from django.conf import settings as django_settings
from django.db import router, transaction
from django.db.models import QuerySet
from django.utils import timezone

from anonauth.conf import get_settings
from anonauth.deletion import delete_rows
from anonauth.deletion.keys import Keys, among
from anonauth.flows.halves import InHalves, Outcome, shown
from anonauth.models import MergeRecord, PendingUpgrade, SignInKey
from anonauth.registry import as_service, expired_rows

logger = logging.getLogger("anonauth")

#: Where so many rows could not be deleted, the fault is that of the table: it is left to the next run.
MAX_FAILED = 500


class Swept(Outcome):
    """What has become of expired rows; a table that could not be read counts as one that failed."""

    __slots__ = ()


def sweep(*, database: str, batch_size: int = 1000) -> Swept:
    """Delete expired rows, in batches; one that cannot be deleted stops no other.

    Args:
        database: the alias of the users; sessions are swept where they are.
        batch_size: the most rows deleted in one transaction.
    """
    return sum(_each_table(database, lambda rows: _in_batches(rows, batch_size)), Swept())


def count_expired(*, database: str) -> Swept:
    """Return what :func:`sweep` would find now; reads only, and does not look for what forbids it."""
    return sum(_each_table(database, lambda rows: [_counted(rows)]), Swept())


def count_expired_of(keys: Keys, *, database: str) -> Counter[str]:
    """Return how many expired rows refer to users with some keys: a run sweeps them before it comes to the users."""

    def count(rows: QuerySet[Any]) -> Iterator[Swept]:
        if any(field.attname == "user_id" for field in rows.model._meta.concrete_fields):
            yield _counted(rows.filter(among(["user_id"], keys)))

    return sum(_each_table(database, count), Swept()).rows


def session_model() -> Any | None:
    """Return the table in which the sessions are; None if they are in a cache, in files or in cookies."""
    store: Any = import_module(django_settings.SESSION_ENGINE).SessionStore
    return store.get_model_class() if hasattr(store, "get_model_class") else None


def _each_table(database: str, act: Callable[[QuerySet[Any]], Iterable[Swept]]) -> Iterator[Swept]:
    with as_service():
        for source in (*SOURCES, *expired_rows):
            rows = None
            try:
                rows = source(database)
                if rows is not None:
                    yield from act(rows)
            except Exception as error:  # e.g. its table is not there; told in the report
                logger.debug("Could not sweep", exc_info=error)
                what = source.__name__ if rows is None else rows.model._meta.label
                yield Swept(failed=1, errors=Counter({f"{what}: {shown(error)}": 1}))


def _counted(rows: QuerySet[Any]) -> Swept:
    with transaction.atomic(using=rows.db):
        return Swept(+Counter({rows.model._meta.label: rows.count()}))


def _in_batches(rows: QuerySet[Any], size: int) -> Iterator[Swept]:
    key = rows.model._meta.pk

    def delete(keys: list[Any]) -> Swept:
        deleted: Counter[str] = Counter()
        with transaction.atomic(using=rows.db):
            for part in Keys(keys).chunks(rows.db, [key]):
                # The condition is asked once more by the deleting statement: a session may have been renewed since.
                deleted += delete_rows(rows.filter(among([key.attname], part)))
        return Swept(deleted)

    found, failed = rows, 0
    while failed < MAX_FAILED:
        # Of its own: where it fails, nothing else of a transaction around the run is lost.
        with transaction.atomic(using=rows.db):
            keys = list(found.order_by("pk").values_list("pk", flat=True)[:size])
        if keys:
            batch = InHalves(rows.db, delete, Swept).run(keys)
            failed += batch.failed
            yield batch
        if len(keys) < size:
            return
        found = rows.filter(pk__gt=keys[-1])


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


SOURCES: tuple[Callable[[str], QuerySet[Any] | None], ...] = (
    _pending_upgrades,
    _sign_in_keys,
    _merge_records,
    _sessions,
)

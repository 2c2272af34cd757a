"""Deleting what has expired: codes, keys, tickets, tokens and sessions, which nobody can use, and records of merges."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from django.conf import settings as django_settings
from django.db import router, transaction
from django.db.models import QuerySet
from django.utils import timezone

from anonauth.conf import get_settings
from anonauth.deletion import delete_rows
from anonauth.deletion.keys import Keys, among
from anonauth.flows.halves import InHalves, shown
from anonauth.models import MergeRecord, PendingUpgrade, SignInKey
from anonauth.registry import as_service, expired_rows

logger = logging.getLogger("anonauth")

#: A table in which so many rows could not be deleted is left to the next run: all of them stand in each statement.
MAX_LEFT = 500


@dataclass(frozen=True, slots=True)
class Swept:
    """What has become of expired rows; where they were only counted, what would become of them."""

    #: Rows deleted by the label of their model.
    rows: Counter[str] = field(default_factory=Counter)
    #: Rows left because of PROTECT, RESTRICT or a constraint.
    protected: int = 0
    #: Rows left because something went wrong, or tables that could not be read.
    failed: int = 0
    #: What went wrong, how often.
    errors: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can have it."""
        return {
            "rows": dict(self.rows),
            "protected": self.protected,
            "failed": self.failed,
            "errors": dict(self.errors),
        }

    def __add__(self, other: Swept) -> Swept:
        return Swept(
            self.rows + other.rows,
            self.protected + other.protected,
            self.failed + other.failed,
            self.errors + other.errors,
        )


def sweep(*, database: str, batch_size: int = 1000) -> Swept:
    """Delete expired rows, in batches; one that cannot be deleted stops no other.

    Args:
        database: the alias of the users; sessions are swept where they are.
        batch_size: the most rows deleted in one transaction.
    """
    swept = Swept()
    with as_service():
        for source in (*SOURCES, *expired_rows):
            try:
                rows = source(database)
                if rows is not None:
                    for batch in _in_batches(rows, batch_size):
                        swept += batch
            except Exception as error:  # e.g. its table is not there; told in the report
                logger.debug("Could not sweep", exc_info=error)
                swept += Swept(failed=1, errors=Counter({shown(error): 1}))
    return swept


def count_expired(*, database: str) -> Swept:
    """Return what :func:`sweep` would find now; reads only, and does not look for what forbids it."""
    with as_service():
        expired: Counter[str] = Counter()
        for source in (*SOURCES, *expired_rows):
            rows = source(database)
            if rows is not None:
                expired[rows.model._meta.label] += rows.count()
        return Swept(+expired)


def session_model() -> Any | None:
    """Return the table in which the sessions are; None if they are in a cache, in files or in cookies."""
    store: Any = import_module(django_settings.SESSION_ENGINE).SessionStore
    return store.get_model_class() if hasattr(store, "get_model_class") else None


def _in_batches(rows: QuerySet[Any], size: int) -> Iterator[Swept]:
    left: list[Any] = []

    def delete(keys: list[Any]) -> Swept:
        deleted: Counter[str] = Counter()
        with transaction.atomic(using=rows.db):
            for part in Keys(keys).chunks(rows.db, [rows.model._meta.pk]):
                # The condition is asked once more by the deleting statement: a session may have been renewed since.
                deleted += delete_rows(rows.filter(among([rows.model._meta.pk.attname], part)))
        return Swept(deleted)

    while len(left) < MAX_LEFT:
        found = rows.exclude(pk__in=left) if left else rows
        keys = list(found.order_by().values_list("pk", flat=True)[:size])
        if not keys:
            return
        halves = InHalves(rows.db, delete, Swept)
        batch = halves.run(keys)
        left += halves.left
        yield batch
        # Where nothing goes, the fault is that of the table; the next run tries again.
        if len(keys) < size or not batch.rows:
            return


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

"""Deleting guests with all that is theirs: one who asks for it, and all who have not returned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db import IntegrityError, connections, transaction

from anonauth.adapter import purgeable
from anonauth.deletion.keys import Keys, most_keys
from anonauth.exceptions import NotAnonymous, ProtectedData
from anonauth.flows.erase import erase, plan_around, rows_of
from anonauth.flows.halves import InHalves, Outcome
from anonauth.flows.stale import Candidate, StaleGuests
from anonauth.flows.sweep import Swept, count_expired_of
from anonauth.models import day_of, user_database
from anonauth.registry import as_service

BATCH_SIZE = 1000
MAX_SHARE = 0.5
#: How long a batch waits for somebody's lock on a row of one of its guests, while others wait for the batch.
LOCK_TIMEOUT = timedelta(milliseconds=300)


class TooManyStale(Exception):
    """More of the users would be deleted than a wrong clock or setting should be able to delete."""

    def __init__(self, stale: int, users: int, max_share: float) -> None:
        self.stale, self.users, self.max_share = stale, users, max_share
        super().__init__(
            f"{stale:,} of all {users:,} users would be deleted, which is more than {max_share * 100:g}%."
        )


@dataclass(frozen=True, slots=True)
class PurgeReport(Outcome):
    """What a run, or a batch of one, has done with guests; in a dry run, what it would do."""

    #: Guests deleted; among ``rows`` they are counted as well.
    guests: int = 0
    #: Guests left because of a pending upgrade, a social upgrade under way, or ``Adapter.can_purge()``.
    held: int = 0
    #: Rows that would stay without their guest (SET_NULL and the like); only in a dry run.
    changed: Counter[str] = field(default_factory=Counter)
    #: What had expired.
    swept: Swept = field(default_factory=Swept)


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
    database = user_database()
    users = get_user_model()._base_manager.using(database)
    try:
        # What is his goes with him, also what he might not touch himself.
        with transaction.atomic(using=database), as_service():
            # Locked, and the flag read under the lock: an upgrade that runs at the same time wins or waits.
            row: Any = users.select_for_update().filter(pk=user_id).first()
            if row is None:
                return False
            if not row.is_guest:
                raise NotAnonymous
            allowed = purgeable(rows_of([row.pk], database)).exists()
            day = row.guest_since and day_of(row.guest_since)
            if not allowed or erase({row.pk: day}, database=database).spared:
                raise ProtectedData
    except IntegrityError as error:
        raise ProtectedData from error
    return True


def check_share(stale: StaleGuests, *, max_share: float) -> int:
    """Return how many guests a run would delete at the most.

    Raises:
        TooManyStale: they are more than this share of all users.
    """
    with as_service():
        # In this order: another run deletes meanwhile, and the guests would be more than all users are by then.
        users = get_user_model()._base_manager.using(stale.database).count()
        number = stale.count()
    if number > max_share * users:
        raise TooManyStale(number, users, max_share)
    return number


def purge(
    stale: StaleGuests,
    *,
    batch_size: int = BATCH_SIZE,
    limit: int | None = None,
    dry_run: bool = False,
) -> Iterator[PurgeReport]:
    """Delete stale guests in batches, each in a short transaction of its own; yields a report after each.

    Safe beside other runs, which share the work, and beside requests: a guest who upgrades, returns or starts to prove
    an address while it runs is left alone. Stop iterating to stop.

    Args:
        stale: who may be deleted.
        batch_size: the most guests deleted in one transaction; others wait no longer for a row than one takes.
        limit: the most guests deleted in all.
        dry_run: only count; nothing is written and nobody waits.

    Raises:
        django.db.Error: the database does not answer; what was done is done.
    """
    key = get_user_model()._meta.pk
    # SQLite takes a limited number of parameters.
    size = min(batch_size, most_keys(stale.database, [key], range(batch_size)))
    last: Candidate | None = None
    left = limit
    while left is None or left > 0:
        batch = _Batch(stale, dry_run=dry_run)
        report = batch.run(last, size if left is None else min(size, left))
        if batch.last is None:
            return
        last = batch.last
        left = None if left is None else left - report.guests
        yield report


class _Batch:
    """One page of stale guests, deleted together if that is possible."""

    def __init__(self, stale: StaleGuests, *, dry_run: bool) -> None:
        self.stale, self.dry_run = stale, dry_run
        self.database = stale.database
        self.last: Candidate | None = None
        self._halves = InHalves(self.database, self._again, PurgeReport)

    def run(self, after: Candidate | None, size: int) -> PurgeReport:
        page: list[Candidate] = []
        try:
            with transaction.atomic(using=self.database), as_service():
                self._limit_waiting()
                page = self.stale.page(after, size, lock=not self.dry_run)
                if not page:
                    return PurgeReport()
                self.last = page[-1]
                return self._delete(page)
        except (
            Exception
        ) as error:  # of a receiver or an adapter, as of the database; the report names it
            if not page:
                raise
            return self._halves.after(error, [one.key for one in page])

    def _again(self, keys: list[Any]) -> PurgeReport:
        with transaction.atomic(using=self.database), as_service():
            self._limit_waiting()
            return self._delete(self.stale.again(keys, lock=not self.dry_run))

    def _delete(self, page: list[Candidate]) -> PurgeReport:
        keys = Keys(one.key for one in page)
        held = self.stale.held(keys)
        guests = {one.key: one.day for one in page if not held or one.key not in held}
        if not self.dry_run:
            erased = erase(guests, database=self.database, keys=None if held else keys)
            return PurgeReport(
                erased.rows, len(erased.spared), guests=erased.guests, held=len(held)
            )
        plan, going, spared = plan_around(guests, database=self.database, unseen=True)
        rows, changed = plan.count()
        before = count_expired_of(Keys(going), database=self.database)
        return PurgeReport(
            rows - before, len(spared), guests=len(going), held=len(held), changed=changed - before
        )

    def _limit_waiting(self) -> None:
        connection = connections[self.database]
        if connection.vendor == "postgresql" and not self.dry_run:
            with connection.cursor() as cursor:
                wait = f"{LOCK_TIMEOUT.total_seconds() * 1000:.0f}ms"
                cursor.execute("SELECT set_config('lock_timeout', %s, true)", [wait])

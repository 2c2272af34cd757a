"""Which guests the purge may delete, and how far it has come with them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal, NamedTuple

from django.contrib.auth import get_user_model
from django.db import connections
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import TruncDate
from django.utils import timezone

from anonauth.adapter import purgeable
from anonauth.deletion.keys import Keys, among
from anonauth.flows.erase import rows_of
from anonauth.models import PendingUpgrade
from anonauth.registry import purge_holds

#: "seen": who has not been here for so long. "created": who was made so long ago, and is not here just now.
By = Literal["seen", "created"]


class Candidate(NamedTuple):
    """A guest at his place in the order in which the purge goes through them."""

    key: Any
    last_seen_at: datetime | None
    #: Of ``guest_since``, in UTC.
    day: date | None


@dataclass(frozen=True, slots=True)
class StaleGuests:
    """The guests of one database whom a run may delete; the moment of its start decides.

    Args:
        database: the alias.
        older_than: for how long a guest is kept.
        by: since what.
        visit_interval: ``last_seen_at`` may be behind by so much.
    """

    database: str
    older_than: timedelta
    by: By = "seen"
    visit_interval: timedelta = timedelta(hours=1)
    started_at: datetime = field(default_factory=timezone.now)

    def all(self) -> QuerySet[Any]:
        """Return those whose time is over, whether or not something holds them."""
        return self._users().filter(self._is_stale())

    def count(self) -> int:
        """Return how many there are whom nothing holds: no code pending, no ticket, not the adapter."""
        rows = self.all()
        for hold in self._holds():
            rows = rows.filter(~Exists(hold.filter(user_id=OuterRef("pk"))))
        return purgeable(rows).count()

    def held(self, keys: Keys) -> set[Any]:
        """Return the keys of those of some stale guests whom something holds.

        Ask under the locks of their rows: an address that a guest started to prove a moment ago leaves no trace there.
        """
        held: set[Any] = set()
        for hold in self._holds():
            mine = list(hold.filter(among(["user_id"], keys)).values_list("user_id", flat=True))
            if mine:
                # The keys as the users have them: a reference may spell one in another way that is equal.
                held.update(rows_of(mine, self.database).values_list("pk", flat=True))
        key = get_user_model()._meta.pk
        for part in keys.chunks(self.database, [key, key]):
            rows = rows_of(part, self.database)
            if (free := purgeable(rows)) is not rows:
                held.update(set(part).difference(free.values_list("pk", flat=True)))
        return held

    def page(self, after: Candidate | None, size: int, *, lock: bool) -> list[Candidate]:
        """Return the next ones in the order of the index; locked ones of other transactions are passed over.

        Where rows can be locked, they are stale as they are under their locks, not as the statement found them.

        Args:
            after: the last one of the page before.
            size: the most that are returned.
            lock: whether to lock their rows until the end of the transaction, where the database can.
        """
        rows = self.all().filter(self._after(after))
        rows = rows.order_by(*(("pk",) if self.by == "created" else ("last_seen_at", "pk")))
        return self._take(rows, size, lock=lock)

    def again(self, keys: Iterable[Any], *, lock: bool) -> list[Candidate]:
        """Return those of some guests who are still stale, locked as in :meth:`page`."""
        rows = rows_of(keys, self.database).filter(self._is_stale())
        return self._take(rows, None, lock=lock)

    def _holds(self) -> list[QuerySet[Any]]:
        pending = PendingUpgrade.objects.using(self.database).filter(expires_at__gt=self.started_at)
        return [pending, *(hold(self.database) for hold in purge_holds)]

    def _users(self) -> QuerySet[Any]:
        return get_user_model()._base_manager.using(self.database)

    def _is_stale(self) -> Q:
        if self.by == "seen":
            # A guest whose last visit is unknown is never stale: doubt spares him. So does the time that may have
            # passed since his last visit was written.
            absent_for = max(self.older_than, self.visit_interval)
            return Q(is_guest=True, last_seen_at__lt=self.started_at - absent_for)
        before = self.started_at - self.older_than
        absent = Q(last_seen_at=None) | Q(last_seen_at__lt=self.started_at - self.visit_interval)
        return Q(is_guest=True, guest_since__lt=before) & absent

    def _after(self, last: Candidate | None) -> Q:
        if last is None:
            return Q()
        if self.by == "created":
            return Q(pk__gt=last.key)
        # The first condition is one for the index; entries of rows that were deleted are not looked at again.
        later = Q(last_seen_at__gt=last.last_seen_at) | Q(pk__gt=last.key)
        return Q(last_seen_at__gte=last.last_seen_at) & later

    def _take(self, rows: QuerySet[Any], size: int | None, *, lock: bool) -> list[Candidate]:
        features = connections[self.database].features
        if lock and features.has_select_for_update:
            rows = rows.select_for_update(skip_locked=features.has_select_for_update_skip_locked)
        # The database makes days of the moments faster than Python does.
        day = _Day("guest_since", tzinfo=UTC)
        found = rows.values_list("pk", "last_seen_at", day)[:size]
        return list(map(Candidate._make, found))


class _Day(TruncDate):
    """A day as the database answers it, where that is one already: nothing to convert for each row."""

    def get_db_converters(self, connection: Any) -> list[Any]:
        converters: list[Any] = super().get_db_converters(connection)
        return [] if connection.vendor == "postgresql" else converters

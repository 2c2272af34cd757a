"""Deleting some guests, with all that is theirs, in the transaction that has locked their rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connections, router, transaction
from django.db.models import QuerySet

from anonauth import audit
from anonauth.adapter import Adapter, get_adapter
from anonauth.credentials import allowed_credentials
from anonauth.deletion import CollectorPlan, Plan, plan_deletion
from anonauth.deletion.keys import Keys, among
from anonauth.models import DailyTally
from anonauth.registry import purge_preparations
from anonauth.signals import guest_purged
from anonauth.tally import count_departed

#: A row that is reached from two guests is laid to the charge of one of them, so it may take another look.
LOOKS = 5


@dataclass(frozen=True, slots=True)
class Erased:
    """What was deleted, and the keys of the guests whom PROTECT or RESTRICT kept."""

    guests: int
    rows: Counter[str]
    spared: frozenset[Any]


def erase(guests: Mapping[Any, date | None], *, database: str, keys: Keys | None = None) -> Erased:
    """Delete guests with all that is theirs, but for those to whom rows belong that must not be deleted.

    Call it in a transaction that holds the locks of their rows; what it announces, it announces on commit.

    Args:
        guests: the day of ``guest_since`` in UTC, by primary key.
        database: the alias in which they are.
        keys: their primary keys, if they are prepared for the database already.

    Raises:
        ProtectedError, RestrictedError: it could not be told to which guest the protected row belongs.
        django.db.IntegrityError: a constraint forbids it; not before the commit on other databases than PostgreSQL.
    """
    plan, going, spared = plan_around(guests, database=database, keys=keys)
    if not going:
        return Erased(0, Counter(), spared)
    rows = rows_of(going if spared or keys is None else keys, database)
    # Tokens and sessions first: once the row is gone, nothing would lead to them any more.
    for kind in allowed_credentials().values():
        kind.forget_many(rows)
    for prepare in purge_preparations:
        prepare(rows)
    adapter = get_adapter()
    if type(adapter).before_purge is not Adapter.before_purge:
        adapter.before_purge(rows)
        # It may have given rows away, which must not be deleted now.
        plan = plan_deletion(rows, keys=going)
        plan.check()
    deleted = plan.execute()
    connection = connections[database]
    if connection.vendor == "postgresql":
        # Here and not at the commit, which may be somebody else's, and for many guests takes as long as deleting them.
        connection.check_constraints()
    if router.db_for_write(DailyTally) == database:
        # At the very end: its rows are everybody's, and are locked for no longer than the commit takes.
        count_departed("purged", going.values())
    else:
        transaction.on_commit(partial(count_departed, "purged", going.values()), using=database)
    announce = partial(_announce, rows.model, list(going))
    transaction.on_commit(announce, using=database, robust=True)
    return Erased(len(going), deleted, spared)


def plan_around(
    guests: Mapping[Any, date | None],
    *,
    database: str,
    keys: Keys | None = None,
    unseen: bool = False,
) -> tuple[Plan | CollectorPlan, dict[Any, date | None], frozenset[Any]]:
    """Return a plan for those guests who may be deleted, they themselves, and the keys of the others; reads only.

    Raises:
        ProtectedError, RestrictedError: it could not be told to which guest the protected row belongs.
    """
    going = dict(guests)
    for _look in range(LOOKS):
        keys = keys or Keys(going)
        plan = plan_deletion(rows_of(keys, database), keys=keys, unseen=unseen)
        if not plan.forbidden:
            break
        if None in plan.forbidden:
            plan.check()
        going = {key: since for key, since in going.items() if key not in plan.forbidden}
        keys = None
    else:
        plan.check()
    spared = guests.keys() - going.keys() if len(going) < len(guests) else ()
    return plan, going, frozenset(spared)


def rows_of(keys: Iterable[Any], database: str) -> QuerySet[Any]:
    """Return the users with these keys."""
    model = get_user_model()
    mine = among([model._meta.pk.attname], Keys.of(keys))
    return model._base_manager.using(database).filter(mine)


def _announce(model: type[Any], keys: list[Any]) -> None:
    for key in keys if audit.is_kept() else ():
        audit.record("guest_purged", user_id=str(key))
    for key in keys if guest_purged.has_listeners(model) else ():
        guest_purged.send_robust(sender=model, user_id=key)

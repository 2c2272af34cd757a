"""A guest is merged into an account that exists: what is his becomes the account's, and his row goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.db import DataError, IntegrityError, OperationalError, connections, transaction
from django.utils import timezone

from anonauth import audit
from anonauth.adapter import get_adapter
from anonauth.credentials import allowed_credentials
from anonauth.deletion import delete_rows
from anonauth.exceptions import (
    MergeConflict,
    NotAnonymous,
    PermanentUserRequired,
    UserInactive,
    UserNotFound,
)
from anonauth.merging.ledger import Ledger
from anonauth.merging.outlook import look
from anonauth.merging.plan import plan
from anonauth.merging.report import MergeReport, RelationReport, RowConflict
from anonauth.merging.rows import Side
from anonauth.merging.settle import Blocked, carry_out, conflict_of
from anonauth.models import MergeRecord, day_of, user_database
from anonauth.registry import as_service
from anonauth.signals import guest_merged
from anonauth.tally import count_departed

#: What PostgreSQL calls a deadlock, and a transaction that cannot be put in line with another one.
ROLLED_BACK = {"40P01", "40001"}
#: So many of them are borne before the next one is raised.
DEADLOCKS = 3


def preview_merge(
    *, guest: Any, into: Any, choices: Mapping[str, str] | None = None
) -> MergeReport:
    """Tell what :func:`merge` would do now; reads only, and locks nothing.

    Args:
        guest: the guest.
        into: the account.
        choices: strategies by relation, for rules that leave the choice to the person.

    Returns:
        The report; ``conflicts`` says what stands in the way.

    Raises:
        UserNotFound, UserInactive, NotAnonymous, PermanentUserRequired, InvalidInput
    """
    database = user_database()
    rows = get_user_model()._base_manager.using(database)
    found = {row.pk: row for row in rows.filter(pk__in=[guest.pk, into.pk])}
    account = _account(found.get(into.pk))
    if guest.pk not in found and (record := _find_record(guest, into)) is not None:
        return record
    source = _guest(found.get(guest.pk))
    ledger = Ledger(database)
    reports: list[RelationReport | None] = []
    conflicts: list[RowConflict] = []
    for planned in plan(choices):
        side = Side(planned.relation, ledger, guest=source, account=account)
        if (outlook := look(planned, side)) is not None:
            outlook.note(side)
            reports.append(outlook.report)
            conflicts += outlook.conflicts
    return _report(source, account, reports, conflicts=conflicts)


def merge(
    *,
    guest: Any,
    into: Any,
    choices: Mapping[str, str] | None = None,
    method: str = "",
    actor: Any = None,
) -> MergeReport:
    """Make everything of a guest the account's and delete the guest, all of it or nothing; safe to repeat.

    The project's rules decide where both have something; groups, permissions, credentials and identities never move.
    The rows are moved by ``UPDATE``: ``save()`` and its signals are not called for each.

    Args:
        guest: the guest.
        into: the account, whose key stays.
        choices: strategies by relation, for rules that leave the choice to the person.
        method: how it was proved that both are one person, for the record and the signal.
        actor: who did it, if not the person, e.g. a member of the support staff.

    Returns:
        The report; of a merge that was done before into the same account the one of that time.

    Raises:
        MergeConflict: rows that a constraint does not allow side by side, and no rule for them; nothing changed.
        UserNotFound, UserInactive, NotAnonymous, PermanentUserRequired, InvalidInput
    """
    act = partial(_merge, guest, into, choices, method, actor)
    try:
        return _repeat_after_deadlock(act, user_database())
    except Blocked as error:
        # Each of them, as the preview has them, and not only the first; but what that cannot foresee is told as well.
        foreseen = preview_merge(guest=guest, into=into, choices=choices).conflicts
        raise MergeConflict(foreseen or error.conflicts) from error


def _lock(guest: Any, into: Any, database: str) -> dict[Any, Any]:
    # In the order of their keys, so that two merges never wait for each other. Of all tables that a user's row has:
    # the flag may be in a parent's, which is what an upgrade locks and writes.
    rows = get_user_model()._base_manager.using(database).select_for_update()
    return {row.pk: row for row in rows.filter(pk__in=[guest.pk, into.pk]).order_by("pk")}


def _account(row: Any) -> Any:
    if row is None:
        raise UserNotFound
    if not row.is_active:
        raise UserInactive
    if row.is_guest:
        raise PermanentUserRequired
    return row


def _guest(row: Any) -> Any:
    if row is None:
        raise UserNotFound
    # SECURITY: a banned guest must not launder what he has.
    if not row.is_active:
        raise UserInactive
    if not row.is_guest:
        raise NotAnonymous
    return row


def _find_record(guest: Any, into: Any) -> MergeReport | None:
    rows = MergeRecord.objects.using(user_database())
    record = rows.filter(guest_id=str(guest.pk), account_id=into.pk).order_by("merged_at").last()
    return None if record is None else MergeReport.from_dict(record.report)


def _repeat_after_deadlock(act: Callable[[], MergeReport], database: str) -> MergeReport:
    """Repeat what the database has rolled back, e.g. because two guests who follow each other are merged at once."""
    for _ in range(DEADLOCKS):
        try:
            return act()
        except OperationalError as error:
            code = getattr(error.__cause__, "sqlstate", None)
            if code not in ROLLED_BACK or connections[database].in_atomic_block:
                raise
    return act()


def _merge(
    guest: Any, into: Any, choices: Mapping[str, str] | None, method: str, actor: Any
) -> MergeReport:
    database = user_database()
    try:
        # In this transaction guest and account are one; a rule of the database would see only who asks.
        with transaction.atomic(using=database), as_service():
            found = _lock(guest, into, database)
            account = _account(found.get(into.pk))
            if guest.pk not in found and (record := _find_record(guest, into)) is not None:
                return record
            source = _guest(found.get(guest.pk))
            reports = _settle(choices, source, account, database)
            get_adapter().merge_user(source, account)
            now = timezone.now()
            report = replace(_report(source, account, reports), merged_at=now)
            _depart(source, account, report, method)
            if not get_user_model()._base_manager.using(database).filter(pk=account.pk).exists():
                # It hung on something that a callable of the project has deleted.
                raise Blocked(RowConflict("", "protected"))
            _record(report, account, actor, method, now)
    except (IntegrityError, DataError) as error:
        raise Blocked(conflict_of(error)) from error
    return report


def _settle(
    choices: Mapping[str, str] | None, guest: Any, account: Any, database: str
) -> list[RelationReport | None]:
    reports: list[RelationReport | None] = []
    # Stays empty: the database knows what has become of the relations before.
    ledger = Ledger(database)
    for planned in plan(choices):
        side = Side(planned.relation, ledger, guest=guest, account=account)
        outlook = look(planned, side)
        if outlook is None:
            continue
        if outlook.conflicts:
            raise Blocked(*outlook.conflicts)
        reports.append(carry_out(planned, side, outlook))
    return reports


def _report(
    guest: Any,
    account: Any,
    relations: list[RelationReport | None],
    *,
    conflicts: list[RowConflict] | None = None,
) -> MergeReport:
    counted = [relation for relation in relations if relation is not None]
    return MergeReport(
        guest_id=str(guest.pk),
        account_id=str(account.pk),
        relations=tuple(sorted(counted, key=lambda relation: relation.name)),
        conflicts=tuple(conflicts or ()),
    )


def _depart(guest: Any, account: Any, report: MergeReport, method: str) -> None:
    database = user_database()
    for kind in allowed_credentials().values():
        kind.forget(guest)
    guest_since = guest.guest_since
    delete_rows(type(guest)._base_manager.using(database).filter(pk=guest.pk))
    announce = partial(_announce, account, report, method, guest_since)
    transaction.on_commit(announce, using=database, robust=True)


def _record(report: MergeReport, account: Any, actor: Any, method: str, now: datetime) -> None:
    database = user_database()
    MergeRecord.objects.using(database).create(
        guest_id=report.guest_id,
        account_id=account.pk,
        actor_id=None if actor is None else actor.pk,
        method=method,
        report=report.as_dict(),
        merged_at=now,
    )
    if connections[database].vendor != "sqlite":  # which would look at all tables, whatever changed
        # What is deferred until the commit, perhaps of a transaction around this one, is known here.
        connections[database].check_constraints()


def _announce(account: Any, report: MergeReport, method: str, guest_since: datetime | None) -> None:
    count_departed("merged", [guest_since and day_of(guest_since)])
    audit.record(
        "guest_merged", user_id=report.guest_id, account_id=report.account_id, method=method
    )
    guest_merged.send_robust(
        sender=get_user_model(),
        user=account,
        guest_id=report.guest_id,
        report=report,
        method=method,
    )

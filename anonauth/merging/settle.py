"""Doing to the rows of one relation what was foreseen, in a few statements."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.db import DataError, IntegrityError
from django.db.models import F, ProtectedError, RestrictedError, Subquery, Value
from django.db.models.functions import Coalesce, Least

from anonauth.merge_rules import AddUp, Strategy
from anonauth.merging.outlook import Outlook, conflicts_of, is_custom
from anonauth.merging.plan import Planned
from anonauth.merging.report import RelationReport, RowConflict
from anonauth.merging.rows import Side


class Blocked(Exception):
    """A relation cannot be settled."""

    def __init__(self, *conflicts: RowConflict) -> None:
        self.conflicts = conflicts
        super().__init__(*conflicts)


def carry_out(planned: Planned, side: Side, outlook: Outlook) -> RelationReport | None:
    """Do what was foreseen; returns the report of it, or of what a callable of the project made of it.

    Raises:
        Blocked: the database or a callable does not allow it.
    """
    try:
        return _carry_out(planned, side, outlook)
    except (IntegrityError, DataError) as error:
        raise Blocked(conflict_of(error, planned.relation.name)) from error


def conflict_of(error: Exception, relation: str = "") -> RowConflict:
    """Return the conflict that an error of the database tells of."""
    if isinstance(error, ProtectedError | RestrictedError):
        return RowConflict(relation, "protected")
    # PostgreSQL tells the name of the constraint; other databases do not.
    diagnosis = getattr(error.__cause__, "diag", None)
    name = getattr(diagnosis, "constraint_name", None)
    return RowConflict(relation, "constraint", (name,) if name else ())


def _carry_out(planned: Planned, side: Side, outlook: Outlook) -> RelationReport | None:
    report = outlook.report
    if report is None:
        return None  # goes with the guest
    resolver = planned.rule.on_conflict
    if planned.strategy is Strategy.COMBINE and report.conflicts and isinstance(resolver, AddUp):
        _add_up(resolver, side)
    if outlook.loss is not None and not side.goes_with_guest(report.dropped_existing):
        outlook.loss.delete()
    if planned.is_left:
        return report
    if is_custom(planned):
        _ask_project(planned, side, report)
        report = _recount(side, report)
    if report.moved:
        side.move()
    return report


def _add_up(resolver: AddUp, side: Side) -> None:
    # One key of plain columns: a system check sees to that.
    twin = side.twin()
    sums: dict[str, Any] = {}
    for name in resolver.fields:
        field: Any = side.relation.model._meta.get_field(name)
        nothing = Value(field.to_python(0), output_field=field)
        there = Subquery(twin.values(name)[:1], output_field=field)
        total: Any = Coalesce(F(name), nothing) + Coalesce(there, nothing)
        if resolver.at_most is not None:
            total = Least(total, Value(resolver.at_most, output_field=field))
        sums[name] = total
    side.collided().update(**sums)


def _ask_project(planned: Planned, side: Side, report: RelationReport) -> None:
    if not isinstance(planned.strategy, Strategy):
        planned.strategy(side.anonymous, side.existing)
    elif report.conflicts:
        resolver: Any = planned.rule.on_conflict
        resolver(side.colliding(), side.collided())
    if left := tuple(conflicts_of(planned, side)):
        raise Blocked(*left)


def _recount(side: Side, report: RelationReport) -> RelationReport:
    """See what a callable of the project has left."""
    moved, existing = side.anonymous.count(), side.existing.count()
    return replace(
        report,
        moved=moved,
        dropped_anonymous=max(0, report.anonymous - moved),
        dropped_existing=max(0, report.existing - existing),
    )

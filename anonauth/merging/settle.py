"""One relation of a merge: what would become of its rows, and doing it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.db import IntegrityError
from django.db.models import (
    F,
    OuterRef,
    ProtectedError,
    Q,
    QuerySet,
    RestrictedError,
    Subquery,
)
from django.db.models.functions import Coalesce, Least
from django.db.models.lookups import IsNull

from anonauth.merge_rules import AddUp, KeepNewest, KeepRow, Leave, Strategy
from anonauth.merging.plan import Planned
from anonauth.merging.report import RelationReport, RowConflict
from anonauth.merging.rows import Side

#: How many rows of a conflict are named.
NAMED = 20


@dataclass(frozen=True, slots=True)
class Outlook:
    """What would become of a relation's rows."""

    report: RelationReport
    conflicts: tuple[RowConflict, ...]


@dataclass(frozen=True, slots=True)
class _Losses:
    """Rows that would be dropped; None: none."""

    anonymous: QuerySet[Any] | None = None
    existing: QuerySet[Any] | None = None


def look(planned: Planned, side: Side) -> Outlook | None:
    """Count what would become of the rows, without a change; None if the guest has none that matter."""
    if not planned.is_counted:
        return None
    loops = side.loops.count()
    anonymous = side.anonymous.count()
    if not anonymous + loops:
        return None
    existing = side.existing.count()
    report = RelationReport(
        name=planned.relation.name,
        label=str(planned.rule.label or planned.relation.label),
        rule=_name(planned.strategy),
        anonymous=anonymous + loops,
        existing=existing,
        moved=0,
        conflicts=0,
        dropped_anonymous=0,
        dropped_existing=0,
        choices=tuple(choice.value for choice in planned.rule.choices),
    )
    if planned.is_left:
        return Outlook(replace(report, dropped_anonymous=anonymous), ())
    exclusive = planned.strategy is Strategy.COMBINE and bool(existing)
    conflicts = side.colliding().count() if exclusive and side.keys else 0
    losses = _losses(planned, side, existing=existing, conflicts=conflicts)
    lost = _count(losses.anonymous)
    report = replace(
        report,
        conflicts=conflicts,
        dropped_anonymous=loops + lost,
        dropped_existing=_count(losses.existing),
        moved=anonymous - lost,
    )
    blocked = tuple(_blocked(planned, side, conflicts, losses))
    side.note(side.loops, losses.anonymous, losses.existing)
    return Outlook(report, blocked)


def carry_out(planned: Planned, side: Side, report: RelationReport) -> RelationReport:
    """Do what the report foretells, in a few statements; returns what a callable made of it.

    Raises:
        Blocked: the database or a rule's callable does not allow it.
    """
    strategy = planned.strategy
    if planned.is_left:
        return report
    try:
        side.drop_anonymous(side.loops)
        if isinstance(strategy, Strategy):
            _drop(planned, side, report)
        else:
            strategy(side.anonymous, side.existing)
        if _is_custom(planned):
            _check_again(planned, side)
            report = _recount(side, report)
        if report.moved:
            side.move()
    except (ProtectedError, RestrictedError) as error:
        raise Blocked(RowConflict(report.name, "protected")) from error
    except IntegrityError as error:
        raise Blocked(RowConflict(report.name, "constraint", _constraint(error))) from error
    return report


class Blocked(Exception):
    """A relation cannot be settled."""

    def __init__(self, conflict: RowConflict) -> None:
        self.conflict = conflict
        super().__init__(conflict.relation)


def _name(strategy: Any) -> str:
    if isinstance(strategy, Strategy):
        return strategy.value
    return "leave" if isinstance(strategy, Leave) else "custom"


def _is_custom(planned: Planned) -> bool:
    """Whether a callable of the project has a say, which no preview can foretell."""
    if not isinstance(planned.strategy, Strategy):
        return True
    resolver = planned.rule.on_conflict
    built_in = resolver is None or isinstance(resolver, KeepRow | KeepNewest | AddUp)
    return planned.strategy is Strategy.COMBINE and not built_in


def _losses(planned: Planned, side: Side, *, existing: int, conflicts: int) -> _Losses:
    if not existing:
        return _Losses()
    if planned.strategy is Strategy.KEEP_EXISTING:
        return _Losses(anonymous=side.anonymous)
    if planned.strategy is Strategy.KEEP_ANONYMOUS:
        return _Losses(existing=side.existing) if side.anonymous.exists() else _Losses()
    if not conflicts:
        return _Losses()
    match planned.rule.on_conflict:
        case KeepRow(anonymous=True):
            return _Losses(existing=side.collided())
        case KeepRow() | AddUp():
            return _Losses(anonymous=side.colliding())
        case KeepNewest(field):
            older = side.colliding(_not_older(field))
            newer = side.anonymous.exclude(pk__in=older.values("pk"))
            return _Losses(anonymous=older, existing=side.collided(newer))
    return _Losses()


def _not_older(field: str) -> Q:
    """The account's row is at least as new as the guest's, which the outer query looks at."""
    return Q(**{f"{field}__gte": OuterRef(field)}) | Q(IsNull(OuterRef(field), True))


def _blocked(
    planned: Planned, side: Side, conflicts: int, losses: _Losses
) -> Iterator[RowConflict]:
    name = planned.relation.name
    if side.new is None:
        yield RowConflict(name, "constraint", count=side.anonymous.count())
        return
    if conflicts and planned.strategy is Strategy.COMBINE and planned.rule.on_conflict is None:
        yield RowConflict(
            name,
            "unique",
            tuple(key.name for key in side.keys),
            conflicts,
            _keys(side.colliding()),
            _keys(side.collided()),
        )
    if _is_custom(planned):
        return
    rows = side.anonymous
    if losses.anonymous is not None:
        rows = rows.exclude(pk__in=losses.anonymous.values("pk"))
    for constraint, broken in side.forbidden(rows):
        if count := broken.count():
            yield RowConflict(name, "check", (constraint,), count, _keys(broken))


def _drop(planned: Planned, side: Side, report: RelationReport) -> None:
    if planned.strategy is Strategy.KEEP_EXISTING and report.existing:
        side.drop_anonymous(side.anonymous)
    elif planned.strategy is Strategy.KEEP_ANONYMOUS and report.existing:
        side.drop_existing(side.existing)
    elif report.conflicts:
        _resolve(planned.rule.on_conflict, side)


def _resolve(resolver: Any, side: Side) -> None:
    match resolver:
        case KeepRow(anonymous=True):
            side.drop_existing(side.collided())
        case KeepRow():
            side.drop_anonymous(side.colliding())
        case KeepNewest(field):
            side.drop_anonymous(side.colliding(_not_older(field)))
            side.drop_existing(side.collided())
        case AddUp():
            _add_up(resolver, side)
            side.drop_anonymous(side.colliding())
        case _:
            resolver(side.colliding(), side.collided())


def _add_up(resolver: AddUp, side: Side) -> None:
    # One key of plain columns: a system check sees to that.
    twin = side.twin(side.keys[0])
    sums: dict[str, Any] = {}
    for name in resolver.fields:
        total = Coalesce(F(name), 0) + Coalesce(Subquery(twin.values(name)[:1]), 0)
        sums[name] = total if resolver.at_most is None else Least(total, resolver.at_most)
    side.collided().update(**sums)


def _check_again(planned: Planned, side: Side) -> None:
    """See what a callable of the project has left."""
    if count := side.colliding().count():
        names = tuple(key.name for key in side.keys)
        raise Blocked(
            RowConflict(
                planned.relation.name,
                "unique",
                names,
                count,
                _keys(side.colliding()),
                _keys(side.collided()),
            )
        )


def _recount(side: Side, report: RelationReport) -> RelationReport:
    moved, existing = side.anonymous.count(), side.existing.count()
    return replace(
        report,
        moved=moved,
        dropped_anonymous=max(0, report.anonymous - moved),
        dropped_existing=max(0, report.existing - existing),
    )


def _count(rows: QuerySet[Any] | None) -> int:
    return 0 if rows is None else rows.count()


def _keys(rows: QuerySet[Any]) -> tuple[str, ...]:
    return tuple(str(pk) for pk in rows.order_by("pk").values_list("pk", flat=True)[:NAMED])


def _constraint(error: IntegrityError) -> tuple[str, ...]:
    # PostgreSQL tells the name; other databases do not.
    diagnosis = getattr(error.__cause__, "diag", None)
    name = getattr(diagnosis, "constraint_name", None)
    return (name,) if name else ()

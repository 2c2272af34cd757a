"""What would become of the rows of one relation, in numbers, and what stands in the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db.models import OuterRef, Q, QuerySet
from django.db.models.lookups import IsNull

from anonauth.deletion.graph import CASCADES, FORBIDS, SETS, Action, action_of
from anonauth.merge_rules import AddUp, KeepNewest, KeepRow, Leave, Strategy
from anonauth.merging.fallout import Fallout, Unlinking, may_be_forbidden
from anonauth.merging.plan import Planned, elsewhere
from anonauth.merging.report import RelationReport, RowConflict
from anonauth.merging.rows import Side

#: How many rows of a conflict are named.
NAMED = 20


@dataclass(frozen=True, slots=True)
class Outlook:
    """What would become of a relation's rows."""

    #: None: the report does not tell of this relation.
    report: RelationReport | None
    conflicts: tuple[RowConflict, ...] = ()
    #: What is deleted before the others move.
    loss: Fallout | Unlinking | None = None
    moves: bool = True

    def note(self, side: Side) -> None:
        """Tell the ledger of a preview what would have become of the rows by now."""
        if self.loss is not None:
            self.loss.note()
        if self.moves:
            side.note_moved()


@dataclass(slots=True)
class Sorted:
    """The rows of both sides, by what becomes of them; what is in no list moves, or stays with the account."""

    anonymous: int
    existing: int
    #: The guest's rows that constraints do not allow the account.
    conflicts: int = 0
    dropped_anonymous: list[QuerySet[Any]] = field(default_factory=list)
    dropped_existing: list[QuerySet[Any]] = field(default_factory=list)
    lost_anonymous: int = 0
    lost_existing: int = 0

    def drop_anonymous(self, rows: QuerySet[Any], number: int) -> None:
        """Drop some of the guest's rows, unless there are none."""
        self.dropped_anonymous += [rows] if number else []
        self.lost_anonymous += number

    def drop_existing(self, rows: QuerySet[Any], number: int) -> None:
        """Drop some of the account's rows, unless there are none."""
        self.dropped_existing += [rows] if number else []
        self.lost_existing += number


def look(planned: Planned, side: Side) -> Outlook | None:
    """Count what would become of the rows, without a change; None if the guest has none that matter."""
    if planned.is_left:
        return _look_at_left(planned, side)
    loops = 0 if side.loops is None else side.loops.count()
    found = Sorted(side.anonymous.count(), 0)
    if not found.anonymous + loops:
        return None
    found.existing = side.existing.count()
    blocked = list(_sort(planned, side, found))
    if side.loops is not None:
        found.drop_anonymous(side.loops, loops)
        found.anonymous += loops
    loss = None
    if found.dropped_anonymous or found.dropped_existing:
        loss = side.losing(found.dropped_anonymous, found.dropped_existing)
        blocked += _forbidden(planned, loss)
    report = RelationReport(
        **_heading(planned),
        anonymous=found.anonymous,
        existing=found.existing,
        moved=found.anonymous - found.lost_anonymous,
        conflicts=found.conflicts,
        dropped_anonymous=found.lost_anonymous,
        dropped_existing=found.lost_existing,
        also_dropped=0 if loss is None else loss.number,
    )
    if side.new is None and report.moved:
        # By a column that is empty in the account's row.
        blocked.append(RowConflict(planned.relation.name, "constraint", count=report.moved))
    return Outlook(report, tuple(blocked), loss)


def is_custom(planned: Planned) -> bool:
    """Whether a callable of the project has a say, which no preview can foretell."""
    if not isinstance(planned.strategy, Strategy):
        return True
    resolver = planned.rule.on_conflict
    built_in = resolver is None or isinstance(resolver, KeepRow | KeepNewest | AddUp)
    return planned.strategy is Strategy.COMBINE and not built_in


def conflicts_of(planned: Planned, side: Side) -> Iterator[RowConflict]:
    """Yield why the guest's rows, as they are, cannot be the account's."""
    colliding = side.colliding()
    if count := colliding.count():
        yield _unique(planned, side, colliding, count)
    yield from _broken(planned, side, side.anonymous)


def _sort(planned: Planned, side: Side, found: Sorted) -> Iterator[RowConflict]:
    """Sort the rows by the strategy; yields what it does not settle."""
    if planned.strategy is Strategy.KEEP_EXISTING and found.existing:
        found.drop_anonymous(side.anonymous, found.anonymous)
        return
    if planned.strategy is Strategy.KEEP_ANONYMOUS and found.existing and found.anonymous:
        found.drop_existing(side.existing, found.existing)
    elif planned.strategy is Strategy.COMBINE and (found.existing or side.is_wide):
        yield from _combine(planned, side, found)
    if is_custom(planned):
        return
    rows = side.anonymous
    for dropped in found.dropped_anonymous:
        rows = rows.exclude(pk__in=dropped.values("pk"))
    keeps_existing = planned.rule.on_conflict == KeepRow(anonymous=False)
    if planned.strategy is Strategy.COMBINE and keeps_existing:
        for _name, broken in side.broken(rows):
            count = broken.count()
            found.conflicts += count
            found.drop_anonymous(broken, count)
            rows = rows.exclude(pk__in=broken.values("pk"))
    else:
        yield from _broken(planned, side, rows)


def _combine(planned: Planned, side: Side, found: Sorted) -> Iterator[RowConflict]:
    colliding = side.colliding()
    found.conflicts = colliding.count() if side.keys else 0
    if not found.conflicts:
        return
    match planned.rule.on_conflict:
        case None:
            yield _unique(planned, side, colliding, found.conflicts)
        case KeepRow(anonymous=True):
            collided = side.collided()
            found.drop_existing(collided, collided.count())
        case KeepRow() | AddUp():
            found.drop_anonymous(colliding, found.conflicts)
        case KeepNewest(name):
            older = side.colliding(_not_older(name))
            newer = side.anonymous.exclude(pk__in=older.values("pk"))
            collided = side.collided(newer)
            found.drop_anonymous(older, older.count())
            found.drop_existing(collided, collided.count())


def _not_older(name: str) -> Q:
    """The account's row is at least as new as the guest's, which the outer query looks at."""
    return Q(**{f"{name}__gte": OuterRef(name)}) | Q(IsNull(OuterRef(name), True))


def _look_at_left(planned: Planned, side: Side) -> Outlook | None:
    """Look at rows that go with the guest: somebody may forbid it."""
    relation = planned.relation
    action = Action.CASCADE if relation.type_field else action_of(relation.field)
    # The purge leaves DO_NOTHING to the project. Here such rows go as well: who deletes has to delete them before.
    goes = action in CASCADES or action is Action.IGNORE
    safe = action in SETS or (goes and not may_be_forbidden(relation.model))
    if elsewhere(relation) or (safe and not planned.is_counted):
        return None
    number = side.left.count()
    if not number:
        return None
    loss = side.losing([side.left], []) if goes else None
    blocked = [] if loss is None else _forbidden(planned, loss)
    if action in FORBIDS:
        blocked.append(RowConflict(relation.name, "protected", (relation.name,), number))
    report = RelationReport(
        **_heading(planned),
        anonymous=number,
        existing=side.existing.count(),
        moved=0,
        conflicts=0,
        dropped_anonymous=number if loss is not None else 0,
        dropped_existing=0,
        also_dropped=0 if loss is None else loss.number,
    )
    return Outlook(report if planned.is_counted else None, tuple(blocked), loss, moves=False)


def _heading(planned: Planned) -> dict[str, Any]:
    strategy = planned.strategy
    rule = strategy.value if isinstance(strategy, Strategy) else "custom"
    return {
        "name": planned.relation.name,
        "label": str(planned.rule.label or planned.relation.label),
        "rule": "leave" if isinstance(strategy, Leave) else rule,
        "choices": tuple(choice.value for choice in planned.rule.choices),
    }


def _unique(planned: Planned, side: Side, rows: QuerySet[Any], count: int) -> RowConflict:
    names = tuple(key.name for key in side.keys)
    keys = _keys(rows), _keys(side.collided())
    return RowConflict(planned.relation.name, "unique", names, count, *keys)


def _broken(planned: Planned, side: Side, rows: QuerySet[Any]) -> Iterator[RowConflict]:
    for constraint, broken in side.broken(rows):
        if count := broken.count():
            yield RowConflict(planned.relation.name, "check", (constraint,), count, _keys(broken))


def _forbidden(planned: Planned, loss: Fallout | Unlinking) -> list[RowConflict]:
    return [
        RowConflict(planned.relation.name, "protected", (name,), count)
        for name, count in loss.forbidding
    ]


def _keys(rows: QuerySet[Any]) -> tuple[str, ...]:
    return tuple(str(pk) for pk in rows.order_by("pk").values_list("pk", flat=True)[:NAMED])

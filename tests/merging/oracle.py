"""What a merge has to do, row by row in plain Python: slow, and without a look at how anonauth does it."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from anonauth.merge_rules import AddUp, KeepNewest, Leave, MergeRule, Strategy
from tests.merging.world import HOLDS, RELATIONS, TABLES, Hold, Relation, Row, Rows, World, type_ids

SET_NULL = {
    "belongings.Customer.advisor",
    "belongings.Note.editor",
    "belongings.Referral.of",
    "testapp.User.invited_by",
}


@dataclass
class Numbers:
    """What the report has to say of a relation."""

    anonymous: int
    existing: int
    moved: int = 0
    conflicts: int = 0
    dropped_anonymous: int = 0
    dropped_existing: int = 0
    also_dropped: int = 0


@dataclass
class Outcome:
    world: World
    numbers: dict[str, Numbers] = field(default_factory=dict)
    #: The relation that is in the way first, and why.
    conflict: tuple[str, str] | None = None


class Refused(Exception):
    """The relation cannot be settled; the argument is the reason."""


def expect(
    before: World, guest: Any, account: Any, rules: dict[str, MergeRule], order: list[str]
) -> Outcome:
    """Return what becomes of a world when the guest is merged into the account.

    Args:
        before: what there is.
        guest: the guest.
        account: the account.
        rules: the rules of the project, by relation.
        order: the relations, in the order in which they are settled.
    """
    outcome = Outcome(deepcopy(before))
    for name in order:
        merge = OneRelation(outcome.world, RELATIONS[name], guest, account)
        try:
            merge.settle(rules.get(name))
        except Refused as refusal:
            outcome.conflict = (name, str(refusal))
            return outcome
        if merge.numbers is not None:
            outcome.numbers[name] = merge.numbers
    del outcome.world["testapp.User"][guest.pk]
    return outcome


class OneRelation:
    def __init__(self, world: World, relation: Relation, guest: Any, account: Any) -> None:
        self.world, self.relation, self.guest, self.account = world, relation, guest, account
        self.table = TABLES[relation.table]
        self.rows: Rows = world[relation.table]
        self.old, self.new = relation.value(guest), relation.value(account)
        self.numbers: Numbers | None = None
        self.kinds = type_ids(relation.types) if relation.types else set()

    def settle(self, rule: MergeRule | None) -> None:
        strategy: Any = self._usual() if rule is None else rule.strategy
        theirs, loops = self._sides(is_left=isinstance(strategy, Leave))
        mine = self._having(self.new)
        if self.relation.user_key:
            mine.pop(self.guest.pk, None)
        if not theirs and not loops:
            return
        self.numbers = Numbers(len(theirs) + len(loops), len(mine))
        if isinstance(strategy, Leave):
            self._leave(theirs)
            return
        lost: Rows = {}
        dropped: Rows = {}
        if strategy is Strategy.KEEP_EXISTING and mine:
            lost = theirs
        elif strategy is Strategy.KEEP_ANONYMOUS and mine and theirs:
            dropped = mine
        elif strategy is Strategy.COMBINE:
            resolver = "keep_existing_row" if rule is None else rule.on_conflict
            if rule is None and self.relation.usual != "link":
                resolver = None
            lost, dropped = self._combine(theirs, resolver)
        self._finish(theirs, loops, lost, dropped)

    def _usual(self) -> Strategy:
        keeps = self.relation.usual == "keep_existing"
        return Strategy.KEEP_EXISTING if keeps else Strategy.COMBINE

    def _having(self, value: Any) -> Rows:
        relation = self.relation
        return {
            pk: row
            for pk, row in self.rows.items()
            if row[relation.column] == value
            and (not relation.types or row[relation.type_column] in self.kinds)
        }

    def _sides(self, *, is_left: bool) -> tuple[Rows, Rows]:
        theirs, relation = self._having(self.old), self.relation
        both = {self.guest.pk, self.account.pk}
        loops: Rows = {}
        if relation.other:
            loops = {pk: row for pk, row in theirs.items() if row[relation.other] in both}
        if relation.user_key:
            if relation.table == "testapp.User":
                theirs.pop(self.guest.pk, None)
            elif self.guest.pk in self._having(self.new):
                loops[self.guest.pk] = self.rows[self.guest.pk]
            loops |= {pk: row for pk, row in theirs.items() if row[relation.user_key] in both}
        if is_left:
            return theirs, {}
        return {pk: row for pk, row in theirs.items() if pk not in loops}, loops

    def _moved(self, row: Row) -> Row:
        return {**row, self.relation.column: self.new}

    def _twins(self, row: Row, theirs: Rows) -> set[Any]:
        """Return the keys of all rows beside which this one of the guest cannot be the account's."""
        found = set()
        for key in self.table.keys:
            value = key(self._moved(row))
            if value is not None:
                found |= {
                    pk
                    for pk, other in self.rows.items()
                    if pk not in theirs and key(other) == value
                }
        return found

    def _combine(self, theirs: Rows, resolver: Any) -> tuple[Rows, Rows]:
        assert self.numbers is not None
        twins = {pk: self._twins(row, theirs) for pk, row in theirs.items()}
        colliding = {pk: theirs[pk] for pk, others in twins.items() if others}
        self.numbers.conflicts = len(colliding)
        name = getattr(resolver, "anonymous", None)
        if name is False or resolver == "keep_existing_row":
            broken = {
                pk: row
                for pk, row in theirs.items()
                if pk not in colliding and not self.table.holds(self._moved(row))
            }
            self.numbers.conflicts += len(broken)
            return colliding | broken, {}
        if not colliding:
            return {}, {}
        if resolver is None:
            raise Refused("unique")
        if name is True:
            return {}, {pk: self.rows[pk] for others in twins.values() for pk in others}
        if isinstance(resolver, AddUp):
            self._add_up(resolver, twins)
            return colliding, {}
        assert isinstance(resolver, KeepNewest)
        lost = {
            pk: theirs[pk]
            for pk, others in twins.items()
            if any(not_older(self.rows[other], theirs[pk], resolver.field) for other in others)
        }
        dropped = {other for pk, others in twins.items() if pk not in lost for other in others}
        return lost, {pk: self.rows[pk] for pk in dropped}

    def _add_up(self, resolver: AddUp, twins: dict[Any, set[Any]]) -> None:
        for pk, others in twins.items():
            for other in others:
                for name in resolver.fields:
                    total = (self.rows[other][name] or 0) + (self.rows[pk][name] or 0)
                    if resolver.at_most is not None:
                        total = min(total, resolver.at_most)
                    self.rows[other][name] = total

    def _finish(self, theirs: Rows, loops: Rows, lost: Rows, dropped: Rows) -> None:
        assert self.numbers is not None
        moving = {pk: row for pk, row in theirs.items() if pk not in lost}
        self.numbers.dropped_anonymous = len(lost) + len(loops)
        self.numbers.dropped_existing = len(dropped)
        self.numbers.moved = len(moving)
        if any(not self.table.holds(self._moved(row)) for row in moving.values()):
            raise Refused("check")
        self._drop({**loops, **lost}, dropped)
        for pk, row in moving.items():
            if pk in self.rows:  # else it went along with one that was dropped
                self._move(pk, row)

    def _move(self, pk: Any, row: Row) -> None:
        row[self.relation.column] = self.new
        if self.relation.is_key:
            self.rows[self.new] = self.rows.pop(pk)
        elif self.relation.table == "belongings.Slot":
            self.rows[self.new, row["number"]] = self.rows.pop(pk)

    def _leave(self, theirs: Rows) -> None:
        assert self.numbers is not None
        if self.relation.is_protected:
            raise Refused("protected")
        if self.relation.name in SET_NULL:
            for row in theirs.values():
                row[self.relation.column] = None
            return
        self.numbers.dropped_anonymous = len(theirs)
        self._drop(theirs, {})

    def _drop(self, lost: Rows, dropped: Rows) -> None:
        assert self.numbers is not None
        if self.relation.user_key:
            for row in (*lost.values(), *dropped.values()):
                row[self.relation.column] = None
            return
        beside = self.relation.column if self.relation.is_key and dropped else ""
        gone, emptied = self._closure([*lost, *dropped], beside)
        self.numbers.also_dropped = sum(
            table not in {self.relation.table, "belongings.Thesis", "belongings.Paper"}
            or (table == self.relation.table and pk not in lost and pk not in dropped)
            for table, pk in gone
        )
        for table, column, pk in emptied:
            self.world[table][pk][column] = None
        for table, pk in gone:
            del self.world[table][pk]

    def _closure(
        self, roots: list[Any], beside: str
    ) -> tuple[set[tuple[str, Any]], list[tuple[str, str, Any]]]:
        todo = [(self.relation.table, pk) for pk in roots]
        gone = set(todo)
        emptied = []
        for table, pk in todo:  # grows while it is read
            for hold in HOLDS:
                if hold.at != table or (beside and hold.target == beside):
                    continue
                for child in self._held(hold, self.world[table][pk]):
                    if hold.action == "protect":
                        raise Refused("protected")
                    if hold.action == "empty":
                        emptied.append((hold.table, hold.column, child))
                    elif (hold.table, child) not in gone:
                        gone.add((hold.table, child))
                        todo.append((hold.table, child))
        return gone, emptied

    def _held(self, hold: Hold, target: Row) -> Iterator[Any]:
        kinds = type_ids((TABLES[hold.at].model,)) if hold.type_column else set()
        value = target[hold.target]
        for pk, row in self.world[hold.table].items():
            if value is None or row[hold.column] != hold.same(value):
                continue
            if not hold.type_column or row[hold.type_column] in kinds:
                yield pk


def not_older(existing: Row, anonymous: Row, name: str) -> bool:
    """Tell whether the account's row is at least as new; an empty field is the oldest."""
    if anonymous[name] is None:
        return True
    return existing[name] is not None and bool(existing[name] >= anonymous[name])

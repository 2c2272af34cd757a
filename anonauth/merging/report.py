"""What a merge does, or would do, in numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class RelationReport:
    """One relation that the guest has rows in."""

    name: str
    label: str
    #: The strategy: ``keep_existing``, ``keep_anonymous``, ``combine``, ``leave``, or ``custom`` for a callable.
    rule: str
    #: How many rows the guest has, and how many the account.
    anonymous: int
    existing: int
    #: How many of the guest's rows become the account's.
    moved: int
    #: How many of the guest's rows a constraint does not allow beside those of the account.
    conflicts: int
    dropped_anonymous: int
    dropped_existing: int
    #: How many rows of other tables, or of a tree in this one, go along with those that are dropped.
    also_dropped: int = 0
    #: What the person may choose from; nothing if it is not the person's choice.
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RowConflict:
    """Rows that stand in the way of a merge; of many the first ones are named."""

    relation: str
    #: ``unique``, ``check``, ``protected`` or ``constraint``.
    reason: str
    #: The names of the constraints, as far as they are known.
    constraints: tuple[str, ...] = ()
    count: int = 0
    anonymous: tuple[str, ...] = ()
    existing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MergeReport:
    """A merge, done or previewed; relations in which the guest has nothing are not listed."""

    guest_id: str
    account_id: str
    relations: tuple[RelationReport, ...] = ()
    conflicts: tuple[RowConflict, ...] = ()
    merged_at: datetime | None = None

    @property
    def can_merge(self) -> bool:
        """Whether nothing stands in the way, with these choices."""
        return not self.conflicts

    @property
    def is_empty(self) -> bool:
        """Whether the guest has nothing that could move."""
        return not any(report.rule != "leave" for report in self.relations)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON has it; :meth:`from_dict` reads it again."""
        body = asdict(self)
        # As Django REST framework prints the other times of an answer.
        moment = self.merged_at.isoformat() if self.merged_at else None
        body["merged_at"] = re.sub(r"\+00:00$", "Z", moment) if moment else None
        return body

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> MergeReport:
        """Return the report that :meth:`as_dict` wrote down."""
        moment = body["merged_at"]
        return cls(
            guest_id=body["guest_id"],
            account_id=body["account_id"],
            relations=tuple(
                RelationReport(**{**row, "choices": tuple(row["choices"])})
                for row in body["relations"]
            ),
            merged_at=datetime.fromisoformat(moment) if moment else None,
        )

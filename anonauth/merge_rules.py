"""What becomes of a guest's rows when he is merged into an account: rules, one a relation.

They are declared by the app that owns the model, in its ``anonauth_rules.py``, or by ``Adapter.merge_rules()``::

    merge_rule("shop.CartItem.user", combine, on_conflict=add_up("quantity"), choice=True)

Without a rule everything moves, and what a constraint of the database does not allow is a conflict.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.db.models import QuerySet
from django.utils.functional import Promise

#: Gets the guest's rows and the account's, in the transaction of the merge.
Handler = Callable[[QuerySet[Any], QuerySet[Any]], None]


class Strategy(StrEnum):
    """The three named ways; ``keep_…`` drops nothing where the other side has nothing."""

    KEEP_EXISTING = "keep_existing"
    KEEP_ANONYMOUS = "keep_anonymous"
    COMBINE = "combine"


#: The account's rows stay and the guest's are dropped; if the account has none, the guest's move.
keep_existing = Strategy.KEEP_EXISTING
#: The guest's rows move and the account's are dropped; if the guest has none, the account's stay.
keep_anonymous = Strategy.KEEP_ANONYMOUS
#: The guest's rows move to the account's; two that exclude each other are left to ``on_conflict``.
combine = Strategy.COMBINE


@dataclass(frozen=True, slots=True)
class Leave:
    """The rows stay with the guest, and go with him."""

    reason: str
    #: Nobody in the project has said so.
    usual: bool = False


@dataclass(frozen=True, slots=True)
class KeepRow:
    """Of two rows that exclude each other the one of this side stays, the other is dropped.

    Where the account's stays, a guest's row that a check constraint does not allow the account is dropped too.
    """

    anonymous: bool


@dataclass(frozen=True, slots=True)
class KeepNewest:
    """Of two rows that exclude each other the one with the greater value stays; of equal ones the account's."""

    field: str


@dataclass(frozen=True, slots=True)
class AddUp:
    """Numbers of the guest's row are added to the account's row, then the guest's row is dropped."""

    fields: tuple[str, ...]
    at_most: int | None = None


Resolver = KeepRow | KeepNewest | AddUp | Handler

#: For ``on_conflict``: the account's row stays.
keep_existing_row = KeepRow(anonymous=False)
#: For ``on_conflict``: the guest's row stays.
keep_anonymous_row = KeepRow(anonymous=True)


def keep_newest(by: str) -> KeepNewest:
    """For ``on_conflict``: the row whose field is greater stays; an empty field is the oldest."""
    return KeepNewest(by)


def add_up(*names: str, at_most: int | None = None) -> AddUp:
    """For ``on_conflict``: add the guest's numbers to the account's.

    Args:
        names: the numeric fields.
        at_most: no sum becomes greater than this, e.g. because of a check constraint.
    """
    return AddUp(names, at_most)


def leave(reason: str) -> Leave:
    """Instead of a strategy: these rows are not the account's business; say why."""
    return Leave(reason)


@dataclass(frozen=True, slots=True)
class MergeRule:
    """What becomes of one relation to the user when a guest is merged into an account.

    ``relation``
        ``"app_label.Model.field"``, as ``manage.py anonymous_merge_rules`` lists them.
    ``strategy``
        :data:`keep_existing`, :data:`keep_anonymous`, :data:`combine`, :func:`leave`, or a callable for everything
        else: it gets two querysets, the guest's rows and the account's, in the transaction of the merge; what it leaves
        on the guest is moved.
    ``on_conflict``
        What becomes of two rows that a unique constraint does not allow side by side: :data:`keep_existing_row`,
        :data:`keep_anonymous_row`, :func:`keep_newest`, :func:`add_up`, or a callable that gets two querysets with the
        rows in question and leaves no such pair. Without one they are a conflict, and nothing is merged; but of two
        links of a many-to-many relation, whose table Django makes, the account's stays.
    ``choice``
        Whether the person may choose another strategy: True, or those that are offered.
    ``label``
        What the person reads; default: the model's plural name.
    """

    relation: str
    strategy: Strategy | Leave | Handler = combine
    on_conflict: Resolver | None = None
    choice: bool | tuple[Strategy, ...] = False
    label: str | Promise = ""
    #: The module that declares it, of a rule of an app.
    declared_in: str = field(default="", compare=False)

    @property
    def choices(self) -> tuple[Strategy, ...]:
        """The strategies that the person may choose from."""
        if isinstance(self.choice, bool):
            return tuple(Strategy) if self.choice else ()
        return self.choice


#: The rules of all ``anonauth_rules.py``, in the order of their declaration.
declared: list[MergeRule] = []


def merge_rule(
    relation: str,
    strategy: Strategy | Leave | Handler = combine,
    *,
    on_conflict: Resolver | None = None,
    choice: bool | tuple[Strategy, ...] = False,
    label: str | Promise = "",
) -> None:
    """Declare a rule for the whole project, in an app's ``anonauth_rules.py``; see :class:`MergeRule`."""
    module = sys._getframe(1).f_globals.get("__name__", "")
    declared.append(MergeRule(relation, strategy, on_conflict, choice, label, module))

"""The test models once more, written by hand: what the merge core has to find out is stated here.

A row is a dict of its columns, a table a dict of rows by key, a world a dict of tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model

from tests.belongings import models as m
from tests.testapp import models as t

Row = dict[str, Any]
Rows = dict[Any, Row]
World = dict[str, Rows]
User: Any = get_user_model()


@dataclass(frozen=True)
class Table:
    model: Any
    #: What has to differ between two rows; None differs from everything.
    keys: tuple[Callable[[Row], Any], ...] = ()
    holds: Callable[[Row], bool] = lambda row: True

    @property
    def name(self) -> str:
        return str(self.model._meta.label)

    @property
    def columns(self) -> list[str]:
        return [column.attname for column in self.model._meta.local_concrete_fields]


@dataclass(frozen=True)
class Relation:
    name: str
    table: str
    column: str
    usual: Literal["move", "keep_existing", "link"] = "move"
    value: Callable[[Any], Any] = lambda user: user.pk
    #: Of a generic foreign key: the column of the type, and what it names.
    type_column: str = ""
    types: tuple[type[Model], ...] = ()
    #: The rows are users, who are never deleted; the column with the key.
    user_key: str = ""
    #: The column of the other user of a link.
    other: str = ""
    is_key: bool = False
    sums: str = ""
    newest: str = ""
    is_protected: bool = False


@dataclass(frozen=True)
class Hold:
    """A column that points at a row of a table."""

    table: str
    column: str
    at: str
    target: str
    action: Literal["cascade", "empty", "protect", "half"] = "cascade"
    type_column: str = ""
    same: Callable[[Any], Any] = field(default=lambda value: value)


def once(*columns: str) -> Callable[[Row], Any]:
    """A unique constraint of plain columns, in which NULL differs from NULL."""

    def key(row: Row) -> Any:
        values = tuple(row[column] for column in columns)
        return None if None in values else values

    return key


FRIENDS, MEMBERS, TAGGED = User.friends.through, m.Team.members.through, t.Tag.users.through
USER_TYPES = (User, m.Buyer, m.Customer, m.LoyaltyCard)

TABLES = {
    table.name: table
    for table in (
        Table(User),
        Table(m.Customer, (once("user_ptr_id"), once("number"), once("partner_id"))),
        Table(m.Note),
        Table(m.CartItem, (once("user_id", "product"),)),
        Table(m.Option),
        Table(m.Gift, (lambda row: row["user_id"] if row["item_id"] is None else None,)),
        Table(m.Invoice),
        Table(m.Review, (once("user_id", "product"),)),
        Table(m.Order),
        Table(m.Profile, (once("user_id"),)),
        Table(m.LoyaltyCard, (once("user_id"), once("code"))),
        Table(m.Stamp),
        Table(m.Punch),
        Table(m.Contract),
        Table(MEMBERS, (once("team_id", "user_id"),)),
        Table(m.Membership, (once("user_id", "club_id"),)),
        Table(m.Remark),
        Table(m.Like, (once("kind_id", "key", "mood"),)),
        Table(m.Handle),
        Table(
            m.Follow,
            (once("follower_id", "followed_id"),),
            lambda row: bool(row["follower_id"] != row["followed_id"]),
        ),
        Table(m.Referral, (), lambda row: row["of_id"] is None or row["by_id"] != row["of_id"]),
        Table(
            m.Tie,
            (lambda row: frozenset((row["one_id"], row["other_id"])),),
            lambda row: bool(row["one_id"] != row["other_id"]),
        ),
        Table(m.Comment, (once("user_id", "number"),)),
        Table(m.Paper, (once("user_id", "number"),)),
        Table(m.Thesis, (once("reader_id"),)),
        Table(m.OwnPlugin),
        Table(
            m.Address,
            (
                lambda row: row["user_id"] if row["is_default"] else None,
                lambda row: (row["user_id"], row["label"].lower()),
            ),
        ),
        Table(
            m.Seat,
            # Nobody and nothing are values like any other.
            (lambda row: (row["user_id"], row["number"]),),
        ),
        Table(m.Slot, (once("user_id", "number"),)),
        Table(FRIENDS, (once("from_user_id", "to_user_id"),)),
        Table(t.Note),
        Table(t.Receipt),
        Table(TAGGED, (once("tag_id", "user_id"),)),
    )
}


def _relation(model: Any, name: str, column: str, **more: Any) -> Relation:
    return Relation(name, model._meta.label, column, **more)


RELATIONS = {
    relation.name: relation
    for relation in (
        _relation(User, "testapp.User.invited_by", "invited_by_id", user_key="id"),
        _relation(m.Customer, "belongings.Customer.advisor", "advisor_id", user_key="user_ptr_id"),
        _relation(
            m.Customer,
            "belongings.Customer.partner",
            "partner_id",
            usual="keep_existing",
            user_key="user_ptr_id",
        ),
        _relation(m.Note, "belongings.Note.author", "author_id"),
        _relation(m.Note, "belongings.Note.editor", "editor_id"),
        _relation(
            m.CartItem,
            "belongings.CartItem.user",
            "user_id",
            sums="quantity",
            newest="added_at",
        ),
        _relation(m.Option, "belongings.Option.chosen_by", "chosen_by_id"),
        _relation(m.Gift, "belongings.Gift.user", "user_id"),
        _relation(m.Review, "belongings.Review.user", "user_id", newest="product"),
        _relation(m.Order, "belongings.Order.user", "user_id", is_protected=True),
        _relation(m.Profile, "belongings.Profile.user", "user_id", usual="keep_existing"),
        _relation(
            m.LoyaltyCard,
            "belongings.LoyaltyCard.user",
            "user_id",
            usual="keep_existing",
            is_key=True,
        ),
        _relation(
            m.Customer,
            "belongings.Customer.user_ptr",
            "user_ptr_id",
            usual="keep_existing",
            is_key=True,
        ),
        _relation(m.Stamp, "belongings.Stamp.card", "card_id"),
        _relation(m.Contract, "belongings.Contract.customer", "customer_id"),
        _relation(MEMBERS, "belongings.Team.members", "user_id", usual="link"),
        _relation(
            m.Membership, "belongings.Membership.user", "user_id", sums="since", newest="since"
        ),
        _relation(
            m.Remark,
            "belongings.Remark.about",
            "object_id",
            value=lambda user: str(user.pk),
            type_column="content_type_id",
            types=USER_TYPES,
        ),
        _relation(
            m.Like,
            "belongings.Like.thing",
            "key",
            type_column="kind_id",
            types=USER_TYPES,
        ),
        _relation(
            m.Handle, "belongings.Handle.owner", "owner_id", value=lambda user: user.username
        ),
        _relation(m.Follow, "belongings.Follow.follower", "follower_id"),
        _relation(m.Follow, "belongings.Follow.followed", "followed_id"),
        _relation(m.Referral, "belongings.Referral.by", "by_id"),
        _relation(m.Referral, "belongings.Referral.of", "of_id"),
        _relation(m.Tie, "belongings.Tie.one", "one_id"),
        _relation(m.Tie, "belongings.Tie.other", "other_id"),
        _relation(m.Comment, "belongings.Comment.user", "user_id", newest="above_id"),
        _relation(m.Paper, "belongings.Paper.user", "user_id"),
        _relation(m.Thesis, "belongings.Thesis.reader", "reader_id", usual="keep_existing"),
        _relation(m.OwnPlugin, "belongings.OwnPlugin.user", "user_id"),
        _relation(m.Address, "belongings.Address.user", "user_id"),
        _relation(m.Seat, "belongings.Seat.user", "user_id", newest="number"),
        _relation(m.Slot, "belongings.Slot.user", "user_id"),
        _relation(
            FRIENDS, "testapp.User.friends", "from_user_id", usual="link", other="to_user_id"
        ),
        _relation(
            FRIENDS,
            "testapp.User.friends:reverse",
            "to_user_id",
            usual="link",
            other="from_user_id",
        ),
        _relation(t.Note, "testapp.Note.owner", "owner_id"),
        _relation(t.Receipt, "testapp.Receipt.owner", "owner_id", is_protected=True),
        _relation(TAGGED, "testapp.Tag.users", "user_id", usual="link"),
    )
}


def _hold(
    model: Any, column: str, at: Any, target: str, action: Any = "cascade", **more: Any
) -> Hold:
    return Hold(model._meta.label, column, at._meta.label, target, action, **more)


HOLDS = (
    _hold(m.Option, "item_id", m.CartItem, "id"),
    _hold(m.Gift, "item_id", m.CartItem, "id", "empty"),
    _hold(m.Invoice, "item_id", m.CartItem, "id", "protect"),
    _hold(m.Stamp, "card_id", m.LoyaltyCard, "user_id"),
    _hold(m.Punch, "card_id", m.LoyaltyCard, "code"),
    _hold(m.Contract, "customer_id", m.Customer, "user_ptr_id"),
    _hold(m.Comment, "above_id", m.Comment, "id"),
    _hold(m.Thesis, "paper_ptr_id", m.Paper, "id", "half"),
    _hold(m.Paper, "id", m.Thesis, "paper_ptr_id", "half"),
    _hold(m.Remark, "object_id", m.Address, "id", type_column="content_type_id", same=str),
)


def read(names: Iterable[str] = tuple(TABLES)) -> World:
    """Read the world from the database: all tables, or those that can have rows."""
    world: World = {name: {} for name in TABLES}
    return world | {name: _read(TABLES[name]) for name in names}


def _read(table: Table) -> Rows:
    keys = [field.attname for field in getattr(table.model._meta, "pk_fields", ())]
    keys = keys or [table.model._meta.pk.attname]
    rows = {}
    for row in table.model._base_manager.values(*table.columns):
        key = tuple(row[name] for name in keys)
        rows[key[0] if len(key) == 1 else key] = row
    return rows


def type_ids(models: tuple[type[Model], ...]) -> set[int]:
    """Return the keys of content types."""
    found = ContentType.objects
    return {found.get_for_model(model, for_concrete_model=False).pk for model in models}

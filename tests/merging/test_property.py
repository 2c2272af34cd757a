"""Any world, any rules: a merge does what the rules say, all of it or nothing, and the preview foretells it."""

from __future__ import annotations

import os
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anonauth.exceptions import MergeConflict
from anonauth.flows.merge import merge, preview_merge
from anonauth.merge_rules import (
    MergeRule,
    add_up,
    combine,
    keep_anonymous,
    keep_anonymous_row,
    keep_existing,
    keep_existing_row,
    keep_newest,
    leave,
)
from anonauth.merging.relations import user_relations
from tests.belongings import models as m
from tests.merging.oracle import Numbers, expect
from tests.merging.ruled import RuledAdapter
from tests.merging.world import (
    FRIENDS,
    MEMBERS,
    RELATIONS,
    TABLES,
    TAGGED,
    Relation,
    Row,
    User,
    World,
    read,
    type_ids,
)
from tests.testapp import models as t

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

EXAMPLES = int(os.environ.get("TEST_MERGE_EXAMPLES", "40"))
GUEST, ACCOUNT, OTHERS = UUID(int=1), UUID(int=2), (UUID(int=3), UUID(int=4))
# Most of what there is belongs to one of the two, or nothing would ever be in the way.
users = st.sampled_from([GUEST, GUEST, GUEST, ACCOUNT, ACCOUNT, ACCOUNT, *OTHERS])
few = st.integers(1, 2)
maybe_users = st.none() | users
keys = st.integers(1, 4)
maybe_keys = st.none() | keys
days = st.none() | few.map(lambda day: datetime(2026, 1, day, tzinfo=UTC))
types = st.sampled_from(["User", "Buyer", "Customer", "LoyaltyCard", "Order"])


def rows(model: Any, **columns: Any) -> Any:
    return st.tuples(st.just(model), st.fixed_dictionaries(columns))


#: What there may be; keys of tables that others point at are 1, 2, …, in the order of their making.
POSSIBLE: dict[str, Any] = {
    "note": rows(m.Note, author_id=users, editor_id=maybe_users),
    "cart": rows(
        m.CartItem, user_id=users, product=few, quantity=st.integers(0, 30), added_at=days
    ),
    "option": rows(m.Option, item_id=keys, chosen_by_id=maybe_users),
    "gift": rows(m.Gift, user_id=users, item_id=maybe_keys),
    "invoice": rows(m.Invoice, item_id=keys),
    "review": rows(m.Review, user_id=users, product=few),
    "order": rows(m.Order, user_id=users),
    "profile": rows(m.Profile, user_id=users),
    "card": rows(m.LoyaltyCard, user_id=users, code=st.none() | few),
    "stamp": rows(m.Stamp, card_id=users),
    "punch": rows(m.Punch, card_id=few),
    "customer": rows(
        m.Customer,
        user_ptr_id=users,
        number=st.sampled_from("1234"),
        advisor_id=maybe_users,
        partner_id=maybe_users,
    ),
    "contract": rows(m.Contract, customer_id=users),
    "member": rows(MEMBERS, team_id=few, user_id=users),
    "membership": rows(m.Membership, club_id=few, user_id=users, since=few),
    "remark": rows(m.Remark, content_type_id=types, object_id=users.map(str)),
    "label": rows(m.Remark, content_type_id=st.just("Address"), object_id=keys.map(str)),
    "like": rows(m.Like, kind_id=types, key=users, mood=few),
    "handle": rows(m.Handle, owner_id=users.map(lambda user: f"user-{user.int}")),
    "follow": rows(m.Follow, follower_id=users, followed_id=users),
    "referral": rows(m.Referral, by_id=users, of_id=maybe_users),
    "tie": rows(m.Tie, one_id=users, other_id=users),
    "comment": rows(m.Comment, user_id=users, above_id=maybe_keys, number=st.integers(1, 3)),
    "paper": rows(m.Paper, user_id=users, number=few),
    "thesis": rows(m.Thesis, paper_ptr_id=keys, reader_id=maybe_users),
    "plugin": rows(m.OwnPlugin, user_id=users),
    "address": rows(
        m.Address, user_id=users, label=st.sampled_from(["a", "A", "b"]), is_default=st.booleans()
    ),
    "seat": rows(m.Seat, user_id=maybe_users, number=st.none() | few),
    "slot": rows(m.Slot, user_id=users, number=few),
    "friend": rows(FRIENDS, from_user_id=users, to_user_id=users),
    "scribble": rows(t.Note, owner_id=users),
    "receipt": rows(t.Receipt, owner_id=users),
    "tagged": rows(TAGGED, tag_id=few, user_id=users),
    "invited": rows(User, id=users, invited_by_id=users),
}
#: What is more often of interest when it is there together.
CLUSTERS = (
    ("cart", "option", "gift", "invoice"),
    ("card", "stamp", "punch"),
    ("customer", "contract", "invited"),
    ("address", "label", "remark"),
    ("paper", "thesis"),
    *((name,) for name in POSSIBLE),
)


@st.composite
def contents(draw: Any) -> list[tuple[Any, Row]]:
    """Draw rows of a few tables."""
    clusters = draw(st.lists(st.sampled_from(CLUSTERS), min_size=1, max_size=3, unique=True))
    names = dict.fromkeys(name for cluster in clusters for name in cluster)
    found: list[tuple[Any, Row]] = []
    for name in sorted(names, key=list(POSSIBLE).index):
        found += draw(st.lists(POSSIBLE[name], min_size=1, max_size=5))
    return found


def rules_for(relation: Relation) -> Any:
    """Return the rules that the relation may have."""
    resolvers: list[Any] = [keep_existing_row, keep_existing_row, keep_anonymous_row, None]
    if relation.sums:
        resolvers += [add_up(relation.sums), add_up(relation.sums, at_most=7)]
    if relation.newest:
        resolvers.append(keep_newest(relation.newest))
    options: list[Any] = [
        *(MergeRule(relation.name, combine, on_conflict=resolver) for resolver in resolvers),
        MergeRule(relation.name, keep_existing),
        MergeRule(relation.name, keep_anonymous),
    ]
    if not relation.is_key:
        options.append(MergeRule(relation.name, leave("It is not his.")))
    return st.none() | st.sampled_from(options)


def fill(wanted: list[tuple[Any, Row]]) -> list[str]:
    """Make the rows that the constraints allow, and what they hang on; returns the tables that have some."""
    names = [(GUEST, True), *((pk, False) for pk in (ACCOUNT, *OTHERS))]
    User.objects.bulk_create(
        User(pk=pk, username=f"user-{pk.int}", is_guest=is_guest) for pk, is_guest in names
    )
    for number in (1, 2):
        m.Team.objects.create(pk=number)
        m.Club.objects.create(pk=number)
        t.Tag.objects.create(pk=number, name=str(number))
    world: World = {name: {} for name in TABLES}
    world["testapp.User"] = read(["testapp.User"])["testapp.User"]
    for model, drawn in wanted:
        _make(world, model, dict(drawn))
    return [name for name, rows in world.items() if rows]


def _make(world: World, model: Any, row: Row) -> None:
    table = TABLES[model._meta.label]
    rows = world[table.name]
    for column in ("content_type_id", "kind_id"):
        if column in row:
            named: Any = next(x for x in (User, *_types()) if x.__name__ == row[column])
            (row[column],) = type_ids((named,))
    if not _has_targets(world, row, model):
        return
    if model is User:
        rows[row["id"]]["invited_by_id"] = row["invited_by_id"]
        User.objects.filter(pk=row["id"]).update(invited_by_id=row["invited_by_id"])
        return
    key = table.model._meta.pk.attname if model is not m.Slot else None
    pk = (row["user_id"], row["number"]) if key is None else row.get(key, len(rows) + 1)
    values = [check(row) for check in table.keys]
    taken = any(
        value is not None and any(check(other) == value for other in rows.values())
        for check, value in zip(table.keys, values, strict=True)
    )
    if pk in rows or taken or not table.holds(row):
        return
    rows[pk] = row
    if key is None:
        m.Slot.objects.create(**row)
    else:
        row[key] = pk
        made = model(**row)
        made.save_base(
            raw=True, force_insert=True
        )  # of a child in multi-table inheritance its own row alone


def _types() -> tuple[Any, ...]:
    return (m.Buyer, m.Customer, m.LoyaltyCard, m.Order, m.Address)


def _has_targets(world: World, row: Row, model: Any) -> bool:
    for field in model._meta.local_concrete_fields:
        remote = field.related_model
        if remote is None or field.attname not in row or row[field.attname] is None:
            continue
        label = remote._meta.concrete_model._meta.label
        if label in world and field.target_field.attname != "username":
            target = field.target_field.attname
            there = (r.get(target, pk) for pk, r in world[label].items())
            if row[field.attname] not in there:
                return False
    return True


def test_the_world_knows_all_relations_of_the_test_models() -> None:
    ours = {"belongings", "testapp"}
    left_out = {
        "belongings.Statistic.user",
        "testapp.User.groups",
        "testapp.User.user_permissions",
    }
    found = {r.name for r in user_relations() if r.name.partition(".")[0] in ours}

    assert found - left_out == set(RELATIONS)


@pytest.mark.usefixtures("rules")
@settings(
    max_examples=EXAMPLES,
    derandomize="TEST_MERGE_EXAMPLES" not in os.environ,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    report_multiple_bugs=False,
)
@given(contents(), st.fixed_dictionaries({n: rules_for(r) for n, r in RELATIONS.items()}))
def test_a_merge_does_what_the_rules_say_and_the_preview_foretells_it(
    wanted: list[tuple[Any, Row]], drawn: dict[str, MergeRule | None]
) -> None:
    rules = {name: rule for name, rule in drawn.items() if rule is not None}
    RuledAdapter.rules = list(rules.values())
    with transaction.atomic():
        _check(rules, fill(wanted))
        transaction.set_rollback(True)


def _check(rules: dict[str, MergeRule], tables: list[str]) -> None:
    before = read(tables)
    guest, account = User.objects.get(pk=GUEST), User.objects.get(pk=ACCOUNT)
    order = [r.name for r in user_relations() if r.name in RELATIONS]
    expected = expect(before, guest, account, rules, order)

    preview = preview_merge(guest=guest, into=account)

    assert read(tables) == before
    if expected.conflict is not None:
        assert expected.conflict in {(c.relation, c.reason) for c in preview.conflicts}
        with pytest.raises(MergeConflict) as refusal:
            merge(guest=guest, into=account)
        assert refusal.value.conflicts == preview.conflicts
        assert read(tables) == before
        return
    assert preview.conflicts == ()
    done = merge(guest=guest, into=account)
    assert _numbers(done) == expected.numbers
    assert done.relations == preview.relations
    assert read(tables) == expected.world
    connection.check_constraints()
    assert merge(guest=guest, into=account) == done


def _numbers(report: Any) -> dict[str, Numbers]:
    return {
        relation.name: Numbers(
            **{name: asdict(relation)[name] for name in Numbers.__dataclass_fields__}
        )
        for relation in report.relations
    }

"""What each rule does to the rows of both sides."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db.models import QuerySet, Sum

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
from tests.belongings import models as m
from tests.merging.world import read

pytestmark = pytest.mark.django_db
User: Any = get_user_model()
Customer: Any = m.Customer
CART = "belongings.CartItem.user"


@pytest.fixture
def guest() -> Any:
    return User.objects.create_user("guest-1", is_guest=True)


@pytest.fixture
def account() -> Any:
    return User.objects.create_user("anna")


def carts(*items: tuple[Any, int, int]) -> None:
    for user, product, quantity in items:
        m.CartItem.objects.create(user=user, product=product, quantity=quantity)


def cart() -> dict[int, int]:
    return dict(m.CartItem.objects.values_list("product", "quantity"))


def merged(guest: Any, account: Any) -> Any:
    """Merge, and say that the preview said so; return the report of the first relation."""
    foretold = preview_merge(guest=guest, into=account)
    done = merge(guest=guest, into=account)
    assert foretold.relations == done.relations
    return done.relations[0]


def test_a_rule_that_only_offers_a_choice_makes_no_conflict_of_links(
    guest: Any, account: Any, rules: list[MergeRule]
) -> None:
    rules.append(MergeRule("belongings.Team.members", choice=True))
    both, his = m.Team.objects.create(), m.Team.objects.create()
    both.members.add(guest, account)
    his.members.add(guest)

    report = merged(guest, account)

    assert (report.moved, report.dropped_anonymous, len(report.choices)) == (1, 1, 3)
    assert [list(team.members.all()) for team in (both, his)] == [[account], [account]]


@pytest.mark.parametrize(
    ("strategy", "left"),
    [(keep_existing, {1: 3}), (keep_anonymous, {1: 2, 2: 1})],
)
def test_one_side_is_kept_and_the_other_dropped(
    guest: Any, account: Any, rules: list[MergeRule], strategy: Any, left: dict[int, int]
) -> None:
    rules.append(MergeRule(CART, strategy))
    carts((guest, 1, 2), (guest, 2, 1), (account, 1, 3))

    merged(guest, account)

    assert cart() == left


@pytest.mark.parametrize("strategy", [keep_existing, keep_anonymous])
def test_where_only_one_side_has_rows_they_are_the_accounts(
    guest: Any, account: Any, rules: list[MergeRule], strategy: Any
) -> None:
    rules.append(MergeRule(CART, strategy))
    carts((guest, 1, 2))
    m.Review.objects.create(user=account, product=1)

    merged(guest, account)

    assert m.CartItem.objects.get().user == account
    assert m.Review.objects.get().user == account


@pytest.mark.parametrize(
    ("resolver", "left"),
    [
        (keep_existing_row, {1: 3, 2: 1}),
        (keep_anonymous_row, {1: 2, 2: 1}),
        (add_up("quantity"), {1: 5, 2: 1}),
        (add_up("quantity", at_most=4), {1: 4, 2: 1}),
    ],
)
def test_two_rows_that_exclude_each_other_are_settled_by_the_resolver(
    guest: Any, account: Any, rules: list[MergeRule], resolver: Any, left: dict[int, int]
) -> None:
    rules.append(MergeRule(CART, combine, on_conflict=resolver))
    carts((guest, 1, 2), (guest, 2, 1), (account, 1, 3))

    merged(guest, account)

    assert cart() == left


@pytest.mark.parametrize(
    ("mine", "theirs", "kept"),
    [
        (2, 1, "guest"),
        (1, 2, "account"),
        (1, 1, "account"),
        (1, None, "guest"),
        (None, 1, "account"),
        (None, None, "account"),
    ],
)
def test_the_newest_row_is_kept_and_of_equal_ones_the_accounts(
    guest: Any,
    account: Any,
    rules: list[MergeRule],
    mine: int | None,
    theirs: int | None,
    kept: str,
) -> None:
    rules.append(MergeRule(CART, combine, on_conflict=keep_newest("added_at")))
    rows = {}
    for name, user, day in (("guest", guest, mine), ("account", account, theirs)):
        added = datetime(2026, 1, day, tzinfo=UTC) if day else None
        rows[name] = m.CartItem.objects.create(user=user, product=1, added_at=added)

    merged(guest, account)

    assert m.CartItem.objects.get().pk == rows[kept].pk


def test_a_guests_row_between_two_of_the_account_is_kept_only_if_it_is_newer_than_both(
    guest: Any, account: Any, rules: list[MergeRule]
) -> None:
    rules.append(MergeRule("belongings.Address.user", combine, on_conflict=keep_newest("id")))
    older = m.Address.objects.create(user=account, label="home")
    m.Address.objects.create(user=guest, label="home", is_default=True)
    newer = m.Address.objects.create(user=account, label="work", is_default=True)

    merged(guest, account)

    assert set(m.Address.objects.all()) == {older, newer}


def test_what_is_left_to_the_guest_goes_with_him(
    guest: Any, account: Any, rules: list[MergeRule]
) -> None:
    rules.append(MergeRule(CART, leave("It was his.")))
    rules.append(MergeRule("belongings.Remark.about", leave("It was about him.")))
    rules.append(MergeRule("belongings.Note.editor", leave("Somebody else has edited it.")))
    carts((guest, 1, 2), (account, 2, 1))
    m.Remark.objects.create(about=guest)
    note = m.Note.objects.create(author=account, editor_id=guest.pk)

    report = merged(guest, account)

    assert cart() == {2: 1}
    assert not m.Remark.objects.exists()
    note.refresh_from_db()
    assert note.editor is None
    assert (report.rule, report.dropped_anonymous) == ("leave", 1)


def test_a_link_to_oneself_that_a_constraint_forbids_goes_where_the_accounts_row_stays(
    guest: Any, account: Any
) -> None:
    m.Follow.objects.create(follower=guest, followed=account)
    m.Follow.objects.create(follower=account, followed=guest)
    bob = User.objects.create_user("bob")
    m.Follow.objects.create(follower=guest, followed=bob)

    merged(guest, account)

    assert list(m.Follow.objects.values_list("follower", "followed")) == [(account.pk, bob.pk)]


def test_an_empty_column_breaks_no_check_constraint(guest: Any, account: Any) -> None:
    m.Referral.objects.create(by=guest)

    merged(guest, account)

    assert m.Referral.objects.get().by == account


def test_the_same_two_users_in_the_other_order_are_the_same_pair(guest: Any, account: Any) -> None:
    bob = User.objects.create_user("bob")
    kept = m.Tie.objects.create(one=bob, other=account)
    m.Tie.objects.create(one=guest, other=bob)

    merged(guest, account)

    assert list(m.Tie.objects.all()) == [kept]


def test_what_hangs_on_a_profile_stays_with_the_one_that_is_kept(guest: Any, account: Any) -> None:
    for user, code in ((guest, 1), (account, 2)):
        card = m.LoyaltyCard.objects.create(user=user, code=code)
        m.Stamp.objects.create(card=card)
        m.Punch.objects.create(card=card)

    done = {r.name: r for r in merge(guest=guest, into=account).relations}

    assert set(m.Stamp.objects.values_list("card", flat=True)) == {account.pk}
    assert m.Stamp.objects.count() == 2
    assert m.LoyaltyCard.objects.get().code == 2
    assert m.Punch.objects.get().card_id == 2
    assert done["belongings.LoyaltyCard.user"].also_dropped == 1


def test_a_profile_of_the_guest_takes_the_place_of_the_accounts(
    guest: Any, account: Any, rules: list[MergeRule]
) -> None:
    rules.append(MergeRule("belongings.LoyaltyCard.user", keep_anonymous))
    rules.append(MergeRule("belongings.Customer.user_ptr", keep_anonymous))
    for user, code in ((guest, 1), (account, 2)):
        m.Stamp.objects.create(card=m.LoyaltyCard.objects.create(user=user, code=code))
        customer = Customer(user_ptr=user, number=str(code))
        customer.save_base(raw=True)
        m.Contract.objects.create(customer=customer)

    merged(guest, account)

    assert m.LoyaltyCard.objects.get().code == 1
    assert m.Stamp.objects.filter(card_id=account.pk).count() == 2
    assert m.Contract.objects.filter(customer_id=account.pk).count() == 2
    assert Customer.objects.get().number == "1"
    assert set(User.objects.all()) == {account}


@pytest.mark.parametrize("strategy", [keep_existing, keep_anonymous, combine])
def test_no_user_is_deleted_because_he_points_at_a_guest(
    guest: Any, account: Any, rules: list[MergeRule], strategy: Any
) -> None:
    resolver = keep_anonymous_row if strategy is combine else None
    rules.append(MergeRule("belongings.Customer.partner", strategy, on_conflict=resolver))
    for name, partner in (("bob", guest), ("carl", account)):
        Customer.objects.create(username=name, number=name, partner=partner)

    merged(guest, account)

    kept = "carl" if strategy is keep_existing else "bob"
    assert Customer.objects.get(partner=account).username == kept
    assert Customer.objects.count() == 2


# --- callables


def double(anonymous: QuerySet[Any], existing: QuerySet[Any]) -> None:
    total = anonymous.aggregate(total=Sum("quantity"))["total"]
    existing.update(quantity=total * 2)
    anonymous.filter(product=1).delete()


def drop_existing(anonymous: QuerySet[Any], existing: QuerySet[Any]) -> None:
    existing.delete()


def test_a_callable_does_what_it_wants_and_the_rest_is_moved(
    guest: Any, account: Any, rules: list[MergeRule]
) -> None:
    rules.append(MergeRule(CART, double))
    carts((guest, 1, 2), (guest, 2, 1), (account, 1, 3))
    assert preview_merge(guest=guest, into=account).relations[0].rule == "custom"

    (report,) = merge(guest=guest, into=account).relations

    assert cart() == {1: 6, 2: 1}
    numbers = (report.anonymous, report.existing, report.moved)
    assert numbers == (2, 1, 1)
    assert (report.dropped_anonymous, report.dropped_existing) == (1, 0)


def test_a_callable_for_conflicts_gets_only_the_rows_in_question(
    guest: Any, account: Any, rules: list[MergeRule]
) -> None:
    asked: list[Any] = []

    def resolver(anonymous: QuerySet[Any], existing: QuerySet[Any]) -> None:
        asked.append((set(anonymous), set(existing)))
        existing.delete()

    rules.append(MergeRule(CART, combine, on_conflict=resolver))
    mine, theirs = (m.CartItem.objects.create(user=user, product=1) for user in (guest, account))
    carts((guest, 2, 1), (account, 3, 1))

    (report,) = merge(guest=guest, into=account).relations

    assert asked == [({mine}, {theirs})]
    assert cart() == {1: 1, 2: 1, 3: 1}
    assert (report.conflicts, report.moved, report.dropped_existing) == (1, 2, 1)


def test_a_callable_for_conflicts_is_not_asked_without_one(
    guest: Any, account: Any, rules: list[MergeRule]
) -> None:
    def never(anonymous: QuerySet[Any], existing: QuerySet[Any]) -> None:
        raise AssertionError

    rules.append(MergeRule(CART, combine, on_conflict=never))
    carts((guest, 1, 1), (account, 2, 1))

    merge(guest=guest, into=account)

    assert cart() == {1: 1, 2: 1}


def idle(anonymous: QuerySet[Any], existing: QuerySet[Any]) -> None:
    pass


@pytest.mark.parametrize(
    "rule", [MergeRule(CART, idle), MergeRule(CART, combine, on_conflict=idle)]
)
def test_what_a_callable_leaves_in_conflict_is_a_conflict(
    guest: Any, account: Any, rules: list[MergeRule], rule: MergeRule
) -> None:
    rules.append(rule)
    carts((guest, 1, 2), (account, 1, 3))
    before = read()

    with pytest.raises(MergeConflict) as refusal:
        merge(guest=guest, into=account)

    (conflict,) = refusal.value.conflicts
    assert (conflict.relation, conflict.reason, conflict.count) == (CART, "unique", 1)
    assert read() == before


def test_a_callable_that_leaves_a_row_which_a_check_forbids_is_refused(
    guest: Any, account: Any, rules: list[MergeRule]
) -> None:
    rules.append(MergeRule("belongings.Referral.by", idle))
    m.Referral.objects.create(by=guest, of=account)

    with pytest.raises(MergeConflict) as refusal:
        merge(guest=guest, into=account)

    (conflict,) = refusal.value.conflicts
    assert (conflict.reason, conflict.constraints) == ("check", ("one_other_referral",))


def test_an_error_in_a_callable_is_the_projects_and_changes_nothing(
    guest: Any, account: Any, rules: list[MergeRule]
) -> None:
    def failing(anonymous: QuerySet[Any], existing: QuerySet[Any]) -> None:
        anonymous.delete()
        raise ZeroDivisionError

    rules.append(MergeRule(CART, failing))
    carts((guest, 1, 2))
    before = read()

    with pytest.raises(ZeroDivisionError):
        merge(guest=guest, into=account)

    assert read() == before


def test_a_callable_that_deletes_the_account_is_refused(
    guest: Any, account: Any, rules: list[MergeRule]
) -> None:
    rules.append(MergeRule("belongings.Customer.user_ptr", drop_existing))
    for user in (guest, account):
        Customer(user_ptr=user, number=user.username).save_base(raw=True)
    before = read()

    with pytest.raises(MergeConflict):
        merge(guest=guest, into=account)

    assert read() == before

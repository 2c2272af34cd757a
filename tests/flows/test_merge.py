"""A guest is merged into an account: the story, what refuses it, and what it leaves behind."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from anonauth.adapter import Adapter
from anonauth.exceptions import (
    InvalidInput,
    MergeConflict,
    NotAnonymous,
    PermanentUserRequired,
    UserInactive,
    UserNotFound,
)
from anonauth.flows.merge import merge, preview_merge
from anonauth.flows.sweep import sweep
from anonauth.merge_rules import MergeRule, combine, keep_existing, keep_existing_row, leave
from anonauth.merging.report import MergeReport, RelationReport, RowConflict
from anonauth.models import DailyTally, MergeRecord, PendingUpgrade, SignInKey
from anonauth.signals import guest_merged
from tests.belongings import models as m
from tests.merging.world import read
from tests.signals import connected
from tests.testapp.models import Receipt

if TYPE_CHECKING:
    from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

pytestmark = pytest.mark.django_db
User: Any = get_user_model()


@pytest.fixture
def guest() -> Any:
    return User.objects.create_user(
        "guest-1", is_guest=True, guest_since=timezone.now() - timedelta(days=2)
    )


@pytest.fixture
def account() -> Any:
    return User.objects.create_user("anna")


def relation(report: MergeReport, name: str) -> RelationReport:
    return next(found for found in report.relations if found.name == name)


def test_what_is_the_guests_becomes_the_accounts_and_the_guest_is_gone(
    guest: Any, account: Any
) -> None:
    m.CartItem.objects.create(user=guest, product=1, quantity=2)
    m.CartItem.objects.create(user=account, product=1, quantity=3)
    m.CartItem.objects.create(user=guest, product=2)
    m.Order.objects.create(user=guest)
    m.Profile.objects.create(user=guest, color="red")
    m.Profile.objects.create(user=account, color="blue")
    foretold = preview_merge(guest=guest, into=account)

    report = merge(guest=guest, into=account)

    assert set(m.CartItem.objects.values_list("user", "product", "quantity")) == {
        (account.pk, 1, 5),
        (account.pk, 2, 1),
    }
    assert m.Order.objects.get().user == account
    assert m.Profile.objects.get().color == "blue"
    assert set(User.objects.all()) == {account}
    assert (report.guest_id, report.account_id) == (str(guest.pk), str(account.pk))
    assert report.relations == foretold.relations
    assert relation(report, "belongings.CartItem.user") == RelationReport(
        name="belongings.CartItem.user",
        label="cart items",
        rule="combine",
        anonymous=2,
        existing=1,
        moved=1,
        conflicts=1,
        dropped_anonymous=1,
        dropped_existing=0,
        choices=("keep_existing", "keep_anonymous", "combine"),
    )
    assert relation(report, "belongings.Profile.user").dropped_anonymous == 1


def test_relations_without_rows_of_the_guest_are_not_reported(guest: Any, account: Any) -> None:
    m.Order.objects.create(user=account)

    report = merge(guest=guest, into=account)

    assert report.relations == ()
    assert report.is_empty


def test_what_was_never_to_be_moved_ends_with_the_guest(guest: Any, account: Any) -> None:
    guest.groups.add(Group.objects.create(name="staff"))
    guest.user_permissions.add(Permission.objects.all()[0])
    PendingUpgrade.objects.create(
        user=guest, method="email", target="a@example.org", expires_at=timezone.now()
    )
    SignInKey.objects.create(key_hash="x", user=guest, expires_at=timezone.now())

    report = merge(guest=guest, into=account)

    assert report.relations == ()
    account.refresh_from_db()
    assert not account.groups.exists()
    assert not account.user_permissions.exists()
    assert not PendingUpgrade.objects.exists()
    assert not SignInKey.objects.exists()


def test_users_who_point_at_the_guest_point_at_the_account_and_nobody_at_himself(
    guest: Any, account: Any
) -> None:
    bob = User.objects.create_user("bob", invited_by=guest)
    User.objects.filter(pk__in=[account.pk, guest.pk]).update(invited_by=guest)
    guest.friends.add(account, bob)

    report = merge(guest=guest, into=account)

    assert dict(User.objects.values_list("username", "invited_by")) == {
        "anna": None,
        "bob": account.pk,
    }
    assert set(account.friends.all()) == {bob}
    invited = relation(report, "testapp.User.invited_by")
    assert (invited.anonymous, invited.moved, invited.dropped_anonymous) == (2, 1, 1)


# --- refusals


def test_a_stranger_an_account_and_who_is_banned_are_no_guests(guest: Any, account: Any) -> None:
    bob = User.objects.create_user("bob")
    for act in (merge, preview_merge):
        with pytest.raises(UserNotFound):
            act(guest=User(), into=account)
        with pytest.raises(NotAnonymous):
            act(guest=bob, into=account)
        with pytest.raises(NotAnonymous):
            act(guest=account, into=account)
    User.objects.filter(pk=guest.pk).update(is_active=False)
    for act in (merge, preview_merge):
        with pytest.raises(UserInactive):
            act(guest=guest, into=account)
    assert User.objects.count() == 3


def test_nobody_a_guest_and_who_is_banned_are_no_accounts(guest: Any, account: Any) -> None:
    other = User.objects.create_user("guest-2", is_guest=True)
    for act in (merge, preview_merge):
        with pytest.raises(UserNotFound):
            act(guest=guest, into=User())
        with pytest.raises(PermanentUserRequired):
            act(guest=guest, into=other)
        with pytest.raises(PermanentUserRequired):
            act(guest=guest, into=guest)
    User.objects.filter(pk=account.pk).update(is_active=False)
    for act in (merge, preview_merge):
        with pytest.raises(UserInactive):
            act(guest=guest, into=account)
    assert not MergeRecord.objects.exists()


def test_what_the_instances_say_is_not_believed(guest: Any, account: Any) -> None:
    User.objects.filter(pk=guest.pk).update(is_guest=False)
    assert guest.is_guest

    with pytest.raises(NotAnonymous):
        merge(guest=guest, into=account)


@pytest.mark.parametrize(
    "choices",
    [
        {"belongings.CartItem.user": "leave"},
        {"belongings.CartItem.user": ""},
        {"belongings.CartItem.user": ["combine"]},
        {"belongings.Order.user": "keep_existing"},
        {"belongings.Nothing.user": "combine"},
        {"testapp.User.groups": "combine"},
    ],
)
def test_a_choice_that_no_rule_offers_is_refused(
    guest: Any, account: Any, choices: dict[str, Any]
) -> None:
    for act in (merge, preview_merge):
        with pytest.raises(InvalidInput) as refusal:
            act(guest=guest, into=account, choices=choices)
        assert set(refusal.value.fields) == {f"choices.{name}" for name in choices}
    assert User.objects.count() == 2


@pytest.mark.parametrize(
    ("choice", "quantities"),
    [("keep_existing", {1: 3}), ("keep_anonymous", {1: 2, 2: 1}), ("combine", {1: 5, 2: 1})],
)
def test_the_person_chooses_where_the_rule_lets_him(
    guest: Any, account: Any, choice: str, quantities: dict[int, int]
) -> None:
    m.CartItem.objects.create(user=guest, product=1, quantity=2)
    m.CartItem.objects.create(user=guest, product=2)
    m.CartItem.objects.create(user=account, product=1, quantity=3)
    choices = {"belongings.CartItem.user": choice}
    foretold = preview_merge(guest=guest, into=account, choices=choices)

    report = merge(guest=guest, into=account, choices=choices)

    assert dict(m.CartItem.objects.values_list("product", "quantity")) == quantities
    assert relation(report, "belongings.CartItem.user").rule == choice
    assert foretold.relations == report.relations


def test_a_conflict_without_a_rule_names_the_rows_and_changes_nothing(
    guest: Any, account: Any, rules: list[MergeRule]
) -> None:
    mine, theirs = (m.Review.objects.create(user=user, product=1) for user in (guest, account))
    m.Order.objects.create(user=guest)
    before = read()
    foretold = preview_merge(guest=guest, into=account)

    with pytest.raises(MergeConflict) as refusal:
        merge(guest=guest, into=account)

    conflict = RowConflict(
        "belongings.Review.user",
        "unique",
        ("user_product",),
        1,
        (str(mine.pk),),
        (str(theirs.pk),),
    )
    assert refusal.value.conflicts == foretold.conflicts == (conflict,)
    assert not foretold.can_merge
    assert read() == before
    assert not MergeRecord.objects.exists()


def test_all_conflicts_are_told_at_once_and_of_many_rows_the_first(
    guest: Any, account: Any, rules: list[MergeRule]
) -> None:
    for user in (guest, account):
        m.Review.objects.bulk_create(m.Review(user=user, product=n) for n in range(30))
        m.CartItem.objects.create(user=user, product=1)
    m.Referral.objects.create(by=guest, of=account)

    with pytest.raises(MergeConflict) as refusal:
        merge(guest=guest, into=account)

    conflicts = {conflict.relation: conflict for conflict in refusal.value.conflicts}
    assert {name: conflict.reason for name, conflict in conflicts.items()} == {
        "belongings.CartItem.user": "unique",
        "belongings.Referral.by": "check",
        "belongings.Review.user": "unique",
    }
    reviews = conflicts["belongings.Review.user"]
    assert (reviews.count, len(reviews.anonymous), len(reviews.existing)) == (30, 20, 20)
    assert conflicts["belongings.Referral.by"].constraints == ("one_other_referral",)


def test_rows_that_keep_a_dropped_one_from_being_deleted_are_a_conflict(
    guest: Any, account: Any, rules: list[MergeRule]
) -> None:
    rules.append(MergeRule("belongings.CartItem.user", combine, on_conflict=keep_existing_row))
    item = m.CartItem.objects.create(user=guest, product=1)
    m.CartItem.objects.create(user=account, product=1)
    m.Invoice.objects.create(item=item)
    before = read()
    foretold = preview_merge(guest=guest, into=account)

    with pytest.raises(MergeConflict) as refusal:
        merge(guest=guest, into=account)

    conflict = RowConflict("belongings.CartItem.user", "protected", ("belongings.Invoice.item",), 1)
    assert refusal.value.conflicts == foretold.conflicts == (conflict,)
    assert read() == before


@pytest.mark.parametrize("name", ["belongings.Order.user", "testapp.Receipt.owner"])
def test_rows_that_keep_the_guest_from_being_deleted_cannot_be_left_to_him(
    guest: Any, account: Any, rules: list[MergeRule], name: str
) -> None:
    rules.append(MergeRule(name, leave("It was his.")))
    m.Order.objects.create(user=guest)
    Receipt.objects.create(owner=guest)
    foretold = preview_merge(guest=guest, into=account)

    with pytest.raises(MergeConflict) as refusal:
        merge(guest=guest, into=account)

    assert (
        refusal.value.conflicts
        == foretold.conflicts
        == (RowConflict(name, "protected", (name,), 1),)
    )
    assert User.objects.count() == 2


def test_what_goes_along_with_dropped_rows_is_foretold(
    guest: Any, account: Any, rules: list[MergeRule]
) -> None:
    rules.append(MergeRule("belongings.CartItem.user", keep_existing))
    m.CartItem.objects.create(user=account, product=1)
    item = m.CartItem.objects.create(user=guest, product=1)
    m.Option.objects.create(item=item)
    m.Option.objects.create(item=item, chosen_by=guest)
    gift = m.Gift.objects.create(item=item, user=guest)
    foretold = preview_merge(guest=guest, into=account)

    report = merge(guest=guest, into=account)

    assert relation(report, "belongings.CartItem.user").also_dropped == 2
    assert "belongings.Option.chosen_by" not in {r.name for r in report.relations}
    assert foretold.relations == report.relations
    assert not m.Option.objects.exists()
    gift.refresh_from_db()
    assert (gift.item, gift.user) == (None, account)


def test_an_error_of_the_database_that_nobody_foresaw_is_a_conflict_that_changes_nothing(
    guest: Any, account: Any, settings: Settings
) -> None:
    m.CartItem.objects.create(user=guest, product=1)
    before = read()
    settings.ANONAUTH_ADAPTER = f"{__name__}.ClumsyAdapter"

    with pytest.raises(MergeConflict) as refusal:
        merge(guest=guest, into=account)

    (conflict,) = refusal.value.conflicts
    assert (conflict.relation, conflict.reason) == ("", "constraint")
    assert read() == before


class ClumsyAdapter(Adapter):
    def merge_user(self, guest: Any, account: Any) -> None:
        account.username = guest.username
        account.save(update_fields=["username"])


# --- what it leaves behind


def test_the_record_says_who_when_how_and_how_many(guest: Any, account: Any) -> None:
    helper = User.objects.create_user("helper")
    m.Order.objects.create(user=guest)
    before = timezone.now()

    report = merge(guest=guest, into=account, method="support", actor=helper)

    record = MergeRecord.objects.get()
    assert (record.guest_id, record.account, record.actor) == (str(guest.pk), account, helper)
    assert record.method == "support"
    assert before <= record.merged_at <= timezone.now()
    assert record.report["relations"][0]["moved"] == 1
    assert record.report["merged_at"].endswith("Z")
    assert MergeReport.from_dict(record.report) == report


def test_a_record_with_another_notation_of_the_time_is_read(guest: Any, account: Any) -> None:
    report = merge(guest=guest, into=account)
    record = MergeRecord.objects.get()
    record.report["merged_at"] = record.merged_at.isoformat()
    assert record.report["merged_at"].endswith("+00:00")
    record.save()

    assert merge(guest=guest, into=account) == report


def test_records_are_forgotten_after_their_time(guest: Any, account: Any, settings: Any) -> None:
    merge(guest=guest, into=account)

    assert "anonauth.MergeRecord" not in sweep(database="default").rows
    MergeRecord.objects.update(merged_at=timezone.now() - timedelta(days=364))
    assert "anonauth.MergeRecord" not in sweep(database="default").rows
    settings.ANONAUTH_MERGE_RECORD_RETENTION = timedelta(days=363)
    assert sweep(database="default").rows == {"anonauth.MergeRecord": 1}
    assert not MergeRecord.objects.exists()


def test_a_second_merge_into_the_same_account_is_the_first(guest: Any, account: Any) -> None:
    m.Order.objects.create(user=guest)
    first = merge(guest=guest, into=account)

    assert merge(guest=guest, into=account) == first
    assert preview_merge(guest=guest, into=account) == first
    assert MergeRecord.objects.count() == 1
    with pytest.raises(UserNotFound):
        merge(guest=guest, into=User.objects.create_user("bob"))


@pytest.mark.django_db(transaction=True)
def test_everybody_is_told_after_the_commit(
    guest: Any, account: Any, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[dict[str, Any]] = []

    def receiver(**facts: Any) -> None:
        told.append({**facts, "row": User.objects.filter(pk=facts["guest_id"]).exists()})

    m.Order.objects.create(user=guest)
    with connected(guest_merged, receiver), caplog.at_level(logging.INFO, "anonauth.audit"):
        report = merge(guest=guest, into=account, method="password")
        merge(guest=guest, into=account, method="password")

    (facts,) = told
    assert facts["sender"] is User
    assert (facts["user"], facts["guest_id"]) == (account, str(guest.pk))
    assert (facts["report"], facts["method"], facts["row"]) == (report, "password", False)
    (entry,) = [r.anonauth for r in caplog.records if r.name == "anonauth.audit"]  # type: ignore[attr-defined]
    assert entry == {
        "event": "guest_merged",
        "user_id": str(guest.pk),
        "account_id": str(account.pk),
        "method": "password",
    }
    tallies = {(t.event, t.label): (t.day, t.count) for t in DailyTally.objects.all()}
    since = (timezone.now() - timedelta(days=2)).date()
    assert tallies["departed", "merged"] == (since, 1)
    assert tallies["merged", ""][1] == 1


def test_nobody_is_told_of_a_merge_that_is_rolled_back(
    guest: Any,
    account: Any,
    rules: list[MergeRule],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    for user in (guest, account):
        m.Review.objects.create(user=user, product=1)

    with django_capture_on_commit_callbacks() as callbacks, pytest.raises(MergeConflict):
        merge(guest=guest, into=account)

    assert callbacks == []
    assert not DailyTally.objects.exists()


class CopyingAdapter(Adapter):
    def merge_user(self, guest: Any, account: Any) -> None:
        # What was the guest's is the account's already, and both rows are still there.
        account.nickname = f"{guest.nickname} ({m.Order.objects.filter(user=account).count()})"
        account.save(update_fields=["nickname"])


def test_the_project_copies_what_it_wants_of_the_guests_own_columns(
    guest: Any, account: Any, settings: Settings
) -> None:
    settings.ANONAUTH_ADAPTER = f"{__name__}.CopyingAdapter"
    User.objects.filter(pk=guest.pk).update(nickname="Ada")
    m.Order.objects.create(user=guest)

    merge(guest=guest, into=account)

    account.refresh_from_db()
    assert account.nickname == "Ada (1)"


# --- what it costs


def statements(act: Any, **arguments: Any) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        act(**arguments)
    return [query["sql"] for query in queries]


def filled(rows: int, number: int) -> tuple[Any, Any]:
    """Make a guest and an account with so many rows in tables of several kinds, half of them in conflict."""
    guest = User.objects.create_user(f"guest-{number}", is_guest=True)
    account = User.objects.create_user(f"anna-{number}")
    teams = m.Team.objects.bulk_create(m.Team() for _ in range(rows))
    links: Any = m.Team.members.through
    for user, first in ((guest, 0), (account, rows // 2)):
        numbers = range(first, first + rows)
        items = m.CartItem.objects.bulk_create(
            m.CartItem(user=user, product=n, quantity=1) for n in numbers
        )
        m.Option.objects.bulk_create(m.Option(item=item, chosen_by=user) for item in items)
        m.Address.objects.bulk_create(m.Address(user=user, label=str(n)) for n in numbers)
        m.Note.objects.bulk_create(m.Note(author=user) for n in numbers)
        m.Slot.objects.bulk_create(m.Slot(user=user, number=n) for n in numbers)
        m.Comment.objects.bulk_create(m.Comment(user=user, number=n) for n in numbers)
        links.objects.bulk_create(links(user=user, team=team) for team in teams)
    return guest, account


def test_the_number_of_statements_does_not_depend_on_the_number_of_rows() -> None:
    merge(**dict(zip(("guest", "into"), filled(1, 0), strict=True)))  # warms caches
    numbers = {}
    for rows in (10, 1000):
        guest, account = filled(rows, rows)
        foretold = statements(preview_merge, guest=guest, into=account)
        done = statements(merge, guest=guest, into=account)
        numbers[rows] = (len(foretold), len(done))

    assert numbers[10] == numbers[1000]


def test_a_preview_only_reads_and_locks_nothing() -> None:
    guest, account = filled(4, 4)

    found = statements(preview_merge, guest=guest, into=account)

    assert found
    # With row-level security a comment comes first.
    assert {sql.rpartition("*/")[2].split()[0] for sql in found} == {"SELECT"}
    assert not [sql for sql in found if "FOR UPDATE" in sql or "FOR SHARE" in sql]

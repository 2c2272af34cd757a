"""Merges in parallel, with each other and with all else that may happen to a guest, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, connection, transaction

from anonauth.adapter import Adapter
from anonauth.exceptions import AnonauthError
from anonauth.flows.merge import merge
from anonauth.flows.purge import purge_guest
from anonauth.flows.upgrade import upgrade
from anonauth.models import MergeRecord
from tests.belongings.models import CartItem, Customer, Follow
from tests.races.threads import behind, together

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
User: Any = get_user_model()


def guest(number: int = 1) -> Any:
    return User.objects.create(pk=UUID(int=number), username=f"guest-{number}", is_guest=True)


def account(number: int = 10) -> Any:
    return User.objects.create(pk=UUID(int=number), username=f"account-{number}")


def lock(user: Any) -> Callable[[], Any]:
    return lambda: User.objects.select_for_update().get(pk=user.pk)


def trying(act: Callable[[], Any]) -> Callable[[], str]:
    """Return an act that tells how it ended: ``"done"``, or the code of the refusal."""

    def run() -> str:
        try:
            act()
        except AnonauthError as refusal:
            return refusal.code
        except IntegrityError:
            return "integrity_error"
        return "done"

    return run


def carts() -> dict[tuple[str, int], int]:
    return {
        (username, product): quantity
        for username, product, quantity in CartItem.objects.values_list(
            "user__username", "product", "quantity"
        )
    }


def test_a_guest_is_merged_into_one_of_two_accounts() -> None:
    source, first, second = guest(), account(10), account(11)
    CartItem.objects.create(user=source, product=1)

    ends = behind(
        lock(source),
        trying(lambda: merge(guest=source, into=first)),
        trying(lambda: merge(guest=source, into=second)),
    )

    assert ends == ["done", "user_not_found"]
    assert carts() == {("account-10", 1): 1}
    assert MergeRecord.objects.get().account == first


def test_two_guests_are_merged_into_one_account_and_both_carts_are_there() -> None:
    first, second, target = guest(1), guest(2), account()
    for user, quantity in ((first, 2), (second, 3), (target, 4)):
        CartItem.objects.create(user=user, product=1, quantity=quantity)

    ends = behind(
        lock(target),
        trying(lambda: merge(guest=first, into=target)),
        trying(lambda: merge(guest=second, into=target)),
    )

    assert ends == ["done", "done"]
    assert carts() == {("account-10", 1): 9}
    assert MergeRecord.objects.count() == 2


def test_the_same_merge_twice_at_once_happens_once_and_both_get_its_report() -> None:
    source, target = guest(), account()
    CartItem.objects.create(user=source, product=1)

    first, second = behind(
        lock(target),
        lambda: merge(guest=source, into=target),
        lambda: merge(guest=source, into=target),
    )

    assert first == second
    assert MergeRecord.objects.count() == 1


@pytest.mark.parametrize(
    ("merge_first", "ends"),
    [(True, ["done", "user_not_found"]), (False, ["not_anonymous", "done"])],
)
def test_of_a_merge_and_an_upgrade_the_first_one_counts(merge_first: bool, ends: list[str]) -> None:
    source, target = guest(), account()
    stale = User.objects.get(pk=source.pk)
    CartItem.objects.create(user=source, product=1)
    acts = [
        trying(lambda: merge(guest=source, into=target)),
        trying(lambda: upgrade(stale, method="email")),
    ]

    found = behind(lock(source), *(acts if merge_first else reversed(acts)))

    assert (found if merge_first else found[::-1]) == ends
    owner = "account-10" if merge_first else "guest-1"
    assert carts() == {(owner, 1): 1}
    assert User.objects.filter(is_guest=True).count() == 0


@pytest.mark.parametrize("merge_first", [True, False])
def test_of_a_merge_and_an_erasure_the_first_one_counts(merge_first: bool) -> None:
    source, target = guest(), account()
    CartItem.objects.create(user=source, product=1)
    acts = [
        trying(lambda: merge(guest=source, into=target)),
        trying(lambda: purge_guest(user_id=source.pk)),
    ]

    found = behind(lock(source), *(acts if merge_first else reversed(acts)))

    assert (found if merge_first else found[::-1]) == [
        "done" if merge_first else "user_not_found",
        "done",
    ]
    assert carts() == ({("account-10", 1): 1} if merge_first else {})
    assert User.objects.count() == 1


def test_what_another_request_commits_at_that_moment_is_merged_too() -> None:
    source, target = guest(), account()

    def add() -> None:
        CartItem.objects.create(user=source, product=1)
        # As its commit does: the foreign key is looked at, and holds the guest's row.
        connection.check_constraints()

    ends = behind(add, trying(lambda: merge(guest=source, into=target)))

    assert ends == ["done"]
    assert carts() == {("account-10", 1): 1}


def test_what_another_request_has_not_committed_when_the_guest_goes_is_refused() -> None:
    source, target = guest(), account()

    def add() -> None:
        with transaction.atomic():
            CartItem.objects.create(user=source, product=1)
            together(lambda: merge(guest=source, into=target))

    assert trying(add)() == "integrity_error"
    assert carts() == {}
    assert User.objects.get() == target


def test_what_another_request_adds_while_the_guest_is_merged_is_refused_and_not_lost_silently() -> (
    None
):
    source, target = guest(), account()  # the lower key is locked first

    ends = behind(
        lock(target),
        trying(lambda: merge(guest=source, into=target)),
        trying(lambda: CartItem.objects.create(user=source, product=1)),
    )

    assert ends == ["done", "integrity_error"]
    assert carts() == {}
    assert User.objects.get() == target


def test_what_another_request_was_just_changing_is_merged_as_it_became() -> None:
    source, target = guest(), account()
    CartItem.objects.create(user=source, product=1)

    behind(lambda: CartItem.objects.update(quantity=7), lambda: merge(guest=source, into=target))

    assert carts() == {("account-10", 1): 7}


def test_two_users_named_in_both_orders_never_wait_for_each_other() -> None:
    for _ in range(5):
        source, target = guest(), account()

        ends = together(
            trying(lambda g=source, a=target: merge(guest=g, into=a)),  # type: ignore[misc]
            trying(lambda g=target, a=source: merge(guest=g, into=a)),  # type: ignore[misc]
        )

        assert ends[0] == "done"
        # He is no guest, or whom he was to be merged into is gone.
        assert ends[1] in {"permanent_user_required", "user_not_found"}
        User.objects.all().delete()


@pytest.mark.slow
def test_guests_who_follow_each_other_are_merged_at_once() -> None:
    first, second, one, other = guest(1), guest(2), account(10), account(11)
    # Each has to change a row that the other one changes first; PostgreSQL notices after a second.
    there = Follow.objects.create(follower=first, followed=second)
    back = Follow.objects.create(follower=second, followed=first)
    rows = Follow.objects.select_for_update().filter(pk__in=[there.pk, back.pk])

    ends = behind(
        lambda: list(rows),
        trying(lambda: merge(guest=first, into=one)),
        trying(lambda: merge(guest=second, into=other)),
    )

    assert ends == ["done", "done"]
    assert set(Follow.objects.values_list("follower", "followed")) == {
        (one.pk, other.pk),
        (other.pk, one.pk),
    }


class Watching(Adapter):
    """Notes which users' rows another transaction could still change in the middle of a merge."""

    free: ClassVar[list[Any]] = []

    def merge_user(self, guest: Any, account: Any) -> None:
        def look() -> list[Any]:
            # What an UPDATE of the flag locks; foreign keys that point at the row do not keep it off.
            rows = User.objects.select_for_update(no_key=True, skip_locked=True).order_by("pk")
            with transaction.atomic():
                return [row.pk for row in rows]

        self.free[:] = together(look)[0]


def test_the_row_with_the_flag_is_locked_where_the_user_model_has_several_tables(
    settings: Any,
) -> None:
    source, target = (
        Customer(id=UUID(int=number), username=f"customer-{number}", number=str(number))
        for number in (1, 10)
    )
    source.save()
    target.save()
    User.objects.filter(pk=source.pk).update(is_guest=True)
    bystander = account(11)
    settings.AUTH_USER_MODEL = "belongings.Customer"
    settings.ANONAUTH_ADAPTER = f"{__name__}.Watching"

    merge(guest=source, into=target)

    assert Watching.free == [bystander.pk]

"""Staff purges guests, after having seen all that goes with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.test import Client

from anonauth.adapter import Adapter
from tests.admin.conftest import USERS, StaffMaker, act, said
from tests.testapp.models import Note, Receipt

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db
User: Any = get_user_model()


class HoldingAdapter(Adapter):
    """Holds whoever wrote a note that says so."""

    def can_purge(self, guests: QuerySet[Any]) -> QuerySet[Any]:
        return guests.exclude(note__text="keep")


def exists(user: Any) -> bool:
    return bool(User.objects.filter(pk=user.pk).exists())


def test_the_page_shows_what_goes_and_deletes_nothing(boss: Client, guest: Any) -> None:
    Note.objects.create(owner=guest, text="a shopping list")
    ann = User.objects.create_user("ann")

    page = act(boss, "purge_selected", guest, ann)

    text = page.content.decode()
    assert "a shopping list" in text
    assert "Notes: 1" in text
    assert "1 selected user is no guest and stays." in text
    assert exists(guest)
    assert Note.objects.count() == 1


def test_confirmed_it_deletes_the_guest_with_all_that_is_his_and_nobody_else(
    boss: Client, guest: Any
) -> None:
    Note.objects.create(owner=guest)
    ann = User.objects.create_user("ann")

    page = act(boss, "purge_selected", guest, ann, post="yes")

    assert said(page) == ["1 guest was purged."]
    assert (exists(guest), exists(ann), Note.objects.count()) == (False, True, 0)


def test_who_has_rows_that_must_be_kept_is_spared_and_the_others_go(
    boss: Client, guest: Any
) -> None:
    buyer = User.objects.create_user("buyer", is_guest=True)
    Receipt.objects.create(owner=buyer, number=77)

    asked = act(boss, "purge_selected", guest, buyer)
    page = act(boss, "purge_selected", guest, buyer, post="yes")

    assert "These rows must be kept; their guests stay:" in asked.content.decode()
    assert said(page) == ["1 guest was purged.", "1 guest was spared."]
    assert (exists(guest), exists(buyer)) == (False, True)


def test_whom_the_project_holds_is_shown_and_spared(
    boss: Client, guest: Any, settings: Settings
) -> None:
    settings.ANONAUTH_ADAPTER = "tests.admin.test_purge.HoldingAdapter"
    Note.objects.create(owner=guest, text="keep")

    asked = act(boss, "purge_selected", guest)
    page = act(boss, "purge_selected", guest, post="yes")

    assert "The project holds these guests" in asked.content.decode()
    assert "Yes, purge them" not in asked.content.decode()
    assert said(page) == ["1 guest was spared."]
    assert exists(guest)


def test_a_guest_who_was_upgraded_while_staff_read_the_page_stays(boss: Client, guest: Any) -> None:
    act(boss, "purge_selected", guest)
    User.objects.filter(pk=guest.pk).update(is_guest=False)

    page = act(boss, "purge_selected", guest, post="yes")

    assert said(page) == ["Select 1 to 100 guests; for more there is purge_anonymous."]
    assert exists(guest)


def test_more_than_can_be_read_on_a_page_are_refused(boss: Client) -> None:
    guests = [User(username=f"g{n}", password="!", is_guest=True) for n in range(101)]
    User.objects.bulk_create(guests)

    page = act(boss, "purge_selected", *guests, post="yes")

    assert "for more there is purge_anonymous" in said(page)[0]
    assert User.objects.guests().count() == 101


@pytest.mark.parametrize("permissions", [["view_user"], ["view_user", "change_user"]])
def test_staff_without_the_right_to_delete_users_cannot(
    permissions: list[str], staff: StaffMaker, guest: Any
) -> None:
    client = staff(*permissions)

    assert "purge_selected" not in client.get(USERS).content.decode()
    act(client, "purge_selected", guest, post="yes")

    assert exists(guest)


def test_staff_without_the_right_to_delete_what_goes_along_cannot(
    staff: StaffMaker, guest: Any
) -> None:
    Note.objects.create(owner=guest)
    client = staff("view_user", "delete_user")

    asked = act(client, "purge_selected", guest)
    page = act(client, "purge_selected", guest, post="yes")

    assert "your account may not delete" in asked.content.decode()
    assert "Yes, purge them" not in asked.content.decode()
    assert page.status_code == 403
    assert exists(guest)

    Note.objects.all().delete()
    act(client, "purge_selected", guest, post="yes")
    assert not exists(guest)


def test_another_site_cannot_make_staff_do_it_and_a_get_request_does_nothing(
    staff: StaffMaker, guest: Any
) -> None:
    client = staff("view_user", "delete_user", enforce_csrf_checks=True)

    assert act(client, "purge_selected", guest, post="yes").status_code == 403
    data = {"action": "purge_selected", "_selected_action": guest.pk, "post": "yes"}
    client.get(USERS, data, follow=True)

    assert exists(guest)

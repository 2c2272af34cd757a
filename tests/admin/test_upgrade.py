"""Staff upgrades a guest with an address that it vouches for."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.test import Client

from anonauth import registry
from anonauth.models import DailyTally
from tests.admin.conftest import USERS, StaffMaker, act, said
from tests.client import Api

pytestmark = pytest.mark.django_db
User: Any = get_user_model()
ADA = "ada@example.org"


def test_the_page_asks_for_an_address_and_changes_nothing(boss: Client, guest: Any) -> None:
    page = act(boss, "upgrade_selected", guest)

    assert page.status_code == 200
    assert 'type="email" name="email"' in page.content.decode()
    assert str(guest.pk) in page.content.decode()
    assert User.objects.get(pk=guest.pk).is_guest


def test_the_guest_is_permanent_has_the_address_and_nothing_of_before_opens_it(
    boss: Client, django_capture_on_commit_callbacks: Any
) -> None:
    api = Api()
    user = api.sign_in()
    guest = User.objects.get(pk=user["id"])
    guest.set_password("planted")
    guest.save()
    EmailAddress.objects.create(user=guest, email="mallory@example.org", verified=False)

    with django_capture_on_commit_callbacks(execute=True):
        page = act(boss, "upgrade_selected", guest, post="yes", email="Ada@Example.org")

    assert (
        said(page) == ["ada@example.org is a permanent user now."] or "permanent" in said(page)[0]
    )
    row = User.objects.get(pk=guest.pk)
    assert (row.is_guest, row.email, row.has_usable_password()) == (False, ADA, False)
    address = EmailAddress.objects.get(user=row)
    assert (address.email, address.verified, address.primary) == (ADA, True, True)
    assert api.get("user/").json()["code"] == "token_revoked"
    assert DailyTally.objects.get(event="upgraded").label == "admin"
    entry = LogEntry.objects.get(object_id=str(guest.pk))
    assert entry.user.username == "boss"


def test_an_address_of_an_account_is_refused_and_the_guest_stays(boss: Client, guest: Any) -> None:
    owner = User.objects.create_user("ada", email=ADA)
    EmailAddress.objects.create(user=owner, email=ADA, verified=True)

    page = act(boss, "upgrade_selected", guest, post="yes", email=ADA)

    assert "An account has this address" in page.content.decode()
    assert User.objects.get(pk=guest.pk).is_guest
    assert not EmailAddress.objects.filter(user=guest).exists()


@pytest.mark.parametrize("email", ["", "ada", "ada@", "a" * 250 + "@example.org"])
def test_what_is_no_address_is_refused(email: str, boss: Client, guest: Any) -> None:
    page = act(boss, "upgrade_selected", guest, post="yes", email=email)

    assert "errorlist" in page.content.decode()
    assert User.objects.get(pk=guest.pk).is_guest


def test_it_is_for_one_guest_at_a_time(boss: Client, guest: Any) -> None:
    other = User.objects.create_user("other", is_guest=True)
    ann = User.objects.create_user("ann")

    for selected in ([guest, other], [ann]):
        page = act(boss, "upgrade_selected", *selected, post="yes", email=ADA)
        assert said(page) == ["Select one guest."]

    assert User.objects.guests().count() == 2
    assert not EmailAddress.objects.exists()


def test_a_banned_guest_is_not_upgraded(boss: Client, guest: Any) -> None:
    User.objects.filter(pk=guest.pk).update(is_active=False)

    page = act(boss, "upgrade_selected", guest, post="yes", email=ADA)

    assert said(page) == ["This user is not active."]
    assert User.objects.get(pk=guest.pk).is_guest


@pytest.mark.parametrize("permission", ["view_user", "delete_user", "add_user"])
def test_staff_without_the_right_to_change_users_cannot(
    permission: str, staff: StaffMaker, guest: Any
) -> None:
    client = staff(permission, "view_user") if permission != "view_user" else staff("view_user")

    assert "upgrade_selected" not in client.get(USERS).content.decode()
    act(client, "upgrade_selected", guest, post="yes", email=ADA)

    assert User.objects.get(pk=guest.pk).is_guest


def test_staff_with_the_right_to_change_users_can(staff: StaffMaker, guest: Any) -> None:
    client = staff("change_user")

    assert "upgrade_selected" in client.get(USERS).content.decode()
    act(client, "upgrade_selected", guest, post="yes", email=ADA)

    assert not User.objects.get(pk=guest.pk).is_guest


def test_another_site_cannot_make_staff_do_it(staff: StaffMaker, guest: Any) -> None:
    client = staff("change_user", enforce_csrf_checks=True)

    page = act(client, "upgrade_selected", guest, post="yes", email=ADA)

    assert page.status_code == 403
    assert User.objects.get(pk=guest.pk).is_guest


def test_a_get_request_does_nothing(boss: Client, guest: Any) -> None:
    data = {"action": "upgrade_selected", "_selected_action": guest.pk, "post": "yes", "email": ADA}

    boss.get(USERS, data, follow=True)

    assert User.objects.get(pk=guest.pk).is_guest


def test_a_guest_and_a_customer_see_nothing_of_the_admin(guest: Any) -> None:
    for user in (guest, User.objects.create_user("ann")):
        client = Client()
        client.force_login(user)
        for path in (USERS, "/admin/anonauth/dailytally/", "/admin/anonauth/pendingupgrade/"):
            assert client.get(path).status_code == 302
        assert act(client, "upgrade_selected", guest, post="yes", email=ADA).status_code == 200
    assert User.objects.get(pk=guest.pk).is_guest


@pytest.mark.parametrize(("email", "works"), [(ADA, True), ("nobody", False), ("ANN@x.org", False)])
def test_without_an_app_for_addresses_it_is_the_users_own_column(
    email: str, works: bool, boss: Client, guest: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anonauth.flows.vouch.address_writers", [])
    User.objects.create_user("ann", email="ann@x.org")
    assert registry.address_writers  # of allauth's app, which is installed here

    act(boss, "upgrade_selected", guest, post="yes", email=email)

    row = User.objects.get(pk=guest.pk)
    assert (row.is_guest, row.email) == ((False, ADA) if works else (True, ""))
    assert not EmailAddress.objects.exists()

"""Social accounts on allauth's pages: connected by a guest, or used by him to log in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from allauth.account.models import EmailAddress
from allauth.account.signals import user_logged_in, user_signed_up
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_out

from tests.contrib.allauth.people import (
    Guest,
    Person,
    account,
    assert_upgraded,
    code_in_mail,
    link_in_mail,
)
from tests.signals import connected
from tests.testapp.models import Note

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db
User = get_user_model()
NEW = "new@example.com"


@pytest.mark.parametrize("process", ["connect", "login"])
def test_a_guest_brings_a_social_account_and_stays_the_same_row(guest: Guest, process: str) -> None:
    answer = guest.dummy(process, 5, email=NEW, email_verified="on")

    assert answer["Location"] == "/"
    row = assert_upgraded(guest)
    assert SocialAccount.objects.get().user == row
    address = EmailAddress.objects.get()
    assert (address.email, address.verified, address.primary) == (NEW, True, True)
    assert row.email == NEW


def test_an_address_that_the_provider_did_not_verify_is_not_taken(guest: Guest) -> None:
    guest.dummy("connect", 5, email=NEW)

    assert_upgraded(guest)
    assert not EmailAddress.objects.exists()
    assert guest.row.email == ""


@pytest.mark.parametrize("listed", [True, False], ids=["listed", "made in the admin"])
def test_an_address_that_somebody_else_has_is_not_taken(guest: Guest, listed: bool) -> None:
    ann = account()
    if not listed:
        EmailAddress.objects.all().delete()

    guest.dummy("connect", 5, email="ann@example.com", email_verified="on")

    assert not guest.row.is_guest
    assert guest.row.email == ""
    assert not EmailAddress.objects.exclude(user=ann).exists()


def test_the_social_account_of_somebody_else_stays_his(guest: Guest) -> None:
    ann = account(uid=5)

    answer = guest.dummy("connect", 5)

    assert answer["Location"] == "/"
    assert SocialAccount.objects.get().user == ann
    assert guest.is_still_a_guest


def test_a_guest_logs_in_with_the_social_account_of_his_account(guest: Guest) -> None:
    ann = account(uid=5)

    guest.dummy("login", 5)

    assert guest.here == str(ann.pk)
    assert guest.row.is_guest


def test_a_login_by_social_account_is_a_sign_up_for_receivers(guest: Guest) -> None:
    heard: list[str] = []

    def signed_up(**kwargs: object) -> None:
        heard.append("signed up")

    def logged_in(**kwargs: object) -> None:
        heard.append("logged in")

    user_signed_up.connect(signed_up)
    user_logged_in.connect(logged_in)
    try:
        guest.dummy("login", 5, email=NEW, email_verified="on")
    finally:
        user_signed_up.disconnect(signed_up)
        user_logged_in.disconnect(logged_in)

    assert heard == ["signed up", "logged in"]


def test_a_project_that_deletes_guests_at_logout_does_not_lose_one_who_signs_up(
    guest: Guest,
) -> None:
    def delete(*, user: object, **kwargs: object) -> None:
        if getattr(user, "is_guest", False):
            User.objects.filter(pk=user.pk).delete()  # type: ignore[attr-defined]

    with connected(user_logged_out, delete):
        guest.dummy("login", 5, email=NEW, email_verified="on")

    assert_upgraded(guest)


def test_a_provider_without_an_address_leads_to_the_form_and_then_to_the_same_row(
    guest: Guest,
) -> None:
    answer = guest.dummy("login", 5)
    assert answer["Location"] == "/accounts/3rdparty/signup/"
    assert guest.get("/accounts/3rdparty/signup/").status_code == 200
    assert guest.is_still_a_guest

    answer = guest.post("/accounts/3rdparty/signup/", email=NEW)
    assert answer["Location"] == "/accounts/confirm-email/"
    assert guest.is_still_a_guest
    guest.post("/accounts/confirm-email/", code=code_in_mail())

    assert assert_upgraded(guest).email == NEW


def test_the_form_works_with_links_too(guest: Guest, links: None) -> None:
    guest.dummy("login", 5)
    guest.post("/accounts/3rdparty/signup/", email=NEW)
    assert guest.is_still_a_guest

    guest.post(link_in_mail())

    assert_upgraded(guest)


def test_the_form_is_the_end_where_no_verification_is_asked_for(
    guest: Guest, unverified: None
) -> None:
    guest.dummy("login", 5)

    guest.post("/accounts/3rdparty/signup/", email=NEW)

    assert_upgraded(guest)


def test_an_abandoned_form_leaves_the_guest_with_everything(guest: Guest) -> None:
    guest.dummy("login", 5)

    assert guest.is_still_a_guest
    assert guest.http.session["cart"] == [1, 2]
    assert guest.get("/accounts/email/").status_code == 200
    assert not SocialAccount.objects.exists()


def test_an_account_with_the_address_of_the_provider_is_not_taken_over(guest: Guest) -> None:
    ann = account()

    guest.dummy("login", 5, email="ann@example.com", email_verified="on")

    assert guest.is_still_a_guest
    assert not SocialAccount.objects.exists()
    assert EmailAddress.objects.get().user == ann


def test_where_addresses_log_in_a_guest_is_logged_in_by_his(
    guest: Guest, settings: Settings
) -> None:
    settings.SOCIALACCOUNT_EMAIL_AUTHENTICATION = True
    ann = account()

    guest.dummy("login", 5, email="ann@example.com", email_verified="on")

    assert guest.here == str(ann.pk)


def test_a_closed_sign_up_is_closed_to_guests_and_costs_them_nothing(
    guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.testapp.adapters import SocialAccountAdapter

    monkeypatch.setattr(SocialAccountAdapter, "is_open_for_signup", lambda *args: False)

    answer = guest.dummy("login", 5, email=NEW, email_verified="on")

    assert answer.status_code == 200
    assert guest.is_still_a_guest
    assert User.objects.count() == 1


def test_connecting_is_a_sign_up_too_and_closed_with_it(
    guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.testapp.adapters import SocialAccountAdapter

    monkeypatch.setattr(SocialAccountAdapter, "is_open_for_signup", lambda *args: False)

    answer = guest.dummy("connect", 5)

    assert b"Sign Up Closed" in answer.content
    assert guest.is_still_a_guest
    assert not SocialAccount.objects.exists()


def test_a_permanent_user_connects_while_sign_up_is_closed(
    visitor: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.testapp.adapters import SocialAccountAdapter

    monkeypatch.setattr(SocialAccountAdapter, "is_open_for_signup", lambda *args: False)
    visitor.http.force_login(account(), backend="django.contrib.auth.backends.ModelBackend")

    visitor.dummy("connect", 5)

    assert SocialAccount.objects.exists()


def test_who_has_nothing_to_be_asked_for_again_is_not_asked(
    guest: Guest, settings: Settings
) -> None:
    settings.ACCOUNT_REAUTHENTICATION_REQUIRED = True
    settings.SOCIALACCOUNT_REAUTHENTICATION_REQUIRED = True

    assert guest.dummy("connect", 5)["Location"] == "/"

    assert_upgraded(guest)


def test_a_guest_who_has_set_a_password_is_asked_for_it_again(
    guest: Guest, settings: Settings
) -> None:
    guest.post("/accounts/password/set/", password1="Zq9!kkdj2", password2="Zq9!kkdj2")
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = -1
    settings.ACCOUNT_REAUTHENTICATION_REQUIRED = True
    settings.SOCIALACCOUNT_REAUTHENTICATION_REQUIRED = True

    assert "/reauthenticate/" in guest.dummy("connect", 5)["Location"]

    assert guest.is_still_a_guest


def test_a_guest_who_was_purged_at_the_form_becomes_a_new_user(
    guest: Guest, unverified: None
) -> None:
    guest.dummy("login", 5)
    User.objects.all().delete()

    guest.post("/accounts/3rdparty/signup/", email=NEW)

    row = User.objects.get()
    assert str(row.pk) != guest.id
    assert not row.is_guest


def test_a_visitor_signs_up_as_ever(visitor: Person) -> None:
    visitor.dummy("login", 5, email=NEW, email_verified="on")

    row = User.objects.get()
    assert visitor.here == str(row.pk)
    assert row.upgraded_at is None


def test_the_last_social_account_of_an_upgraded_guest_cannot_be_taken_off(guest: Guest) -> None:
    guest.dummy("connect", 5)

    guest.post("/accounts/3rdparty/", account=SocialAccount.objects.get().pk)

    assert SocialAccount.objects.exists()


def test_the_session_data_survive_in_signed_cookies(settings: Settings) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    settings.INSTALLED_APPS = [a for a in settings.INSTALLED_APPS if "usersessions" not in a]
    guest = Guest()

    guest.dummy("connect", 5)

    assert not guest.row.is_guest
    assert guest.here == guest.id
    assert Note.objects.get().owner == guest.row

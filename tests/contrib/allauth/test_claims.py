"""Attacks with addresses that a guest claims and has not proved: pre-hijacking and squatting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.auth import get_user_model
from django.core import mail

from tests.client import Api
from tests.contrib.allauth.people import (
    PASSWORD,
    Guest,
    Person,
    code_in_mail,
    code_in_sms,
    link_in_mail,
)

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db
User = get_user_model()
VICTIM, EVIL, NUMBER = "victim@example.com", "evil@example.com", "+31612345678"


@pytest.fixture
def attacker(guest: Guest) -> Guest:
    return guest


@pytest.fixture
def victim(db: None) -> Person:
    return Person()


def claim(guest: Guest, email: str = VICTIM) -> None:
    guest.post("/accounts/email/", action_add="", email=email)


def sign_up(person: Person, email: str = VICTIM, password: str = PASSWORD, **more: str) -> None:
    person.post("/accounts/signup/", email=email, password1=password, **more)


def can_log_in(email: str, password: str) -> bool:
    person = Person()
    person.post("/accounts/login/", login=email, password=password)
    return person.here is not None


# --- the victim proves an address that the attacker claims


def test_a_link_opened_in_another_browser_ends_the_session_that_asked_for_it(
    attacker: Guest, victim: Person, links: None
) -> None:
    claim(attacker)

    victim.post(link_in_mail())

    row = User.objects.get()
    assert (row.is_guest, row.email) == (False, VICTIM)
    assert attacker.here is None
    assert victim.here is None


def test_looking_at_the_link_does_nothing(attacker: Guest, victim: Person, links: None) -> None:
    claim(attacker)

    assert victim.get(link_in_mail()).status_code == 200

    assert attacker.is_still_a_guest


def test_a_password_from_before_the_proof_by_somebody_else_is_void(
    attacker: Guest, victim: Person, links: None
) -> None:
    sign_up(attacker, password=PASSWORD)

    victim.post(link_in_mail())

    assert EmailAddress.objects.get().verified
    assert attacker.here is None
    assert not User.objects.get().has_usable_password()
    assert not can_log_in(VICTIM, PASSWORD)


def test_tokens_from_before_the_proof_are_dead(victim: Person, links: None) -> None:
    attacker = Guest()
    api = Api()
    api.http.cookies["sessionid"] = attacker.http.cookies["sessionid"].value
    api.http.get("/accounts/email/")
    tokens = api.post("anonymous/", {"credentials": "jwt"}).json()
    api = Api()
    api.tokens = {"access": tokens["access"], "refresh": tokens["refresh"]}
    assert api.get("user/").status_code == 200
    claim(attacker)

    victim.post(link_in_mail())

    assert api.get("user/").json()["code"] == "token_revoked"


def test_the_owner_of_the_mailbox_gets_in_afterwards(
    attacker: Guest, victim: Person, links: None
) -> None:
    sign_up(attacker)
    victim.post(link_in_mail())

    victim.post("/accounts/password/reset/", email=VICTIM)
    form = victim.http.get(link_in_mail(), follow=True).redirect_chain[-1][0]
    victim.post(form, password1="Mine!pw77x", password2="Mine!pw77x")

    assert can_log_in(VICTIM, "Mine!pw77x")
    assert not can_log_in(VICTIM, PASSWORD)


def test_a_second_address_of_the_attacker_opens_nothing_afterwards(
    attacker: Guest, victim: Person, links: None
) -> None:
    claim(attacker, EVIL)
    evil_link = link_in_mail()
    claim(attacker)

    victim.post(link_in_mail())
    attacker.post(evil_link)

    assert list(EmailAddress.objects.values_list("email", flat=True)) == [VICTIM]


def test_a_phone_number_of_the_attacker_opens_nothing_afterwards(
    attacker: Guest, victim: Person, links: None
) -> None:
    sign_up(attacker, phone=NUMBER)
    attacker.post("/accounts/phone/verify/", code=code_in_sms(NUMBER))
    assert User.objects.get().phone_verified

    victim.post(link_in_mail())

    row = User.objects.get()
    assert (row.is_guest, row.phone, row.phone_verified) == (False, None, False)


def test_a_second_factor_of_the_attacker_does_not_lock_the_owner_out(
    attacker: Guest, victim: Person, links: None
) -> None:
    claim(attacker)
    TOTP.activate(attacker.row, generate_totp_secret())

    victim.post(link_in_mail())

    assert not Authenticator.objects.exists()


def test_a_login_by_code_hands_nothing_to_the_attacker(attacker: Guest, victim: Person) -> None:
    sign_up(attacker, password=PASSWORD)
    victim.post("/accounts/login/code/", email=VICTIM)

    victim.post("/accounts/login/code/confirm/", code=code_in_mail())

    row = User.objects.get()
    assert (row.is_guest, victim.here) == (False, str(row.pk))
    assert attacker.here is None
    assert not row.has_usable_password()


def test_a_login_by_the_providers_address_hands_nothing_to_the_attacker(
    attacker: Guest, victim: Person, settings: Settings
) -> None:
    settings.SOCIALACCOUNT_EMAIL_AUTHENTICATION = True
    settings.SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True
    sign_up(attacker, password=PASSWORD)

    victim.dummy("login", 5, email=VICTIM, email_verified="on")

    assert victim.here is not None
    assert attacker.here != victim.here
    assert not User.objects.get(pk=victim.here).check_password(PASSWORD)


def test_a_guest_in_the_victims_browser_is_not_mistaken_for_the_one_who_asked(
    attacker: Guest, links: None
) -> None:
    sign_up(attacker)
    victim = Guest()

    victim.post(link_in_mail())

    assert attacker.here is None
    assert not attacker.row.has_usable_password()
    assert not attacker.row.is_guest
    assert victim.is_still_a_guest


def test_the_link_of_another_account_does_not_log_a_guest_out(guest: Guest, links: None) -> None:
    other = Guest()
    claim(other)
    link = link_in_mail()

    guest.get(link)
    assert guest.is_still_a_guest
    guest.post(link)
    assert guest.is_still_a_guest


# --- the same person on two devices


def test_who_signs_up_here_and_logs_in_there_proves_it_there_and_keeps_his_password(
    guest: Guest,
) -> None:
    sign_up(guest)
    there = Person()
    there.post("/accounts/login/", login=VICTIM, password=PASSWORD)
    assert there.here is None

    there.post("/accounts/confirm-email/", code=code_in_mail())

    row = User.objects.get()
    assert (row.is_guest, there.here) == (False, guest.id)
    assert row.check_password(PASSWORD)
    assert guest.here is None


# --- a claim reserves nothing


@pytest.mark.parametrize("by", ["code", "link"])
@pytest.mark.parametrize("claimed_by", ["sign-up", "e-mail page"])
def test_a_claim_does_not_keep_the_owner_from_signing_up(
    attacker: Guest, victim: Person, settings: Settings, by: str, claimed_by: str
) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = by == "code"
    (sign_up if claimed_by == "sign-up" else claim)(attacker)

    sign_up(victim, password="Mine!pw77x")
    if by == "code":
        victim.post("/accounts/confirm-email/", code=code_in_mail())
    else:
        victim.post(link_in_mail())

    assert can_log_in(VICTIM, "Mine!pw77x")
    assert attacker.is_still_a_guest
    assert attacker.row.email == ""


def test_a_claim_does_not_keep_the_owner_from_coming_with_his_provider(
    attacker: Guest, victim: Person
) -> None:
    sign_up(attacker)

    victim.dummy("login", 5, email=VICTIM, email_verified="on")

    assert victim.here not in {None, attacker.id}
    assert User.objects.get(pk=victim.here).email == VICTIM


def test_who_only_looks_an_address_up_takes_it_from_nobody(
    guest: Guest, visitor: Person, links: None
) -> None:
    claim(guest)

    visitor.post("/accounts/password/reset/", email=VICTIM)
    visitor.post("/accounts/login/", login=VICTIM, password="x")

    assert EmailAddress.objects.filter(user=guest.row, email=VICTIM).exists()


# --- password reset


@pytest.mark.parametrize("by_code", [True, False], ids=["code", "link"])
@pytest.mark.parametrize("claimed_by", ["sign-up", "e-mail page"])
def test_no_reset_is_mailed_for_an_address_that_a_guest_has_not_proved(
    attacker: Guest,
    victim: Person,
    links: None,
    settings: Settings,
    by_code: bool,
    claimed_by: str,
) -> None:
    settings.ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED = by_code
    (sign_up if claimed_by == "sign-up" else claim)(attacker)
    mail.outbox.clear()

    if by_code:
        body = {"email": VICTIM}
        victim.http.post(
            "/_allauth/browser/v1/auth/password/request", body, content_type="application/json"
        )
    else:
        victim.post("/accounts/password/reset/", email=VICTIM)

    (message,) = mail.outbox
    assert "Unknown Account" in message.subject
    assert "reset/key" not in message.body
    assert attacker.is_still_a_guest


def test_whoever_proved_his_address_recovers_without_ever_having_had_a_password(
    guest: Guest, visitor: Person
) -> None:
    claim(guest)
    guest.post("/accounts/confirm-email/", code=code_in_mail())

    visitor.post("/accounts/password/reset/", email=VICTIM)
    form = visitor.http.get(link_in_mail(), follow=True).redirect_chain[-1][0]
    visitor.post(form, password1=PASSWORD, password2=PASSWORD)

    assert User.objects.get().check_password(PASSWORD)


# --- sessions


def test_a_revoked_session_cannot_sign_its_guest_up(guest: Guest) -> None:
    # The entrance pages see nobody, so Django does not look at the hash of the session there.
    stolen = Person()
    stolen.http.cookies["sessionid"] = guest.http.cookies["sessionid"].value
    api = Api()
    api.http = guest.http
    api.http.get("/accounts/email/")
    User.objects.update(credentials_revoked_at="2026-01-01T00:00:00Z")

    sign_up(stolen, EVIL)

    row = User.objects.get(pk=guest.id)
    assert row.email == ""
    assert not row.has_usable_password()


def test_a_banned_guest_gets_in_by_no_proof(attacker: Guest, victim: Person, links: None) -> None:
    claim(attacker)
    User.objects.update(is_active=False)

    victim.post(link_in_mail())

    row = User.objects.get()
    assert (row.is_guest, row.is_active) == (True, False)
    assert not EmailAddress.objects.get().verified


def test_a_second_tab_does_not_overwrite_what_the_first_one_finished(guest: Guest) -> None:
    guest.dummy("login", 5)  # waits at the form
    session = dict(guest.http.session.items())
    claim(guest)
    guest.post("/accounts/confirm-email/", code=code_in_mail())
    assert not guest.row.is_guest
    assert session["socialaccount_sociallogin"]

    guest.post("/accounts/3rdparty/signup/", email=EVIL)

    assert User.objects.get(pk=guest.id).email == VICTIM

"""Passkeys and second factors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock, patch

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
    yield_hotp_counters_from_time,
)

from tests.contrib.allauth.people import (
    ASKED,
    PASSWORD,
    Guest,
    Person,
    account,
    assert_upgraded,
    code_in_mail,
)

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db


class Binding(bytes):
    """What a security key answers, as far as allauth looks at it."""

    passwordless = True

    def is_user_verified(self) -> bool:
        return self.passwordless


@contextmanager
def security_key(*, passwordless: bool) -> Iterator[str]:
    """Stand in for the device of the user, which no test has; yields what the browser posts."""
    binding = Binding(b"binding")
    binding.passwordless = passwordless
    parse = "allauth.mfa.webauthn.internal.auth.parse_registration_response"
    complete = "fido2.server.Fido2Server.register_complete"
    with patch(complete, return_value=binding), patch(parse, return_value=Mock()):
        yield json.dumps(
            {
                "authenticatorAttachment": "cross-platform",
                "clientExtensionResults": {"credProps": {"rk": passwordless}},
                "id": "123",
                "rawId": "456",
                "response": {"attestationObject": "", "clientDataJSON": "", "transports": []},
                "type": "public-key",
            }
        )


def add_key(guest: Guest, *, passwordless: bool) -> Any:
    with security_key(passwordless=passwordless) as credential:
        guest.get("/accounts/2fa/webauthn/add/")
        return guest.post("/accounts/2fa/webauthn/add/", name="key", credential=credential)


def totp_code(secret: str) -> str:
    return str(format_hotp_value(hotp_value(secret, next(yield_hotp_counters_from_time()))))


def test_a_guest_signs_up_with_a_passkey_and_stays_the_same_row(guest: Guest) -> None:
    guest.post("/accounts/signup/passkey/", email="new@example.com")
    assert guest.is_still_a_guest
    answer = guest.post("/accounts/confirm-email/", code=code_in_mail())
    # The address is proved, the way in is not at its end: he stays hidden from the rest of it.
    assert answer["Location"] == "/accounts/2fa/webauthn/signup/"
    assert not guest.row.is_guest
    assert guest.get("/accounts/2fa/webauthn/signup/").status_code == 200

    with security_key(passwordless=True) as credential:
        answer = guest.post("/accounts/2fa/webauthn/signup/", name="key", credential=credential)

    assert answer["Location"] == "/"
    assert_upgraded(guest)
    assert Authenticator.objects.filter(type="webauthn").count() == 1


def test_a_guest_who_leaves_before_the_passkey_is_signed_in_with_his_address(guest: Guest) -> None:
    guest.post("/accounts/signup/passkey/", email="new@example.com")
    guest.post("/accounts/confirm-email/", code=code_in_mail())

    assert_upgraded(guest)
    assert guest.get("/accounts/email/").status_code == 200


def test_a_passkey_with_which_one_can_log_in_upgrades(guest: Guest) -> None:
    assert add_key(guest, passwordless=True).status_code == 302

    assert_upgraded(guest)


def test_a_key_that_is_only_a_second_factor_upgrades_nobody(guest: Guest) -> None:
    add_key(guest, passwordless=False)

    assert Authenticator.objects.filter(type="webauthn").exists()
    assert guest.is_still_a_guest


def test_where_nobody_logs_in_by_passkey_it_upgrades_nobody(
    guest: Guest, settings: Settings
) -> None:
    settings.MFA_PASSKEY_LOGIN_ENABLED = False

    add_key(guest, passwordless=True)

    assert guest.is_still_a_guest


@pytest.mark.parametrize("how", ["password", "social"])
def test_the_second_factor_of_the_account_is_asked_of_a_guest_too(guest: Guest, how: str) -> None:
    ann = account(uid=5)
    secret = generate_totp_secret()
    TOTP.activate(ann, secret)

    if how == "password":
        answer = guest.post("/accounts/login/", login="ann@example.com", password=PASSWORD)
    else:
        answer = guest.dummy("login", 5)

    assert answer["Location"] == "/accounts/2fa/authenticate/"
    assert guest.is_still_a_guest
    assert guest.get("/accounts/2fa/authenticate/").status_code == 200
    answer = guest.post("/accounts/2fa/authenticate/", code=totp_code(secret))
    assert answer["Location"] == ASKED
    assert guest.here == str(ann.pk)


def test_a_visitor_gives_the_second_factor_as_ever(visitor: Person) -> None:
    ann = account()
    secret = generate_totp_secret()
    TOTP.activate(ann, secret)
    visitor.post("/accounts/login/", login="ann@example.com", password=PASSWORD)
    assert visitor.here is None

    visitor.post("/accounts/2fa/authenticate/", code=totp_code(secret))

    assert visitor.here == str(ann.pk)

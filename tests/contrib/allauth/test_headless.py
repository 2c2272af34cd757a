"""allauth's headless API, used by a guest with a cookie (browser) or with a session token (app)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib.auth import get_user_model

from tests.client import Api
from tests.contrib.allauth.people import (
    PASSWORD,
    Headless,
    account,
    assert_upgraded,
    code_in_mail,
    code_in_sms,
    key_in_mail,
)

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = [pytest.mark.django_db, pytest.mark.parametrize("kind", ["browser", "app"])]
User = get_user_model()
Make = Callable[[str], Headless]
NEW = "new@example.com"


def sign_up(guest: Headless, email: str = NEW) -> int:
    status: int = guest.call(
        "POST", "auth/signup", {"email": email, "password": PASSWORD}
    ).status_code
    return status


def test_a_guest_is_signed_in(kind: str, headless: Make) -> None:
    guest = headless(kind)

    answer = guest.call("GET", "auth/session")

    assert answer.status_code == 200
    assert str(answer.json()["data"]["user"]["id"]) == guest.id


def test_a_guest_signs_up_by_code_and_stays_the_same_row(kind: str, headless: Make) -> None:
    guest = headless(kind)
    assert sign_up(guest) == 401
    assert guest.row.is_guest
    flows = guest.call("GET", "auth/session").json()["data"]["flows"]
    assert [flow["id"] for flow in flows if flow.get("is_pending")] == ["verify_email"]

    answer = guest.call("POST", "auth/email/verify", {"key": code_in_mail()})

    assert answer.status_code == 200, answer.content
    row = assert_upgraded(guest)
    assert row.email == NEW
    assert row.check_password(PASSWORD)


def test_a_guest_signs_up_by_link_and_stays_the_same_row(
    kind: str, headless: Make, links: None
) -> None:
    guest = headless(kind)
    assert sign_up(guest) == 401

    answer = guest.call("POST", "auth/email/verify", {"key": key_in_mail()})

    assert answer.status_code in {200, 401}
    assert_upgraded(guest)


def test_without_mandatory_verification_signing_up_is_enough(
    kind: str, headless: Make, unverified: None
) -> None:
    guest = headless(kind)

    assert sign_up(guest) == 200

    assert_upgraded(guest)


def test_a_guest_whose_code_is_awaited_uses_the_rest_of_the_api_as_a_guest(
    kind: str, headless: Make
) -> None:
    guest = headless(kind)
    sign_up(guest)

    assert guest.call("GET", "account/email").status_code == 200
    assert guest.call("GET", "account/providers").status_code == 200


def test_a_guest_corrects_his_address_while_the_code_is_awaited(kind: str, headless: Make) -> None:
    guest = headless(kind)
    sign_up(guest, "typo@example.com")

    assert guest.call("POST", "account/email", {"email": "right@example.com"}).status_code == 200
    answer = guest.call("POST", "auth/email/verify", {"key": code_in_mail()})

    assert answer.status_code == 200, answer.content
    row = assert_upgraded(guest)
    assert EmailAddress.objects.get(verified=True).email == "right@example.com"
    assert row.check_password(PASSWORD)


def test_a_taken_address_is_not_revealed_and_the_guest_keeps_everything(
    kind: str, headless: Make
) -> None:
    account()
    guest = headless(kind)

    assert sign_up(guest, "ann@example.com") == 401

    assert guest.row.is_guest
    assert not guest.row.has_usable_password()
    assert guest.call("GET", "account/email").status_code == 200


def test_a_guest_logs_in_to_an_account_by_password(kind: str, headless: Make) -> None:
    ann = account()
    guest = headless(kind)
    token = guest.token

    answer = guest.call("POST", "auth/login", {"email": "ann@example.com", "password": PASSWORD})

    assert answer.status_code == 200, answer.content
    assert guest.here == str(ann.pk)
    if kind == "app":
        assert guest.token != token
    assert guest.row.is_guest


def test_a_failed_login_leaves_the_guest_signed_in(kind: str, headless: Make) -> None:
    guest = headless(kind)

    answer = guest.call("POST", "auth/login", {"email": "ann@example.com", "password": "wrong"})

    assert answer.status_code == 400
    assert guest.is_still_a_guest


def test_a_guest_logs_in_to_an_account_by_code(kind: str, headless: Make) -> None:
    ann = account()
    guest = headless(kind)
    asked = guest.call("POST", "auth/code/request", {"email": "ann@example.com"})
    assert asked.status_code == 401

    answer = guest.call("POST", "auth/code/confirm", {"code": code_in_mail()})

    assert answer.status_code == 200, answer.content
    assert guest.here == str(ann.pk)


def test_a_guest_proves_an_address_and_then_sets_a_password(kind: str, headless: Make) -> None:
    guest = headless(kind)
    token = guest.token
    assert guest.call("POST", "account/email", {"email": NEW}).status_code == 200

    answer = guest.call("POST", "auth/email/verify", {"key": code_in_mail()})

    assert answer.status_code == 200, answer.content
    if kind == "app":
        assert answer.json()["meta"]["session_token"] != token
    assert_upgraded(guest)
    answer = guest.call("POST", "account/password/change", {"new_password": PASSWORD})
    assert answer.status_code == 200, answer.content
    assert guest.row.check_password(PASSWORD)
    assert guest.here == guest.id


def test_a_guest_proves_a_phone_number(kind: str, headless: Make) -> None:
    guest = headless(kind)
    answer = guest.call("POST", "account/phone", {"phone": "+31612345678"})
    assert answer.status_code == 202

    answer = guest.call("POST", "auth/phone/verify", {"code": code_in_sms("+31612345678")})

    assert answer.status_code == 200, answer.content
    assert assert_upgraded(guest).phone_verified


def test_a_guest_resets_the_password_of_his_account(
    kind: str, headless: Make, settings: Settings
) -> None:
    settings.ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED = True
    ann = account()
    guest = headless(kind)
    asked = guest.call("POST", "auth/password/request", {"email": "ann@example.com"})
    assert asked.status_code == 401

    new = {"key": code_in_mail(), "password": "Other!pw77"}
    answer = guest.call("POST", "auth/password/reset", new)

    assert answer.status_code == 401, answer.content
    ann.refresh_from_db()
    assert ann.check_password("Other!pw77")
    assert guest.row.is_guest


def token_of_dummy(guest: Headless, process: str, number: int, **claims: object) -> int:
    id_token = json.dumps({"id": number, **claims})
    body = {"provider": "dummy", "process": process, "token": {"id_token": id_token}}
    status: int = guest.call("POST", "auth/provider/token", body).status_code
    return status


@pytest.mark.parametrize("process", ["login", "connect"])
def test_a_guest_brings_a_social_account(kind: str, process: str, headless: Make) -> None:
    guest = headless(kind)

    assert token_of_dummy(guest, process, 5, email=NEW, email_verified=True) == 200

    assert_upgraded(guest)
    address = EmailAddress.objects.get()
    assert (address.email, address.verified, address.primary) == (NEW, True, True)


def test_a_social_account_without_an_address_asks_for_one_first(kind: str, headless: Make) -> None:
    guest = headless(kind)
    assert token_of_dummy(guest, "login", 5) == 401
    assert guest.row.is_guest

    assert guest.call("POST", "auth/provider/signup", {"email": NEW}).status_code == 401
    answer = guest.call("POST", "auth/email/verify", {"key": code_in_mail()})

    assert answer.status_code == 200, answer.content
    assert_upgraded(guest)


def test_a_guest_logs_in_with_the_social_account_of_his_account(kind: str, headless: Make) -> None:
    ann = account(uid=5)
    guest = headless(kind)

    assert token_of_dummy(guest, "login", 5) == 200

    assert guest.here == str(ann.pk)


def test_the_social_account_of_somebody_else_cannot_be_connected(kind: str, headless: Make) -> None:
    account(uid=5)
    guest = headless(kind)

    assert token_of_dummy(guest, "connect", 5) == 400

    assert guest.is_still_a_guest


def test_the_list_of_sessions_has_the_one_at_hand_after_an_upgrade(
    kind: str, headless: Make
) -> None:
    guest = headless(kind)
    token_of_dummy(guest, "connect", 5)

    keys = set(UserSession.objects.values_list("session_key", flat=True))
    assert keys == {guest.token or guest.http.session.session_key}


@pytest.fixture
def signing(settings: Settings) -> None:
    """Give apps access and refresh tokens of allauth's in place of the bare session token."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    settings.HEADLESS_JWT_PRIVATE_KEY = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    settings.HEADLESS_TOKEN_STRATEGY = "allauth.headless.tokens.strategies.jwt.JWTTokenStrategy"


def test_an_upgrade_brings_new_tokens_where_the_strategy_has_some(
    kind: str, headless: Make, signing: None
) -> None:
    guest = headless(kind)

    id_token = json.dumps({"id": 5})
    body = {"provider": "dummy", "process": "connect", "token": {"id_token": id_token}}
    answer = guest.call("POST", "auth/provider/token", body)

    assert answer.status_code == 200, answer.content
    meta = answer.json()["meta"]
    assert ("access_token" in meta and "refresh_token" in meta) is (kind == "app")
    assert_upgraded(guest)
    if kind == "app":
        renewed = guest.call("POST", "tokens/refresh", {"refresh_token": meta["refresh_token"]})
        assert renewed.status_code == 200, renewed.content


def test_a_guest_of_an_app_gets_the_tokens_of_the_strategy(
    kind: str, headless: Make, signing: None, api: Api
) -> None:
    headless(kind)
    body = api.post("anonymous/", {"credentials": "headless"}).json()

    assert {"access_token", "refresh_token", "session_token"} <= set(body)
    assert api.get("user/", X_Session_Token=body["session_token"]).status_code == 200

"""What the upgrade by code, the first password and the login for tokens really answer is what the schema says."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from allauth.mfa.models import Authenticator

from tests.client import Api
from tests.contrib.allauth.by_code import ADA, PASSWORD, new_guest, owner, sent_code
from tests.contrib.openapi import check, make_schema

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db(transaction=True)
LOGIN = {"email": ADA, "password": PASSWORD}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return make_schema()


@pytest.mark.parametrize("credentials", ["jwt", "session"])
def test_an_upgrade_by_email_is_answered_as_described(
    credentials: str, schema: dict[str, Any], settings: Settings
) -> None:
    settings.ANONAUTH_CODE_INTERVAL = timedelta(0)
    api = new_guest(credentials=credentials)
    asked = api.post("upgrade/email/", {"email": ADA, "password": PASSWORD, "name": "Ada"})
    check(schema, asked, status=202)
    check(schema, api.post("upgrade/email/resend/"), status=202)
    wrong = api.post("upgrade/email/verify/", {"code": "BBBB-BBBB"})
    assert check(schema, wrong, status=400)["code"] == "code_incorrect"

    right = api.post("upgrade/email/verify/", {"code": sent_code()})

    assert check(schema, right, status=200)["credentials"] == credentials
    api.tokens = right.json() if credentials == "jwt" else {}
    again = api.post("user/password/", {"password": PASSWORD})
    assert check(schema, again, status=409)["code"] == "password_exists"
    assert check(schema, api.post("upgrade/email/", {"email": ADA}), status=403)


@pytest.mark.parametrize("credentials", ["jwt", "session"])
def test_the_first_password_is_answered_as_described(
    credentials: str, schema: dict[str, Any]
) -> None:
    api = new_guest(credentials=credentials)
    refused = api.post("user/password/", {"password": PASSWORD})
    assert check(schema, refused, status=403)["code"] == "permanent_user_required"
    api.post("upgrade/email/", {"email": ADA})
    api.tokens = api.post("upgrade/email/verify/", {"code": sent_code()}).json()
    api.tokens = api.tokens if credentials == "jwt" else {}

    check(schema, api.post("user/password/", {"password": PASSWORD}), status=200)


def test_a_taken_address_is_answered_as_described(schema: dict[str, Any]) -> None:
    owner()
    api = new_guest()
    check(schema, api.post("upgrade/email/", {"email": ADA}), status=202)
    taken = api.post("upgrade/email/verify/", {"code": sent_code()})
    assert check(schema, taken, status=409)["code"] == "email_taken"
    check(schema, api.post("upgrade/email/", {"email": ADA}), status=202)
    early = api.post("upgrade/email/", {"email": ADA})
    assert check(schema, early, status=429)["code"] == "rate_limited"


@pytest.mark.parametrize("method", ["email", "phone"])
def test_nothing_pending_is_answered_as_described(method: str, schema: dict[str, Any]) -> None:
    api = new_guest()
    check(schema, api.post(f"upgrade/{method}/verify/", {"code": "1"}), status=409)
    check(schema, api.post(f"upgrade/{method}/resend/"), status=409)
    check(schema, api.post(f"upgrade/{method}/", {}), status=400)
    check(schema, Api().post(f"upgrade/{method}/"), status=401)


def test_a_number_is_answered_as_described(schema: dict[str, Any]) -> None:
    api = new_guest()
    check(schema, api.post("upgrade/phone/", {"phone": "+4930123456"}), status=202)
    check(schema, api.post("upgrade/phone/verify/", {"code": "1"}), status=400)


def test_tokens_for_a_password_are_answered_as_described(schema: dict[str, Any]) -> None:
    user = owner()
    check(schema, Api().post("token/", LOGIN), status=200)
    check(schema, Api().post("token/", {"email": ADA, "password": "wrong"}), status=401)
    check(schema, Api().post("token/", {"password": PASSWORD}), status=400)
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": "x"})
    refused = Api().post("token/", LOGIN)
    assert check(schema, refused, status=403)["code"] == "mfa_required"

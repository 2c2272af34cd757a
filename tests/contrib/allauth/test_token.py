"""Tokens for a name and a password."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.auth import get_user_model
from rest_framework_simplejwt.tokens import AccessToken

from tests.client import Api
from tests.contrib.allauth.by_code import ADA, PASSWORD, new_guest, owner

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db(transaction=True)
User = get_user_model()
RIGHT = {"email": ADA, "password": PASSWORD}


@pytest.fixture(autouse=True)
def methods(settings: Settings) -> None:
    settings.ACCOUNT_LOGIN_METHODS = {"email", "username"}


def obtain(**body: str) -> Any:
    return Api().post("token/", body)


@pytest.mark.parametrize(
    "login",
    [{"email": ADA}, {"username": ADA}, {"username": "owner"}, {"email": "Ada@Example.org"}],
)
def test_a_permanent_user_gets_tokens_with_our_claims(login: dict[str, str]) -> None:
    user = owner()

    answer = obtain(**login, password=PASSWORD)

    assert answer.status_code == 200
    body = answer.json()
    assert (body["user"]["id"], body["credentials"]) == (str(user.pk), "jwt")
    assert AccessToken(body["access"])["is_anonymous"] is False
    assert "no-store" in answer["Cache-Control"]
    api = Api()
    api.tokens = body
    assert api.get("user/").json()["email"] == ADA
    assert api.refresh().status_code == 200
    user.set_password("another")
    user.save()
    assert api.refresh().json()["code"] == "token_revoked"


def test_no_session_begins() -> None:
    owner()

    answer = obtain(**RIGHT)

    assert "sessionid" not in answer.cookies


def test_whoever_is_refused_is_refused_alike() -> None:
    owner()
    User.objects.create_user("banned", "banned@example.org", PASSWORD, is_active=False)
    User.objects.create_user("social", "social@example.org")
    guest = User.objects.create_user("guest-1", "guest@example.org", PASSWORD, is_guest=True)
    EmailAddress.objects.create(user=guest, email="guest@example.org", verified=True)

    answers = [
        obtain(email=ADA, password="wrong"),
        obtain(email="nobody@example.org", password=PASSWORD),
        obtain(email="banned@example.org", password=PASSWORD),
        obtain(email="social@example.org", password=PASSWORD),
        obtain(email="guest@example.org", password=PASSWORD),
        obtain(username="guest-1", password=PASSWORD),
        obtain(username="nobody", password="wrong"),
    ]

    assert {(a.status_code, a.content) for a in answers} == {(401, answers[0].content)}
    assert answers[0].json()["code"] == "invalid_credentials"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": ADA},
        {"password": PASSWORD},
        {"email": ADA, "username": "owner", "password": PASSWORD},
        {"email": "ada", "password": PASSWORD},
        {"email": ADA, "password": ["x"]},
        {"email": ADA, "password": ""},
        {"email": ADA, "password": "x" * 5000},
        {"username": "a\x00b", "password": PASSWORD},
    ],
)
def test_a_body_that_makes_no_sense_is_refused(body: Any) -> None:
    answer = Api().post("token/", body)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_who_has_a_second_factor_is_refused_after_the_right_password_only() -> None:
    user = owner()
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": "x"})

    right, wrong = obtain(**RIGHT), obtain(email=ADA, password="wrong")

    assert (right.status_code, right.json()["code"]) == (403, "mfa_required")
    assert "access" not in right.json()
    assert wrong.json()["code"] == "invalid_credentials"


@pytest.mark.parametrize("required", [True, {"password"}])
def test_a_project_that_asks_for_a_code_after_the_password_refuses_too(
    required: Any, settings: Settings
) -> None:
    settings.ACCOUNT_LOGIN_BY_CODE_REQUIRED = required
    owner()

    assert obtain(**RIGHT).json()["code"] == "mfa_required"


def test_an_unproved_address_opens_nothing_where_proof_is_demanded(settings: Settings) -> None:
    user = User.objects.create_user("owner", ADA, PASSWORD)
    EmailAddress.objects.create(user=user, email=ADA, verified=False, primary=True)

    refused = obtain(**RIGHT)
    settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = False
    settings.ACCOUNT_EMAIL_VERIFICATION = "optional"

    assert (refused.status_code, refused.json()["code"]) == (403, "email_not_verified")
    assert obtain(**RIGHT).status_code == 200


def test_a_network_tries_so_many_passwords_only(settings: Settings) -> None:
    settings.ANONAUTH_TOKEN_RATE_LIMITS = ("2/h",)
    owner()
    for number in range(2):
        obtain(email=f"user{number}@example.org", password="wrong")

    answer = obtain(**RIGHT)

    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert "Retry-After" in answer


def test_failures_at_one_account_count_together_with_allauths_login(
    settings: Settings, client: Any
) -> None:
    settings.ACCOUNT_RATE_LIMITS = {"login_failed": "3/5m/key"}
    settings.ANONAUTH_TRUSTED_PROXY_COUNT = 1
    owner()
    client.post("/accounts/login/", {"login": ADA, "password": "wrong"})
    for number in range(2):
        # From another network each time: a limit for each of them does not help.
        body = {"email": ADA.upper(), "password": "wrong"}
        assert Api().post("token/", body, X_Forwarded_For=f"198.51.100.{number}").status_code == 401

    answer = obtain(**RIGHT)

    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert answer["Retry-After"] == "300"
    assert obtain(email="bob@example.org", password="wrong").status_code == 401


def test_the_right_password_is_not_counted_as_a_failure(settings: Settings) -> None:
    settings.ACCOUNT_RATE_LIMITS = {"login_failed": "2/5m/key"}
    owner()

    assert [obtain(**RIGHT).status_code for _ in range(4)] == [200] * 4


def test_there_are_no_tokens_where_the_kind_is_not_allowed(settings: Settings) -> None:
    settings.ANONAUTH_CREDENTIALS = ("session",)
    owner()

    assert obtain(**RIGHT).status_code == 404


def test_whoever_is_signed_in_already_may_ask_too() -> None:
    owner()
    api = new_guest()

    assert api.post("token/", RIGHT).status_code == 200
    assert Api().post("token/", RIGHT, Authorization="Bearer nonsense").status_code == 200

"""What the endpoints really answer is what the OpenAPI schema says: neither can change alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

from tests.contrib.openapi import check, make_schema
from tests.testapp.models import Receipt, User

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db


@pytest.fixture
def schema() -> dict[str, Any]:
    return make_schema()


def post(client: Client, name: str, body: Any = None, **headers: str) -> Any:
    return client.post(f"/auth/{name}/", body or {}, "application/json", headers=headers)


def bearer(client: Client) -> dict[str, str]:
    return {"Authorization": f"Bearer {post(client, 'anonymous').json()['access']}"}


def test_sign_in_with_tokens_is_answered_as_described(
    client: Client, schema: dict[str, Any]
) -> None:
    body = check(schema, post(client, "anonymous"), status=201)
    assert body["credentials"] == "jwt"


def test_sign_in_again_with_tokens_is_answered_as_described(
    client: Client, schema: dict[str, Any]
) -> None:
    check(schema, post(client, "anonymous", **bearer(client)), status=200)


def test_sign_in_with_a_session_is_answered_as_described(
    client: Client, schema: dict[str, Any]
) -> None:
    response = post(client, "anonymous", {"credentials": "session"})
    assert check(schema, response, status=201)["credentials"] == "session"


def test_sign_in_with_an_unknown_field_is_answered_as_described(
    client: Client, schema: dict[str, Any]
) -> None:
    body = check(schema, post(client, "anonymous", {"captcha": "x"}), status=400)
    assert set(body["fields"]) == {"captcha"}


def test_sign_in_with_broken_json_is_answered_as_described(
    client: Client, schema: dict[str, Any]
) -> None:
    response = client.post("/auth/anonymous/", "{", "application/json")
    assert check(schema, response, status=400)["code"] == "parse_error"


def test_sign_in_without_a_captcha_is_answered_as_described(
    client: Client, schema: dict[str, Any], settings: Settings
) -> None:
    settings.ANONAUTH_CAPTCHA = "turnstile"
    assert check(schema, post(client, "anonymous"), status=400)["code"] == "captcha_failed"


def test_sign_in_with_a_bad_token_is_answered_as_described(
    client: Client, schema: dict[str, Any]
) -> None:
    response = post(client, "anonymous", Authorization="Bearer nonsense")
    assert check(schema, response, status=401)["code"] == "token_not_valid"


def test_sign_in_of_a_robot_is_answered_as_described(
    client: Client, schema: dict[str, Any]
) -> None:
    response = post(client, "anonymous", **{"User-Agent": "Googlebot/2.1"})
    assert check(schema, response, status=403)["code"] == "automated_client"


def test_sign_in_while_switched_off_is_answered_as_described(
    client: Client, schema: dict[str, Any], settings: Settings
) -> None:
    settings.ANONAUTH_ENABLED = False
    assert check(schema, post(client, "anonymous"), status=403)["code"] == "anonymous_disabled"


def test_sign_in_of_a_permanent_user_is_answered_as_described(
    client: Client, schema: dict[str, Any]
) -> None:
    client.force_login(User.objects.create_user("ada"))
    assert check(schema, post(client, "anonymous"), status=409)["code"] == "already_permanent"


def test_sign_in_with_too_large_a_body_is_answered_as_described(
    client: Client, schema: dict[str, Any]
) -> None:
    response = post(client, "anonymous", {"captcha_token": "x" * 70_000})
    check(schema, response, status=413)


def test_sign_in_with_a_form_is_answered_as_described(
    client: Client, schema: dict[str, Any]
) -> None:
    check(schema, client.post("/auth/anonymous/", {"a": "b"}), status=415)


def test_sign_in_over_the_limit_is_answered_as_described(
    client: Client, schema: dict[str, Any], settings: Settings
) -> None:
    settings.ANONAUTH_RATE_LIMITS = ("1/h",)
    post(client, "anonymous")
    check(schema, post(client, "anonymous"), status=429)


def test_sign_in_over_the_cap_is_answered_as_described(
    client: Client, schema: dict[str, Any], settings: Settings
) -> None:
    settings.ANONAUTH_MAX_GUESTS = 0
    assert check(schema, post(client, "anonymous"), status=503)["code"] == "capacity_reached"


def test_a_guest_is_answered_as_described(client: Client, schema: dict[str, Any]) -> None:
    response = client.get("/auth/user/", headers=bearer(client))
    assert check(schema, response, status=200)["is_anonymous"] is True


def test_a_permanent_user_is_answered_as_described(client: Client, schema: dict[str, Any]) -> None:
    client.force_login(User.objects.create_user("ada", "ada@example.org"))
    body = check(schema, client.get("/auth/user/"), status=200)
    assert body["email"] == "ada@example.org"


def test_nobody_is_answered_as_described(client: Client, schema: dict[str, Any]) -> None:
    body = check(schema, client.get("/auth/user/"), status=401)
    assert body["code"] == "not_authenticated"


def test_a_guest_who_deletes_himself_is_answered_as_described(
    client: Client, schema: dict[str, Any]
) -> None:
    check(schema, client.delete("/auth/user/", headers=bearer(client)), status=204)
    assert not User.objects.exists()


def test_a_permanent_user_who_deletes_himself_is_answered_as_described(
    client: Client, schema: dict[str, Any]
) -> None:
    client.force_login(User.objects.create_user("ada"))
    body = check(schema, client.delete("/auth/user/"), status=403)
    assert body["code"] == "not_anonymous"


def test_a_guest_with_protected_data_is_answered_as_described(
    client: Client, schema: dict[str, Any]
) -> None:
    headers = bearer(client)
    Receipt.objects.create(owner=User.objects.get())
    body = check(schema, client.delete("/auth/user/", headers=headers), status=409)
    assert body["code"] == "protected_data"


def test_deletion_by_a_session_without_csrf_token_is_answered_as_described(
    schema: dict[str, Any],
) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_user("ada"))
    body = check(schema, client.delete("/auth/user/"), status=403)
    assert body["code"] == "csrf_failed"


def test_sign_out_is_answered_as_described(client: Client, schema: dict[str, Any]) -> None:
    response = post(client, "sign-out", {"lose_data": True}, **bearer(client))
    check(schema, response, status=204)


def test_sign_out_of_others_is_answered_as_described(
    client: Client, schema: dict[str, Any]
) -> None:
    response = post(client, "sign-out", {"scope": "others"}, **bearer(client))
    check(schema, response, status=200)


def test_sign_out_of_other_sessions_is_answered_as_described(
    client: Client, schema: dict[str, Any]
) -> None:
    post(client, "anonymous", {"credentials": "session"})
    check(schema, post(client, "sign-out", {"scope": "others"}), status=200)


def test_sign_out_unconfirmed_is_answered_as_described(
    client: Client, schema: dict[str, Any]
) -> None:
    check(schema, post(client, "sign-out", **bearer(client)), status=409)


def test_sign_out_with_an_unknown_scope_is_answered_as_described(
    client: Client, schema: dict[str, Any]
) -> None:
    response = post(client, "sign-out", {"scope": "all"}, **bearer(client))
    check(schema, response, status=400)


@pytest.mark.parametrize("rotate", [False, True])
def test_refresh_is_answered_as_described(
    client: Client, schema: dict[str, Any], monkeypatch: pytest.MonkeyPatch, rotate: bool
) -> None:
    # simplejwt replaces this object when SIMPLE_JWT changes; who imported it does not see that.
    setting = "anonauth.contrib.simplejwt.refresh.api_settings.ROTATE_REFRESH_TOKENS"
    monkeypatch.setattr(setting, rotate)
    token = post(client, "anonymous").json()["refresh"]
    body = check(schema, post(client, "token/refresh", {"refresh": token}), status=200)
    assert ("refresh" in body) is rotate


def test_refresh_after_deletion_is_answered_as_described(
    client: Client, schema: dict[str, Any]
) -> None:
    token = post(client, "anonymous").json()["refresh"]
    User.objects.all().delete()
    body = check(schema, post(client, "token/refresh", {"refresh": token}), status=401)
    assert body["code"] == "user_not_found"


def test_refresh_with_nothing_is_answered_as_described(
    client: Client, schema: dict[str, Any]
) -> None:
    check(schema, post(client, "token/refresh"), status=400)


def test_settings_is_answered_as_described(client: Client, schema: dict[str, Any]) -> None:
    assert check(schema, client.get("/auth/settings/"), status=200)["captcha"] is None


def test_settings_with_a_captcha_is_answered_as_described(
    client: Client, schema: dict[str, Any], settings: Settings
) -> None:
    settings.ANONAUTH_CAPTCHA = "turnstile"
    settings.ANONAUTH_CAPTCHA_SITE_KEY = "0x4AAAAAAA"
    body = check(schema, client.get("/auth/settings/"), status=200)
    assert body["captcha"]["site_key"] == "0x4AAAAAAA"

"""POST sign-out/: ending this credential, the others, or all."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model

from anonauth.contrib.simplejwt.tokens import issue
from tests.client import Api

pytestmark = pytest.mark.django_db
User = get_user_model()


def permanent(*apis: Api) -> None:
    """Give one permanent user's tokens to each client."""
    user = User.objects.create_user("ann", password="secret")
    for api in apis:
        token = issue(user)
        api.tokens = {"access": str(token.access_token), "refresh": str(token)}


def in_session(*apis: Api) -> None:
    """Sign one permanent user in with a session of his own in each client."""
    user, _ = User.objects.get_or_create(username="ann")
    for api in apis:
        api.http.force_login(user)
        api.http.cookies["csrftoken"] = "a" * 32


@pytest.mark.parametrize(
    "body", [None, {}, {"scope": "local"}, {"scope": "global"}, {"lose_data": False}]
)
def test_a_guest_has_to_say_that_he_knows_what_he_loses(
    api: Api, body: dict[str, str] | None
) -> None:
    api.sign_in()

    answer = api.post("sign-out/", body)

    assert (answer.status_code, answer.json()["code"]) == (409, "would_lose_data")
    assert api.get("user/").status_code == 200


@pytest.mark.parametrize("kind", ["jwt", "session"])
@pytest.mark.parametrize("scope", ["local", "global"])
def test_nothing_leads_back_to_a_guest_who_signed_out(api: Api, kind: str, scope: str) -> None:
    api.sign_in()
    api.post("anonymous/", {"credentials": "session"})
    if kind == "session":
        kept, api.tokens = api.tokens, {}
    answer = api.post("sign-out/", {"scope": scope, "lose_data": True})
    if kind == "session":
        assert api.get("user/").json()["code"] == "not_authenticated"
        api.tokens = kept

    assert answer.status_code == 204
    assert api.get("user/").json()["code"] == "token_revoked"
    assert api.refresh().json()["code"] == "token_revoked"
    api.tokens = {}
    assert api.get("user/").status_code == 401
    assert User.objects.get().is_guest


def test_the_others_are_signed_out_and_this_one_goes_on(api: Api) -> None:
    other = Api()
    user = api.sign_in()
    other.tokens = dict(api.tokens)

    answer = api.post("sign-out/", {"scope": "others"})
    api.tokens = {"access": answer.json()["access"], "refresh": answer.json()["refresh"]}

    assert api.get("user/").json()["id"] == user["id"]
    assert api.refresh().status_code == 200
    assert other.get("user/").json()["code"] == "token_revoked"
    assert other.refresh().json()["code"] == "token_revoked"


def test_a_session_goes_on_with_a_new_key_when_the_others_are_signed_out(api: Api) -> None:
    other = Api()
    in_session(api, other)
    session = api.http.session
    session["cart"] = [1, 2]
    session.save()
    key = api.http.cookies["sessionid"].value

    assert api.post("sign-out/", {"scope": "others"}).json() == {}

    assert api.get("user/").status_code == 200
    assert api.http.cookies["sessionid"].value != key
    assert api.http.session["cart"] == [1, 2]
    assert other.get("user/").status_code == 401


def test_a_session_ends_alone(api: Api) -> None:
    other = Api()
    in_session(api, other)

    assert api.post("sign-out/").status_code == 204

    assert api.get("user/").status_code == 401
    assert other.get("user/").status_code == 200


def test_global_ends_everything_of_a_permanent_user_and_not_his_password(api: Api) -> None:
    other, browser = Api(), Api()
    permanent(api, other)
    in_session(browser)

    assert api.post("sign-out/", {"scope": "global"}).status_code == 204

    for client in (api, other, browser):
        assert client.get("user/").status_code == 401
    assert User.objects.get().check_password("secret")


def test_tokens_cannot_be_ended_alone_without_the_blacklist_and_the_answer_says_so(
    api: Api,
) -> None:
    permanent(api)

    answer = api.post("sign-out/", {"scope": "local", "refresh": api.tokens["refresh"]})

    assert (answer.status_code, answer.json()["code"]) == (409, "scope_unavailable")
    assert api.get("user/").status_code == 200


@pytest.mark.parametrize(
    "body", [{"scope": "all"}, {"scope": None}, {"lose_data": "perhaps"}, {"scop": "local"}]
)
def test_a_bad_body_is_refused(api: Api, body: dict[str, str]) -> None:
    api.sign_in()

    answer = api.post("sign-out/", body)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_a_visitor_has_nothing_to_sign_out_of(api: Api) -> None:
    assert api.post("sign-out/", {}).status_code == 401

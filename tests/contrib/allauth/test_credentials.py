"""The kind of credentials "headless"."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from anonauth.contrib.postgres.transport import without_claims
from anonauth.credentials import session_backend
from anonauth.models import MergeRecord
from tests.client import Api
from tests.contrib.allauth.people import Headless
from tests.parties import client_of, make_account, refused, session_of

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db
User = get_user_model()
GUEST_BACKEND = "anonauth.contrib.allauth.backends.GuestBackend"


@pytest.fixture(autouse=True)
def kinds(settings: Settings) -> None:
    settings.ANONAUTH_CREDENTIALS = ["headless", "session", "jwt"]


def enter(api: Api) -> str:
    answer = api.post("anonymous/")
    assert answer.status_code == 201
    token: str = answer.json()["session_token"]
    return token


def test_a_guest_of_an_app_gets_a_session_token_and_no_cookie(api: Api) -> None:
    answer = api.post("anonymous/")

    body = answer.json()
    assert body["credentials"] == "headless"
    assert set(body) == {"user", "credentials", "session_token"}
    assert not answer.cookies
    assert api.get("user/", X_Session_Token=body["session_token"]).json() == body["user"]


def test_the_token_opens_allauths_headless_api(headless: Callable[[str], Headless]) -> None:
    guest = headless("app")
    assert guest.here == guest.id


def test_asking_again_gives_the_same_guest_and_the_same_token(api: Api) -> None:
    token = enter(api)

    answer = api.post("anonymous/", X_Session_Token=token)

    assert answer.status_code == 200
    assert answer.json()["session_token"] == token
    assert User.objects.count() == 1


@pytest.mark.parametrize("token", ["x", "", "a" * 40])
def test_a_token_that_is_not_good_is_refused_in_our_shape(api: Api, token: str) -> None:
    answer = api.get("user/", X_Session_Token=token)

    assert answer.status_code == 401
    code = "token_not_valid" if token else "not_authenticated"
    assert answer.json()["code"] == code
    assert set(answer.json()) == {"code", "detail"}
    assert answer.headers["WWW-Authenticate"]


def test_a_revoked_token_is_refused(api: Api) -> None:
    token = enter(api)
    User.objects.update(credentials_revoked_at="2026-01-01T00:00:00Z")

    assert api.get("user/", X_Session_Token=token).status_code == 401


def test_ending_the_others_keeps_the_session_of_this_one_under_a_new_token(api: Api) -> None:
    token, other = enter(api), Api()
    session = SessionStore(token)
    session["cart"] = [1]
    session.save()
    jwt = api.post("anonymous/", {"credentials": "jwt"}, X_Session_Token=token).json()
    other.tokens = {"access": jwt["access"], "refresh": jwt["refresh"]}

    fresh = api.post("sign-out/", {"scope": "others"}, X_Session_Token=token).json()

    assert fresh["session_token"] != token
    assert api.get("user/", X_Session_Token=token).status_code == 401
    assert api.get("user/", X_Session_Token=fresh["session_token"]).status_code == 200
    assert SessionStore(fresh["session_token"])["cart"] == [1]
    assert other.get("user/").status_code == 401


def test_signing_out_ends_the_token(api: Api) -> None:
    token = enter(api)

    api.post("sign-out/", {"lose_data": True}, X_Session_Token=token)

    assert api.get("user/", X_Session_Token=token).status_code == 401
    assert not SessionStore().exists(token)


def test_the_token_of_somebody_else_is_not_ended(api: Api) -> None:
    theirs, mine = enter(Api()), enter(api)
    jwt = api.post("anonymous/", {"credentials": "jwt"}, X_Session_Token=mine).json()["access"]
    # Both headers: the first kind that recognizes its own decides who is signed in.
    answer = Api().delete("user/", X_Session_Token=theirs, Authorization=f"Bearer {jwt}")

    assert answer.status_code == 204
    assert User.objects.count() == 1
    assert api.get("user/", X_Session_Token=mine).status_code == 200


def test_a_visit_by_token_is_remembered(api: Api) -> None:
    token = enter(api)
    User.objects.update(last_seen_at="2020-01-01T00:00:00Z")

    api.get("user/", X_Session_Token=token)

    assert User.objects.get().last_seen_at.year > 2020


def test_a_visit_by_token_is_written_by_one_update_once_in_an_interval(api: Api) -> None:
    token = enter(api)
    User.objects.update(last_seen_at="2020-01-01T00:00:00Z")

    visits = []
    for _ in range(3):
        with CaptureQueriesContext(connection) as captured:
            api.get("user/", X_Session_Token=token)
        visits.append([without_claims(query["sql"]).split()[0] for query in captured])

    writes = [[word for word in visit if word != "SELECT"] for visit in visits]
    assert writes == [["UPDATE"], [], []]
    assert len(visits[0]) == len(visits[1]) + 1  # without reading first


def test_sessions_of_guests_name_the_backend_that_hides_them(api: Api) -> None:
    token = enter(api)
    assert SessionStore(token)[BACKEND_SESSION_KEY] == GUEST_BACKEND

    browser: Any = Api()
    browser.sign_in(credentials="session")
    assert browser.http.session[BACKEND_SESSION_KEY] == GUEST_BACKEND


def test_the_backend_is_found_wherever_it_is_listed(settings: Settings) -> None:
    plain = "django.contrib.auth.backends.ModelBackend"
    settings.AUTHENTICATION_BACKENDS = [plain, GUEST_BACKEND]
    assert session_backend() == GUEST_BACKEND

    settings.AUTHENTICATION_BACKENDS = [plain]
    assert session_backend() == plain


def test_the_backend_lets_nobody_in_and_grants_nothing(settings: Settings) -> None:
    settings.AUTHENTICATION_BACKENDS = [GUEST_BACKEND]
    user = User.objects.create_user("ann", password="secret")

    assert Client().login(username="ann", password="secret") is False
    assert user.get_all_permissions() == set()


# --- the proof for a merge


@pytest.fixture
def ann() -> Api:
    return client_of(make_account())


def test_the_token_of_a_guest_s_app_proves_the_guest_to_his_account(ann: Api, api: Api) -> None:
    proof = {"session_token": enter(api)}

    assert ann.post("merge/preview/", proof).status_code == 200
    first, second = (ann.post("merge/", proof) for _ in range(2))

    assert first.status_code == 200, first.content
    assert first.json() == second.json()
    assert not User.objects.filter(is_guest=True).exists()
    assert MergeRecord.objects.get().method == "headless"
    stranger = client_of(make_account("bob"))
    assert refused(stranger.post("merge/", proof)) == (400, "guest_proof_invalid")


@pytest.mark.parametrize("what", ["unknown", "revoked", "banned", "upgraded", "purged", "ended"])
def test_a_token_that_is_not_a_guest_s_any_more_proves_nothing(
    ann: Api, api: Api, what: str
) -> None:
    token = enter(api)
    guests = User.objects.filter(is_guest=True)
    if what == "unknown":
        token = "a" * 32
    elif what == "revoked":
        guests.update(credentials_revoked_at="2026-01-01T00:00:00Z")
    elif what == "banned":
        guests.update(is_active=False)
    elif what == "upgraded":
        guests.update(is_guest=False)
    elif what == "purged":
        guests.delete()
    else:
        SessionStore(token).flush()

    for path in ("merge/preview/", "merge/"):
        answer = ann.post(path, {"session_token": token})
        assert refused(answer) == (400, "guest_proof_invalid")


def test_the_session_of_a_visitor_or_of_an_account_proves_nothing(ann: Api) -> None:
    visitor = SessionStore()
    visitor["cart"] = [1]
    visitor.save()
    bob = session_of(make_account("bob")).http.session

    for session in (visitor, bob):
        answer = ann.post("merge/", {"session_token": session.session_key})
        assert refused(answer) == (400, "guest_proof_invalid")

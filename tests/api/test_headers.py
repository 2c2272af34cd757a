"""What every answer of every endpoint has: headers that keep it out of caches, and one shape of errors."""

from __future__ import annotations

import bz2
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.urls import URLPattern, URLResolver, get_resolver

from anonauth.api.parsers import MAX_BODY
from anonauth.contrib.simplejwt.tokens import issue
from tests.client import Api

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db
User = get_user_model()


def routes(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[str]:
    for entry in patterns:
        here = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from routes(entry.url_patterns, here)
        else:
            yield here.replace("<provider>", "dummy")


def endpoints() -> list[str]:
    """Return the path of each endpoint below auth/, so that a new one is tested without further ado."""
    return sorted(routes(get_resolver("anonauth.urls").url_patterns))


PAGE = "upgrade/social/dummy/go/"
PAGES = {PAGE, "merge/offer/"}  # a browser is sent there; they answer with pages and redirects
JSON = [path for path in endpoints() if path not in PAGES]
POST = [path for path in JSON if path not in {"settings/", "user/"}]
OPEN = {"anonymous/", "settings/", "token/", "token/refresh/"}  # whoever comes without credentials
EVERY = pytest.mark.parametrize("path", JSON)
EVERY_POST = pytest.mark.parametrize("path", POST)


def test_the_list_of_endpoints_is_complete() -> None:
    assert len(JSON) == 18
    assert set(JSON) > OPEN
    assert set(endpoints()) > PAGES


def assert_private(answer: Any) -> None:
    assert set(answer["Cache-Control"].split(", ")) == {"private", "no-store"}
    assert {"authorization", "cookie"} <= {v.strip().lower() for v in answer["Vary"].split(",")}


def assert_refusal(answer: Any, status: int, code: str) -> None:
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code)
    assert answer["Content-Type"] == "application/json"
    assert isinstance(body["detail"], str)
    assert body["detail"]
    for name, faults in body.get("fields", {}).items():
        assert isinstance(name, str)
        assert faults
        for fault in faults:
            assert set(fault) == {"code", "message"}
            assert all(isinstance(text, str) and text for text in fault.values())
    assert set(body) <= {
        *("code", "detail", "fields", "attempts_left", "merge_ticket"),
        *("upgrade_methods", "limit"),
    }
    assert_private(answer)


def tokens_of(user: Any) -> dict[str, str]:
    token = issue(user)
    return {"access": str(token.access_token), "refresh": str(token)}


def person_for(path: str) -> Api:
    """Return whoever the endpoint is for: a permanent user, a guest, or somebody without credentials."""
    api = Api()
    if path == "user/password/":
        api.tokens = tokens_of(User.objects.create_user("ann"))
    elif path not in OPEN:
        api.sign_in()
    return api


# --- each endpoint


@EVERY
def test_a_broken_token_is_refused_or_ignored_but_never_kept(path: str) -> None:
    method = "POST" if path in POST else "GET"

    answer = Api().send(method, path, None, {"Authorization": "Bearer nonsense"})

    if path == "settings/":
        assert answer.status_code == 200
    elif path in {"token/", "token/refresh/"}:
        assert_refusal(answer, 400, "invalid")
    else:
        assert_refusal(answer, 401, "token_not_valid")
        assert answer["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", sorted(set(JSON) - OPEN))
def test_a_visitor_is_refused(path: str) -> None:
    answer = Api().send("POST" if path in POST else "GET", path, None, {})

    assert_refusal(answer, 401, "not_authenticated")
    assert answer["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", sorted(set(POST) - OPEN - {"sign-out/"}))
def test_the_wrong_kind_of_user_is_refused(path: str) -> None:
    api = person_for("user/" if path == "user/password/" else "user/password/")

    answer = api.post(path, {})

    if path == "user/password/":
        assert_refusal(answer, 403, "permanent_user_required")
    elif path in {"upgrade/social/dummy/token/", "upgrade/social/dummy/finish/"}:
        assert_refusal(answer, 400, "invalid")  # a permanent user may add an identity
    elif path in {"merge/", "merge/preview/"}:
        assert_refusal(answer, 404, "no_merge_offer")  # it is for both, with a proof
    else:
        assert_refusal(answer, 403, "not_anonymous")


@EVERY
def test_the_wrong_method_is_refused(path: str) -> None:
    api = person_for(path)

    for method in ("PUT", "PATCH", "POST" if path not in POST else "GET"):
        assert_refusal(api.send(method, path, None, {}), 405, "method_not_allowed")


@EVERY_POST
def test_nonsense_is_refused(path: str) -> None:
    assert_refusal(person_for(path).post(path, "{"), 400, "parse_error")


@EVERY_POST
def test_an_unknown_field_is_refused(path: str) -> None:
    answer = person_for(path).post(path, {"no_such_field": 1})

    assert_refusal(answer, 400, "invalid")
    assert answer.json()["fields"]


@EVERY_POST
def test_a_body_that_is_too_large_is_refused(path: str) -> None:
    answer = person_for(path).post(path, '{"a": "' + "x" * MAX_BODY + '"}')

    assert_refusal(answer, 413, "body_too_large")


@EVERY_POST
@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x"]
)
def test_another_content_type_is_refused(path: str, content_type: str) -> None:
    api = person_for(path)
    headers = {"Authorization": f"Bearer {api.tokens['access']}"} if api.tokens else {}

    answer = api.http.generic(
        "POST", f"/auth/{path}", "a=b", content_type=content_type, headers=headers
    )

    assert_refusal(answer, 415, "unsupported_media_type")


@EVERY
def test_options_are_private_too(path: str) -> None:
    answer = person_for(path).send("OPTIONS", path, None, {})

    assert answer.status_code == 200
    assert_private(answer)


@pytest.mark.parametrize("path", sorted(set(POST) - {"token/", "token/refresh/"}))
def test_a_session_without_its_csrf_token_is_refused(path: str) -> None:
    api = Api()
    api.sign_in(credentials="session")

    answer = api.post(path, {}, X_CSRFToken="forged")

    assert_refusal(answer, 403, "csrf_failed")


# --- single refusals


def test_a_conflict_is_refused() -> None:
    guest, ann = person_for("user/"), person_for("user/password/")

    assert_refusal(guest.post("sign-out/", {}), 409, "would_lose_data")
    assert_refusal(ann.post("anonymous/"), 409, "already_permanent")
    assert_refusal(ann.delete("user/"), 403, "not_anonymous")
    assert_refusal(guest.post("upgrade/email/verify/", {"code": "x"}), 409, "no_pending_upgrade")


def test_a_wrong_code_is_refused() -> None:
    guest = person_for("user/")
    guest.post("upgrade/email/", {"email": "ada@example.org"})

    answer = guest.post("upgrade/email/verify/", {"code": "AAAA-AAAA"})

    assert_refusal(answer, 400, "code_incorrect")
    assert answer.json()["attempts_left"] > 0


def test_a_wrong_password_is_refused() -> None:
    User.objects.create_user("ann", password="secret")

    answer = Api().post("token/", {"username": "ann", "password": "wrong"})

    assert_refusal(answer, 401, "invalid_credentials")


def test_what_does_not_exist_here_is_refused(settings: Settings) -> None:
    settings.ANONAUTH_CREDENTIALS = ["session"]

    assert_refusal(Api().post("token/refresh/", {"refresh": "x"}), 404, "not_found")
    assert_refusal(Api().post("token/", {"username": "x", "password": "x"}), 404, "not_found")


@pytest.mark.parametrize(
    ("path", "setting"),
    [
        ("anonymous/", "RATE_LIMITS"),
        ("token/", "TOKEN_RATE_LIMITS"),
        ("user/password/", "TOKEN_RATE_LIMITS"),
        ("merge/", "MERGE_RATE_LIMITS"),
        ("merge/preview/", "MERGE_RATE_LIMITS"),
        ("upgrade/email/verify/", "VERIFY_RATE_LIMITS"),
        ("upgrade/phone/verify/", "VERIFY_RATE_LIMITS"),
        ("upgrade/social/dummy/token/", "VERIFY_RATE_LIMITS"),
        ("upgrade/social/dummy/start/", "VERIFY_RATE_LIMITS"),
        ("upgrade/social/dummy/finish/", "VERIFY_RATE_LIMITS"),
    ],
)
def test_whoever_comes_too_often_is_told_how_long_to_wait(
    path: str, setting: str, settings: Settings
) -> None:
    api = person_for(path)
    setattr(settings, f"ANONAUTH_{setting}", ["1/h"])
    api.post(path, {"no_such_field": 1})

    answer = api.post(path, {"no_such_field": 1})

    assert_refusal(answer, 429, "rate_limited")
    assert 1 <= int(answer["Retry-After"]) <= 3600


@pytest.mark.parametrize(
    ("name", "value", "status", "code"),
    [
        ("ENABLED", False, 403, "anonymous_disabled"),
        ("MAX_GUESTS", 0, 503, "capacity_reached"),
        ("CAPTCHA", "turnstile", 400, "captcha_failed"),
    ],
)
def test_a_closed_door_is_told_in_the_same_shape(
    name: str, value: Any, status: int, code: str, settings: Settings
) -> None:
    settings.ANONAUTH_CAPTCHA_SECRET = "the-secret-key"
    setattr(settings, f"ANONAUTH_{name}", value)

    assert_refusal(Api().post("anonymous/"), status, code)


# --- what goes well


def test_no_cache_keeps_what_was_answered_to_one_person() -> None:
    api = Api()
    first = api.post("anonymous/")
    api.tokens = first.json()

    assert_private(first)
    for answer in (
        api.post("anonymous/"),
        api.get("user/"),
        api.send("HEAD", "user/", None, {}),
        api.refresh(),
        api.post("upgrade/email/", {"email": "ada@example.org"}),
        api.post("sign-out/", {"scope": "others"}),
    ):
        assert answer.status_code in {200, 202}
        assert_private(answer)


def test_the_answer_without_a_body_is_private_too() -> None:
    answer = person_for("user/").delete("user/")

    assert answer.status_code == 204
    assert_private(answer)


def test_a_session_gets_the_same_headers() -> None:
    api = Api()
    assert_private(api.post("anonymous/", {"credentials": "session"}))
    assert_private(api.get("user/"))
    assert_private(api.post("sign-out/", {"lose_data": True}))


def test_the_settings_are_the_same_for_everybody_and_may_be_kept() -> None:
    visitor, guest = Api().get("settings/"), person_for("user/").get("settings/")

    assert visitor.json() == guest.json()
    assert visitor["Cache-Control"] == guest["Cache-Control"] == "public, max-age=60"
    assert "Set-Cookie" not in guest


@pytest.mark.parametrize(
    ("page", "status"), [(f"{PAGE}?ticket=nonsense", 400), ("merge/offer/", 302)]
)
def test_pages_that_are_for_one_person_are_kept_by_nobody(page: str, status: int) -> None:
    answer = Api().get(page)

    assert answer.status_code == status
    assert {"private", "no-store"} <= set(answer["Cache-Control"].split(", "))


# --- charsets: REST framework would decode the body as the client says, and Python has codecs that unpack


CHARSETS = pytest.mark.parametrize(
    "charset",
    ["bz2", "zlib", "utf-7", "utf-16", "rot13", "hex", "idna", "nonsense", "", '"'],
)


def send(charset: str, body: bytes) -> Any:
    content_type = f"application/json; charset={charset}"
    return Api().http.generic("POST", "/auth/anonymous/", body, content_type=content_type)


@CHARSETS
def test_the_charset_of_a_request_changes_nothing(charset: str) -> None:
    answer = send(charset, b'{"credentials": "session"}')

    assert answer.status_code == 201
    assert answer.json()["credentials"] == "session"


@pytest.mark.parametrize(
    ("charset", "body"),
    [
        ("bz2", bz2.compress(b'{"credentials": "session"}')),
        ("zlib", zlib.compress(b'{"credentials": "session"}')),
        ("zip", zlib.compress(b" " * 10_000_000)),  # a bomb
        ("utf-7", b"{+ACI-credentials+ACI-: +ACI-session+ACI-}"),
        ("hex", b'{"credentials": "session"}'.hex().encode()),
        ("latin-1", '{"credentials": "\xe9"}'.encode("latin-1")),
        ("utf-16", '{"credentials": "session"}'.encode("utf-16")),
        ("utf-32", '{"credentials": "session"}'.encode("utf-32")),
    ],
)
def test_nothing_but_utf_8_is_decoded_or_unpacked(charset: str, body: bytes) -> None:
    answer = send(charset, body)

    assert_refusal(answer, 400, "parse_error")
    assert not User.objects.exists()


@CHARSETS
@pytest.mark.parametrize("path", ["user/", "sign-out/", "upgrade/email/", "token/refresh/"])
def test_the_charset_breaks_no_other_endpoint(charset: str, path: str) -> None:
    api = Api()
    api.sign_in(credentials="session")

    answer = api.http.generic(
        "GET" if path == "user/" else "POST",
        f"/auth/{path}",
        b"{}",
        content_type=f"application/json; charset={charset}",
    )

    # With a cookie, Django's CSRF check looks at the body before our parser does.
    assert (answer.status_code, answer.json().get("code")) in {
        (200, None),
        (400, "invalid"),
        (403, "csrf_failed"),
    }


def test_the_settings_are_kept_by_nobody_else_where_they_carry_a_cookie(settings: Settings) -> None:
    settings.SESSION_SAVE_EVERY_REQUEST = True
    api = Api()
    api.post("anonymous/", {"credentials": "session"})

    answer = api.get("settings/")

    assert "sessionid" in answer.cookies
    assert answer["Cache-Control"] == "private, max-age=60"

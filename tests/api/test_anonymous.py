"""POST anonymous/: what a visitor, a guest, a permanent user and an attacker get."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from django.contrib.auth import authenticate, get_user_model
from django.contrib.sessions.models import Session
from django.db import IntegrityError, OperationalError
from django.db.models.signals import post_save
from django.utils import timezone
from rest_framework import serializers

from anonauth.adapter import Adapter, get_adapter
from anonauth.contrib.postgres.transport import without_claims
from anonauth.flows.sign_in import SignInFacts
from anonauth.flows.upgrade import upgrade
from anonauth.models import SignInKey
from anonauth.signals import guest_created
from tests.client import Api
from tests.signals import connected

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries, Settings

pytestmark = pytest.mark.django_db
User = get_user_model()

KEY = "3fc10a54-7d44-4a0b-9e0e-2b1f6e7d7f11"


class ProfileSerializer(serializers.Serializer[Any]):
    nickname = serializers.CharField(max_length=50)
    address = serializers.DictField(child=serializers.CharField(), required=False)


class GreedyProfileSerializer(serializers.Serializer[Any]):
    """A project's mistake: it lets everything through."""

    nickname = serializers.CharField()
    email = serializers.EmailField()
    username = serializers.CharField()
    password = serializers.CharField()
    is_guest = serializers.BooleanField()
    is_staff = serializers.BooleanField()
    is_superuser = serializers.BooleanField()
    is_active = serializers.BooleanField()
    last_seen_at = serializers.DateTimeField()


class CarelessAdapter(Adapter):
    """A project's worse mistake: it copies everything."""

    def populate(self, user: Any, profile: Any) -> None:
        for name, value in profile.items():
            setattr(user, name, value)


class ClosedAdapter(Adapter):
    def is_open_for_guests(self, request: Any) -> bool:
        return bool(request.headers.get("X-Open") == "yes")


class OneNameAdapter(Adapter):
    def new_username(self) -> str:
        return "guest-always-the-same"


class SecondNameAdapter(Adapter):
    def __init__(self) -> None:
        self.names = iter(["guest-taken", "guest-taken", "guest-free"])

    def new_username(self) -> str:
        return next(self.names)


PROFILE = "tests.api.test_anonymous.ProfileSerializer"
GREEDY = "tests.api.test_anonymous.GreedyProfileSerializer"


# --- the story


def test_a_visitor_becomes_a_signed_in_guest_with_one_post(api: Api) -> None:
    answer = api.post("anonymous/")

    guest = User.objects.get()
    body = answer.json()
    assert answer.status_code == 201
    assert body["user"] == {
        "id": str(guest.pk),
        "is_anonymous": True,
        "email": None,
        "identities": [],
        "created_at": body["user"]["created_at"],
        "last_seen_at": body["user"]["last_seen_at"],
        "purge_at": body["user"]["purge_at"],
        "upgrade_methods": ["email", "phone", "social:dummy"],
    }
    assert (body["credentials"], body["token_type"], body["expires_in"]) == ("jwt", "Bearer", 300)
    assert guest.is_guest
    assert guest.purge_at == guest.last_seen_at + timedelta(days=30)
    me = api.get("user/", Authorization=f"Bearer {body['access']}")
    assert (me.status_code, me.json()) == (200, body["user"])


def test_the_guest_is_no_visitor_to_django_and_has_no_way_in_but_the_credentials(api: Api) -> None:
    api.sign_in()

    guest = User.objects.get()
    assert guest.is_authenticated is True
    assert guest.is_anonymous is False
    assert not guest.has_usable_password()
    assert guest.email == ""
    assert not guest.is_staff
    assert not guest.is_superuser
    for password in ("", None, "!", guest.password):
        assert authenticate(username=guest.username, password=password) is None


def test_the_tokens_say_that_the_user_is_anonymous(api: Api) -> None:
    api.sign_in()

    for kind in ("access", "refresh"):
        claims = jwt.decode(api.tokens[kind], options={"verify_signature": False})
        assert claims["is_anonymous"] is True
        assert len(claims["sv"]) == 24


@pytest.mark.django_db(transaction=True)  # as in production: no transaction around the request
def test_signing_in_with_tokens_is_one_statement(
    api: Api, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    get_adapter().upgrade_methods()  # remembered for minutes: apps of providers can be in the database

    with django_assert_num_queries(1) as queries:
        assert api.post("anonymous/").status_code == 201

    assert without_claims(queries.captured_queries[0]["sql"]).startswith("INSERT")


def test_a_session_is_given_to_those_who_ask(api: Api) -> None:
    answer = api.post("anonymous/", {"credentials": "session"})

    assert answer.status_code == 201
    assert set(answer.json()) == {"user", "credentials"}
    assert answer.cookies["sessionid"]["httponly"]
    assert api.get("user/").json() == answer.json()["user"]


def test_the_first_configured_kind_is_the_default(api: Api, settings: Settings) -> None:
    settings.ANONAUTH_CREDENTIALS = ["session", "jwt"]

    assert api.post("anonymous/").json()["credentials"] == "session"


def test_a_kind_that_is_not_allowed_is_refused(api: Api, settings: Settings) -> None:
    settings.ANONAUTH_CREDENTIALS = ["jwt"]

    answer = api.post("anonymous/", {"credentials": "session"})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert answer.json()["fields"]["credentials"][0]["code"] == "invalid_choice"
    assert not User.objects.exists()


# --- again


def test_a_guest_who_asks_again_with_his_token_stays_who_he_is(api: Api) -> None:
    user = api.sign_in()

    answer = api.post("anonymous/")

    assert answer.status_code == 200
    assert answer.json()["user"]["id"] == user["id"]
    assert answer.json()["refresh"] != api.tokens["refresh"]
    assert User.objects.count() == 1


def test_a_guest_who_asks_again_in_his_session_stays_who_he_is(api: Api) -> None:
    user = api.sign_in(credentials="session")
    cookie = api.http.cookies["sessionid"].value

    again = api.post("anonymous/", {"credentials": "session"})

    assert (again.status_code, again.json()["user"]["id"]) == (200, user["id"])
    assert api.http.cookies["sessionid"].value == cookie


def test_a_guest_may_trade_his_token_for_a_session(api: Api) -> None:
    user = api.sign_in()
    api.post("anonymous/", {"credentials": "session"})
    api.tokens = {}

    assert api.get("user/").json()["id"] == user["id"]


def test_a_guest_keeps_his_way_in_while_new_ones_are_refused(api: Api, settings: Settings) -> None:
    api.sign_in()
    settings.ANONAUTH_ENABLED = False

    assert api.post("anonymous/").status_code == 200


def test_a_permanent_user_is_told_that_he_is_one(api: Api) -> None:
    user = User.objects.create_user("ann", password="secret")
    api.http.force_login(user)
    api.http.cookies["csrftoken"] = "a" * 32

    answer = api.post("anonymous/")

    assert (answer.status_code, answer.json()["code"]) == (409, "already_permanent")
    assert User.objects.count() == 1
    assert api.get("user/").json()["id"] == str(user.pk)


@pytest.mark.parametrize("token", ["nonsense", "a.b.c"])
def test_a_broken_token_is_answered_401_and_makes_nobody(api: Api, token: str) -> None:
    answer = api.post("anonymous/", Authorization=f"Bearer {token}")

    assert (answer.status_code, answer.json()["code"]) == (401, "token_not_valid")
    assert not User.objects.exists()


def test_a_purged_guests_session_leads_to_a_new_guest(api: Api) -> None:
    old = api.sign_in(credentials="session")
    User.objects.all().delete()

    new = api.sign_in(credentials="session")

    assert new["id"] != old["id"]
    assert User.objects.count() == 1


# --- Idempotency-Key


def test_a_retry_with_the_same_key_finds_the_guest_of_the_lost_answer(api: Api) -> None:
    first = api.post("anonymous/", Idempotency_Key=KEY)
    second = Api().post("anonymous/", Idempotency_Key=KEY)

    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["user"]["id"] == second.json()["user"]["id"]
    assert User.objects.count() == 1


def test_another_key_is_another_guest(api: Api) -> None:
    Api().post("anonymous/", Idempotency_Key=KEY)
    Api().post("anonymous/", Idempotency_Key=KEY.replace("3", "4"))

    assert User.objects.count() == 2


def test_a_key_finds_nobody_after_its_window(api: Api) -> None:
    Api().post("anonymous/", Idempotency_Key=KEY)
    SignInKey.objects.update(expires_at=timezone.now())

    assert Api().post("anonymous/", Idempotency_Key=KEY).status_code == 201
    assert User.objects.count() == 2


def test_a_key_does_not_open_the_account_that_its_guest_became(api: Api) -> None:
    api.post("anonymous/", Idempotency_Key=KEY)
    upgrade(User.objects.get(), method="email")

    answer = Api().post("anonymous/", Idempotency_Key=KEY)

    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_used")
    assert User.objects.count() == 1


def test_a_key_does_not_let_a_banned_guest_back_in(api: Api) -> None:
    api.post("anonymous/", Idempotency_Key=KEY)
    User.objects.update(is_active=False)

    assert Api().post("anonymous/", Idempotency_Key=KEY).json()["code"] == "idempotency_key_used"


def test_a_key_does_not_open_the_way_back_after_signing_out(api: Api) -> None:
    answer = api.post("anonymous/", Idempotency_Key=KEY)
    left = answer.json()["user"]["id"]
    token = f"Bearer {answer.json()['access']}"
    api.post("sign-out/", {"lose_data": True}, Authorization=token)

    again = Api().post("anonymous/", Idempotency_Key=KEY)

    assert again.status_code == 201
    assert again.json()["user"]["id"] != left


@pytest.mark.parametrize("key", ["1", "a" * 15, "a" * 256, "with a space inside it", "ключ" * 8])
def test_a_key_that_could_be_guessed_or_stored_badly_is_refused(api: Api, key: str) -> None:
    answer = api.post("anonymous/", Idempotency_Key=key)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert "Idempotency-Key" in answer.json()["fields"]
    assert not User.objects.exists()


def test_the_key_itself_is_not_stored(api: Api) -> None:
    api.post("anonymous/", Idempotency_Key=KEY)

    assert KEY not in SignInKey.objects.get().key_hash


# --- the profile


def test_the_profile_is_what_the_projects_serializer_makes_of_it(
    api: Api, settings: Settings
) -> None:
    settings.ANONAUTH_PROFILE_SERIALIZER = PROFILE

    api.sign_in(profile={"nickname": "  Zoë "})

    assert User.objects.get().nickname == "Zoë"


def test_a_fault_in_the_profile_is_named_with_its_place(api: Api, settings: Settings) -> None:
    settings.ANONAUTH_PROFILE_SERIALIZER = PROFILE

    answer = api.post("anonymous/", {"profile": {"nickname": "x" * 51, "address": {"a": [1]}}})

    assert answer.status_code == 400
    fields = answer.json()["fields"]
    assert set(fields) == {"profile.nickname", "profile.address.a"}
    assert fields["profile.nickname"][0]["code"] == "max_length"
    assert not User.objects.exists()


def test_without_a_serializer_no_profile_is_taken(api: Api) -> None:
    answer = api.post("anonymous/", {"profile": {"nickname": "x"}})

    assert answer.json()["fields"]["profile"][0]["code"] == "not_supported"
    assert api.post("anonymous/", {"profile": {}}).status_code == 201


@pytest.mark.parametrize(
    "adapter", ["anonauth.adapter.Adapter", "tests.api.test_anonymous.CarelessAdapter"]
)
def test_no_profile_gives_rights(api: Api, settings: Settings, adapter: str) -> None:
    settings.ANONAUTH_PROFILE_SERIALIZER = GREEDY
    settings.ANONAUTH_ADAPTER = adapter

    api.sign_in(
        profile={
            "nickname": "Eve",
            "email": "victim@example.com",
            "username": "admin",
            "password": "secret",
            "is_guest": False,
            "is_staff": True,
            "is_superuser": True,
            "is_active": True,
            "last_seen_at": "2099-01-01T00:00:00Z",
        }
    )

    guest = User.objects.get()
    assert guest.nickname == "Eve"
    assert guest.is_guest
    assert not guest.is_staff
    assert not guest.is_superuser
    assert not guest.has_usable_password()
    if adapter == "anonauth.adapter.Adapter":
        assert guest.email == ""
        assert guest.username.startswith("guest-")
        assert guest.last_seen_at <= timezone.now()


# --- the body


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("{", 400, "parse_error"),
        ("[]", 400, "parse_error"),
        ('"x"', 400, "parse_error"),
        ("[" * 20_000, 400, "parse_error"),
        (b"\xff\xfe", 400, "parse_error"),
        (b"\xff", 400, "parse_error"),
        ('{"profile": {"a": NaN}}', 400, "parse_error"),
        ('{"\\ud800": 1}', 400, "parse_error"),
        ('{"profile": {"\\udfff": 1}}', 400, "parse_error"),
        ('{"profile": {"a": -Infinity}}', 400, "parse_error"),
        ('{"profile": {"a": -1e400}}', 400, "parse_error"),
        ('{"profile": {"a": ' + "9" * 5000 + "}}", 400, "parse_error"),
        ('{"profile": 1}', 400, "invalid"),
        ('{"credentials": {"a": 1}}', 400, "invalid"),
        ('{"credentials": "\\u0000"}', 400, "invalid"),
        ('{"is_anonymous": false}', 400, "invalid"),
        ('{"email": "a@example.com", "password": "x"}', 400, "invalid"),
        ('{"profile": {"a": "' + "x" * 70_000 + '"}}', 413, "body_too_large"),
    ],
)
def test_a_bad_body_is_refused_and_makes_nobody(
    api: Api, body: str | bytes, status: int, code: str
) -> None:
    answer = api.post("anonymous/", body)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["detail"]
    assert not User.objects.exists()


def test_no_depth_of_a_body_is_an_error(api: Api, settings: Settings) -> None:
    """What can just be read may be too deep to be looked through for half characters."""
    settings.ANONAUTH_RATE_LIMITS = []
    body = '{"profile": {"a": "\\ud83d\\ude00", "b": %s}}'

    for depth in range(600, 1000):
        assert api.post("anonymous/", body % ("[" * depth + "]" * depth)).status_code == 400


@pytest.mark.parametrize(
    "accept", ["text/html", "image/png", "application/xml;q=0.9", "nonsense", ""]
)
def test_the_answer_is_json_whatever_the_client_accepts(api: Api, accept: str) -> None:
    answer = api.post("anonymous/", Accept=accept)

    assert (answer.status_code, answer["Content-Type"]) == (201, "application/json")


def test_a_form_is_refused(api: Api) -> None:
    answer = api.http.post("/auth/anonymous/", {"a": "b"})

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
def test_nothing_but_post_makes_a_guest(api: Api, method: str) -> None:
    answer = api.send(method, "anonymous/", None, {})

    assert answer.status_code == 405
    assert not User.objects.exists()


# --- the guards


def test_the_kill_switch_works_at_run_time(api: Api, settings: Settings) -> None:
    settings.ANONAUTH_ENABLED = False
    answer = api.post("anonymous/", "{not even JSON")
    assert (answer.status_code, answer.json()["code"]) == (403, "anonymous_disabled")

    settings.ANONAUTH_ENABLED = True
    assert api.post("anonymous/").status_code == 201


def test_the_adapter_may_decide_by_the_request(api: Api, settings: Settings) -> None:
    settings.ANONAUTH_ADAPTER = "tests.api.test_anonymous.ClosedAdapter"

    assert api.post("anonymous/").json()["code"] == "anonymous_disabled"
    assert api.post("anonymous/", X_Open="yes").status_code == 201


def test_too_many_from_one_address_have_to_wait(api: Api, settings: Settings) -> None:
    settings.ANONAUTH_RATE_LIMITS = ["2/h", "100/d"]
    codes = [Api().post("anonymous/").status_code for _ in range(3)]
    answer = Api().post("anonymous/")

    assert codes == [201, 201, 429]
    assert answer.json()["code"] == "rate_limited"
    assert 1 <= int(answer["Retry-After"]) <= 3600
    assert User.objects.count() == 2


def test_a_forged_forwarded_header_buys_no_new_budget(api: Api, settings: Settings) -> None:
    settings.ANONAUTH_RATE_LIMITS = ["1/h"]
    api.post("anonymous/", X_Forwarded_For="1.1.1.1")

    answer = Api().post("anonymous/", X_Forwarded_For="2.2.2.2")

    assert answer.status_code == 429


def test_behind_a_trusted_proxy_each_client_has_his_own_budget(
    api: Api, settings: Settings
) -> None:
    settings.ANONAUTH_RATE_LIMITS = ["1/h"]
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    addresses = ["1.1.1.1", "2.2.2.2", "6.6.6.6, 2.2.2.2"]

    codes = [Api().post("anonymous/", X_Forwarded_For=a).status_code for a in addresses]

    assert codes == [201, 201, 429]


def test_guests_who_ask_again_use_up_no_budget(api: Api, settings: Settings) -> None:
    settings.ANONAUTH_RATE_LIMITS = ["1/h"]
    api.sign_in()

    assert [api.post("anonymous/").status_code for _ in range(3)] == [200, 200, 200]


def test_without_its_cache_sign_in_is_refused_and_does_not_break(
    api: Api, settings: Settings
) -> None:
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1",
        }
    }
    answer = api.post("anonymous/")
    assert (answer.status_code, answer.json()["code"]) == (503, "rate_limit_unavailable")

    settings.ANONAUTH_FAIL_OPEN = True
    assert api.post("anonymous/").status_code == 201


@pytest.mark.django_db(transaction=True)
def test_no_more_guests_than_the_cap(api: Api, settings: Settings) -> None:
    settings.ANONAUTH_MAX_GUESTS = 2
    User.objects.create_user("ann")
    codes = [Api().post("anonymous/").status_code for _ in range(3)]

    assert codes == [201, 201, 503]
    assert Api().post("anonymous/").json()["code"] == "capacity_reached"
    assert User.objects.guests().count() == 2


@pytest.mark.parametrize(
    "purpose",
    [{"Sec_Purpose": "prefetch;prerender"}, {"Purpose": "prefetch"}, {"X_Moz": "prefetch"}],
)
def test_a_prefetch_makes_nobody(api: Api, purpose: dict[str, str]) -> None:
    answer = api.post("anonymous/", **purpose)

    assert (answer.status_code, answer.json()["code"]) == (403, "automated_client")
    assert not User.objects.exists()


@pytest.mark.parametrize(
    "agent",
    [
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2)",
        "Mozilla/5.0 (compatible; bingbot/2.0)",
    ],
)
def test_a_crawler_makes_nobody(agent: str) -> None:
    answer = Api(user_agent=agent).post("anonymous/")

    assert (answer.status_code, answer.json()["code"]) == (403, "automated_client")


@pytest.mark.parametrize(
    "agent", ["", "curl/8.5.0", "Dart/3.1 (dart:io)", "okhttp/4.9", "MyApp/1 CFNetwork"]
)
def test_apps_and_scripts_are_welcome(agent: str) -> None:
    assert Api(user_agent=agent).post("anonymous/").status_code == 201


def test_an_empty_list_of_robots_blocks_nobody(settings: Settings) -> None:
    settings.ANONAUTH_BOT_USER_AGENTS = []

    assert Api(user_agent="Googlebot").post("anonymous/").status_code == 201


# --- names


def test_a_taken_name_is_tried_again(api: Api, settings: Settings) -> None:
    User.objects.create_user("guest-taken")
    settings.ANONAUTH_ADAPTER = "tests.api.test_anonymous.SecondNameAdapter"
    from anonauth import adapter

    adapter._build.cache_clear()
    api.sign_in()

    assert User.objects.guests().get().username == "guest-free"


def test_names_that_never_are_free_end_in_a_refusal_not_in_a_loop(
    api: Api, settings: Settings
) -> None:
    User.objects.create_user("guest-always-the-same")
    settings.ANONAUTH_ADAPTER = "tests.api.test_anonymous.OneNameAdapter"

    answer = api.post("anonymous/")

    assert (answer.status_code, answer.json()["code"]) == (503, "usernames_exhausted")


# --- attacks


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://testserver.evil.example"},
        {"Origin": "https://testserver"},
        {"Origin": "https://[::1"},
        {"Origin": "http://app.example"},
        {"Origin": "https://evilshops.example"},
    ],
)
def test_another_sites_page_cannot_sign_a_browser_in(
    api: Api, settings: Settings, headers: dict[str, str]
) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://app.example", "https://*.shops.example"]

    answer = api.post("anonymous/", {"credentials": "session"}, **headers)

    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site")
    assert "sessionid" not in answer.cookies
    assert not User.objects.exists()


def test_another_sites_page_cannot_make_guests_without_a_preflight(api: Api) -> None:
    answer = api.post("anonymous/", None, Origin="https://evil.example")

    assert answer.json()["code"] == "cross_site"
    assert not User.objects.exists()


def test_an_app_on_another_origin_gets_tokens_if_cors_lets_its_json_through(api: Api) -> None:
    answer = api.post("anonymous/", {}, Origin="https://app.example", Sec_Fetch_Site="cross-site")

    assert answer.status_code == 201


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "same-origin"},
        {"Origin": "http://testserver"},
        {"Origin": "https://app.example"},
        {"Origin": "https://one.shops.example", "Sec_Fetch_Site": "same-site"},
        {},
    ],
)
def test_the_own_pages_and_trusted_origins_may_sign_a_browser_in(
    api: Api, settings: Settings, headers: dict[str, str]
) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://app.example", "https://*.shops.example"]

    assert api.post("anonymous/", {"credentials": "session"}, **headers).status_code == 201


def test_a_planted_session_key_is_replaced_at_sign_in(api: Api) -> None:
    api.http.session.save()
    planted = api.http.session
    planted["visited"] = "yes"
    planted.save()
    api.http.cookies["sessionid"] = planted.session_key or ""

    api.sign_in(credentials="session")

    assert api.http.cookies["sessionid"].value != planted.session_key
    assert api.http.session["visited"] == "yes"


def test_a_guests_token_does_not_log_out_who_is_logged_in_in_this_browser(api: Api) -> None:
    api.sign_in()
    ann = User.objects.create_user("ann")
    api.http.force_login(ann)

    answer = api.post("anonymous/", {"credentials": "session"})
    assert (answer.status_code, answer.json()["code"]) == (409, "already_permanent")
    assert api.delete("user/").status_code == 204
    api.tokens = {}
    assert api.get("user/").json()["id"] == str(ann.pk)


def test_a_guests_token_does_not_sign_out_another_guest_in_this_browser(api: Api) -> None:
    other = api.sign_in(credentials="session")
    api.http.cookies["kept"] = "1"
    mine = Api()
    mine.sign_in()
    api.tokens = mine.tokens

    answer = api.post("anonymous/", {"credentials": "session"})

    assert (answer.status_code, answer.json()["code"]) == (409, "would_lose_data")
    api.tokens = {}
    assert api.get("user/").json()["id"] == other["id"]


def test_where_there_are_no_sessions_none_is_promised(api: Api, settings: Settings) -> None:
    settings.MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]

    answer = api.post("anonymous/", {"credentials": "session"})

    assert answer.json()["fields"]["credentials"][0]["code"] == "unavailable"
    assert not User.objects.exists()
    api.sign_in()
    assert api.delete("user/").status_code == 204


def test_a_receiver_that_refuses_the_row_leaves_none(api: Api) -> None:
    def receiver(**kwargs: Any) -> None:
        if kwargs["created"]:
            raise IntegrityError("UNIQUE constraint failed: crm_contact.email")

    with (
        connected(post_save, receiver, sender=User),
        pytest.raises(IntegrityError, match="crm_contact"),
    ):
        api.post("anonymous/")

    assert not User.objects.exists()


def test_a_body_beyond_djangos_own_limit_is_too_large_too(api: Api) -> None:
    answer = api.post("anonymous/", '{"profile": "' + "x" * 3_000_000 + '"}')

    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_a_character_in_two_halves_is_text(api: Api, settings: Settings) -> None:
    settings.ANONAUTH_PROFILE_SERIALIZER = PROFILE

    api.post("anonymous/", '{"profile": {"nickname": "\\ud83d\\ude00"}}')

    assert User.objects.get().nickname == "😀"


def test_a_session_cannot_be_used_by_a_form_of_another_site(api: Api) -> None:
    api.sign_in(credentials="session")

    answer = api.post("sign-out/", {"lose_data": True}, X_CSRFToken="forged")

    assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")
    assert api.get("user/").status_code == 200


def test_no_cache_may_keep_what_signs_somebody_in(api: Api) -> None:
    for answer in (api.post("anonymous/"), api.post("anonymous/", {"credentials": "session"})):
        assert set(answer["Cache-Control"].split(", ")) == {"private", "no-store"}
        assert {"Authorization", "Cookie"} <= set(answer["Vary"].split(", "))


# --- what others see of it


def test_receivers_hear_of_a_guest_with_the_facts(
    api: Api, django_capture_on_commit_callbacks: Any
) -> None:
    heard: list[dict[str, Any]] = []

    def receiver(**kwargs: Any) -> None:
        kwargs["user"].nickname = "set by the receiver"
        heard.append(kwargs)

    with connected(guest_created, receiver), django_capture_on_commit_callbacks(execute=True):
        Api(user_agent="Test/1").post("anonymous/")

    (event,) = heard
    assert (event["sender"], event["user"].pk) == (User, User.objects.get().pk)
    assert event["facts"] == SignInFacts(
        ip_address="127.0.0.1", user_agent="Test/1", language="", credentials="jwt"
    )


def test_a_receiver_that_fails_costs_nobody_his_guest(
    api: Api, django_capture_on_commit_callbacks: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def receiver(**kwargs: Any) -> None:
        raise RuntimeError("the newsletter service is down")

    with connected(guest_created, receiver), django_capture_on_commit_callbacks(execute=True):
        answer = api.post("anonymous/")

    assert answer.status_code == 201
    assert "the newsletter service is down" in caplog.text


def test_sign_in_and_refusals_are_audited_without_personal_data(
    api: Api,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    django_capture_on_commit_callbacks: Any,
) -> None:
    with (
        caplog.at_level(logging.INFO, logger="anonauth.audit"),
        django_capture_on_commit_callbacks(execute=True),
    ):
        user = api.sign_in()
        settings.ANONAUTH_ENABLED = False
        Api().post("anonymous/")

    records = [r.anonauth for r in caplog.records if r.name == "anonauth.audit"]  # type: ignore[attr-defined]
    assert {"event": "guest_created", "user_id": user["id"], "credentials": "jwt"} in records
    refusal = {"event": "refused", "code": "anonymous_disabled", "route": "auth/anonymous/"}
    assert refusal in records
    assert "127.0.0.1" not in caplog.text


def test_a_database_that_does_not_answer_is_a_503(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(User, "save", broken)
    answer = api.post("anonymous/")

    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")


def test_one_guest_does_not_fill_the_table_of_sessions(api: Api, settings: Settings) -> None:
    """A guest's credentials pass the guards in front of new guests."""
    settings.ANONAUTH_TOKEN_RATE_LIMITS = ["3/h"]
    api.sign_in()
    token = f"Bearer {api.tokens['access']}"
    answers = [
        Api(Authorization=token).post("anonymous/", {"credentials": "session"}) for _ in range(5)
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert Session.objects.count() == 3
    assert api.post("anonymous/").status_code == 200

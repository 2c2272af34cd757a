"""The guards stand in the order of their cost: nobody who is refused anyway costs a captcha or a row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, connections
from django.http import HttpRequest, JsonResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import path

from anonauth.captcha import CaptchaVerifier
from anonauth.models import SignInKey
from tests import pages
from tests.client import Api
from tests.services.captcha import GOOD, CaptchaProvider, server

if TYPE_CHECKING:
    from pytest_django import Settings

# As in production: no transaction around the request.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]
User = get_user_model()

KEY = "c3ac5fd2-0c0e-4a3c-9d7a-3e8f5b7fd2f1"
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1)"


def in_transaction(request: HttpRequest) -> JsonResponse:
    """A view of the project's, which does what ATOMIC_REQUESTS says."""
    return JsonResponse({"in_transaction": connection.in_atomic_block})


urlpatterns = [*pages.urlpatterns, path("in-transaction/", in_transaction)]


class Witness(CaptchaVerifier):
    """Lets everybody in and notes whether the database was kept waiting meanwhile."""

    seen: list[bool] = []

    def verify(self, token: str, *, remote_ip: str | None) -> None:
        self.seen.append(connection.in_atomic_block)


@pytest.fixture
def provider(settings: Settings) -> Iterator[CaptchaProvider]:
    with server() as running:
        settings.ANONAUTH_CAPTCHA = "turnstile"
        settings.ANONAUTH_CAPTCHA_SECRET = "the-secret-key"
        settings.ANONAUTH_CAPTCHA_URL = running.url
        yield running


@pytest.fixture
def witness(settings: Settings) -> Iterator[list[bool]]:
    settings.ANONAUTH_CAPTCHA = f"{__name__}.Witness"
    Witness.seen.clear()
    yield Witness.seen
    Witness.seen.clear()


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


# --- the whole row of guards


def test_of_many_faults_the_one_that_costs_least_to_find_is_answered(
    provider: CaptchaProvider, settings: Settings
) -> None:
    Api().post("anonymous/", {"captcha_token": GOOD})
    provider.forms.clear()
    settings.ANONAUTH_ENABLED = False
    settings.ANONAUTH_RATE_LIMITS = ["1/h"]
    settings.ANONAUTH_MAX_GUESTS = 1
    Api().post("anonymous/", "{")
    settings.ANONAUTH_ENABLED = True
    Api().post("anonymous/", "{")  # the budget is used up
    settings.ANONAUTH_ENABLED = False
    user_agent, key, body = BOT, "short", "{"
    heard: list[tuple[int, str, int]] = []

    def ask() -> None:
        answer = Api(user_agent=user_agent).post("anonymous/", body, Idempotency_Key=key)
        said = answer.json()
        heard.append((answer.status_code, said.get("code", ""), len(provider.forms)))

    ask()
    settings.ANONAUTH_ENABLED = True
    ask()
    user_agent = "Mozilla/5.0 (X11; Linux x86_64)"
    ask()
    settings.ANONAUTH_RATE_LIMITS = ["100/h"]
    ask()
    body = '{"captcha_token": "wrong"}'
    ask()
    key = KEY
    ask()
    body = f'{{"captcha_token": "{GOOD}"}}'
    ask()
    assert User.objects.count() == 1
    assert not SignInKey.objects.exists()
    settings.ANONAUTH_MAX_GUESTS = 100
    ask()

    assert heard == [  # status, code, how often the provider was asked so far
        (403, "anonymous_disabled", 0),
        (403, "automated_client", 0),
        (429, "rate_limited", 0),
        (400, "parse_error", 0),
        (400, "invalid", 0),
        (400, "captcha_failed", 1),
        (503, "capacity_reached", 2),
        (201, "", 3),
    ]
    assert User.objects.count() == 2


# --- what a refusal must not use up


def test_while_the_door_is_closed_nobodys_budget_is_used_up(settings: Settings) -> None:
    settings.ANONAUTH_RATE_LIMITS = ["1/h"]
    settings.ANONAUTH_ENABLED = False
    for _ in range(3):
        Api().post("anonymous/")

    settings.ANONAUTH_ENABLED = True
    assert Api().post("anonymous/").status_code == 201


def test_a_robot_uses_up_no_budget_of_the_people_behind_the_same_address(
    settings: Settings,
) -> None:
    settings.ANONAUTH_RATE_LIMITS = ["1/h"]
    for _ in range(3):
        assert code(Api(user_agent=BOT).post("anonymous/")) == (403, "automated_client")

    assert Api().post("anonymous/").status_code == 201


def test_an_attempt_with_a_bad_body_counts(settings: Settings) -> None:
    # Or whoever wants to tire the parser could do it without any limit.
    settings.ANONAUTH_RATE_LIMITS = ["1/h"]
    assert code(Api().post("anonymous/", "{")) == (400, "parse_error")

    assert code(Api().post("anonymous/")) == (429, "rate_limited")


def test_a_rate_limited_visitor_keeps_his_captcha_token(
    provider: CaptchaProvider, settings: Settings
) -> None:
    settings.ANONAUTH_RATE_LIMITS = ["1/h"]
    Api().post("anonymous/", {"captcha_token": GOOD})

    assert code(Api().post("anonymous/", {"captcha_token": GOOD})) == (429, "rate_limited")
    assert len(provider.forms) == 1


def test_without_a_cache_to_count_in_no_captcha_token_is_used_up(
    provider: CaptchaProvider, settings: Settings
) -> None:
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1",
        }
    }

    answer = Api().post("anonymous/", {"captcha_token": GOOD})

    assert code(answer) == (503, "rate_limit_unavailable")
    assert provider.forms == []


@pytest.mark.parametrize(
    ("body", "headers", "refusal"),
    [
        ({"profile": {"nickname": "x"}}, {}, (400, "invalid")),
        ({"credentials": "carrier pigeon"}, {}, (400, "invalid")),
        ({"unknown": 1}, {}, (400, "invalid")),
        ({}, {"Idempotency_Key": "short"}, (400, "invalid")),
        ({"credentials": "session"}, {"Sec_Fetch_Site": "cross-site"}, (403, "cross_site")),
    ],
)
def test_a_request_that_cannot_succeed_uses_up_no_captcha_token(
    provider: CaptchaProvider, body: dict[str, Any], headers: dict[str, str], refusal: Any
) -> None:
    answer = Api().post("anonymous/", {**body, "captcha_token": GOOD}, **headers)

    assert code(answer) == refusal
    assert provider.forms == []
    assert not User.objects.exists()


def test_a_retry_with_a_known_key_does_not_ask_the_provider_again(
    provider: CaptchaProvider, settings: Settings
) -> None:
    first = Api().post("anonymous/", {"captcha_token": GOOD}, Idempotency_Key=KEY)
    settings.ANONAUTH_MAX_GUESTS = 1  # nor does the cap matter: he exists

    # The token of the first attempt is burnt, and so are all that the client has.
    again = Api().post("anonymous/", {"captcha_token": "burnt"}, Idempotency_Key=KEY)

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["user"]["id"] == first.json()["user"]["id"]
    assert len(provider.forms) == 1


def test_a_retry_counts_against_the_limits_all_the_same(
    provider: CaptchaProvider, settings: Settings
) -> None:
    # Or keys could be tried without any limit.
    settings.ANONAUTH_RATE_LIMITS = ["1/h"]
    Api().post("anonymous/", {"captcha_token": GOOD}, Idempotency_Key=KEY)

    assert code(Api().post("anonymous/", Idempotency_Key=KEY)) == (429, "rate_limited")


def test_whoever_is_signed_in_already_is_never_asked_for_a_captcha(
    provider: CaptchaProvider, settings: Settings
) -> None:
    api = Api()
    api.sign_in(captcha_token=GOOD)

    assert api.post("anonymous/").status_code == 200
    User.objects.create_user("ann", password="secret")
    ann = Api()
    ann.http.login(username="ann", password="secret")
    ann.http.cookies["csrftoken"] = "a" * 32
    assert code(ann.post("anonymous/")) == (409, "already_permanent")
    assert len(provider.forms) == 1


# --- the captcha


def test_a_wrong_captcha_token_makes_nobody(provider: CaptchaProvider) -> None:
    answer = Api().post("anonymous/", {"captcha_token": "wrong"}, Idempotency_Key=KEY)

    assert code(answer) == (400, "captcha_failed")
    assert [form["response"] for form in provider.forms] == ["wrong"]
    assert not User.objects.exists()
    assert not SignInKey.objects.exists()


@pytest.mark.parametrize("body", [None, {}, {"captcha_token": None}, {"captcha_token": ""}])
def test_no_captcha_token_makes_nobody_and_the_provider_is_not_asked(
    provider: CaptchaProvider, body: Any
) -> None:
    assert code(Api().post("anonymous/", body)) == (400, "captcha_failed")
    assert provider.forms == []
    assert not User.objects.exists()


@pytest.mark.parametrize("mode", ["500", "junk", "hang up"])
def test_while_the_provider_is_down_nobody_is_let_in(provider: CaptchaProvider, mode: str) -> None:
    provider.mode = mode

    answer = Api().post("anonymous/", {"captcha_token": GOOD}, Idempotency_Key=KEY)

    assert code(answer) == (503, "captcha_unavailable")
    assert not User.objects.exists()
    provider.mode = "answer"
    again = Api().post("anonymous/", {"captcha_token": GOOD}, Idempotency_Key=KEY)
    assert again.status_code == 201


def test_failing_open_is_about_the_cache_and_not_about_the_captcha(
    provider: CaptchaProvider, settings: Settings
) -> None:
    settings.ANONAUTH_FAIL_OPEN = True
    provider.mode = "500"

    assert Api().post("anonymous/", {"captcha_token": GOOD}).status_code == 503
    assert not User.objects.exists()


def test_the_provider_learns_the_visitors_address_and_not_the_proxys(
    provider: CaptchaProvider, settings: Settings
) -> None:
    Api().post("anonymous/", {"captcha_token": GOOD}, X_Forwarded_For="192.0.2.66")
    settings.ANONAUTH_TRUSTED_PROXY_COUNT = 1
    Api().post("anonymous/", {"captcha_token": GOOD}, X_Forwarded_For="6.6.6.6, 192.0.2.7")

    assert [form["remoteip"] for form in provider.forms] == ["127.0.0.1", "192.0.2.7"]


@pytest.mark.parametrize("atomic_requests", [False, True])
@pytest.mark.parametrize("key", [None, KEY])
def test_the_captcha_is_verified_outside_of_any_transaction(
    witness: list[bool], monkeypatch: pytest.MonkeyPatch, key: str | None, atomic_requests: bool
) -> None:
    # Or a slow provider would hold a connection, and its locks, for each visitor that waits.
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", atomic_requests)
    headers = {} if key is None else {"Idempotency_Key": key}

    assert Api().post("anonymous/", **headers).status_code == 201
    assert Api().post("anonymous/", {"credentials": "session"}).status_code == 201

    assert witness == [False, False]
    seen = Client().get("/in-transaction/").json()
    assert seen == {"in_transaction": atomic_requests}  # the setting was in force


def test_no_row_is_locked_or_written_before_the_captcha(provider: CaptchaProvider) -> None:
    with CaptureQueriesContext(connection) as queries:
        Api().post("anonymous/", {"captcha_token": "wrong"}, Idempotency_Key=KEY)

    assert [q["sql"].split()[0] for q in queries.captured_queries] == ["SELECT"]  # the key


# --- pages have the same guards in the same order


def page(**data: str) -> Any:
    return Client().post("/basket/", data)


def test_a_rate_limited_visitor_of_a_page_keeps_his_captcha_token(
    provider: CaptchaProvider, settings: Settings
) -> None:
    settings.ANONAUTH_RATE_LIMITS = ["1/h"]
    assert page(captcha_token=GOOD).status_code == 200

    assert page(captcha_token=GOOD).status_code == 429
    assert len(provider.forms) == 1
    assert User.objects.count() == 1


def test_a_closed_page_asks_no_provider(provider: CaptchaProvider, settings: Settings) -> None:
    settings.ANONAUTH_ENABLED = False

    assert page(captcha_token=GOOD).status_code == 403
    assert provider.forms == []


def test_a_robots_post_asks_no_provider(provider: CaptchaProvider) -> None:
    client = Client(headers={"user-agent": BOT})

    assert client.post("/basket/", {"captcha_token": GOOD}).status_code == 403
    assert client.post("/welcome/", {"captcha_token": GOOD}).json() == {"id": None}
    assert provider.forms == []


def test_a_double_click_on_a_page_asks_the_provider_once(provider: CaptchaProvider) -> None:
    first = page(key=KEY, captcha_token=GOOD)
    second = page(key=KEY, captcha_token="burnt")

    assert first.json() == second.json() == {"id": str(User.objects.get().pk)}
    assert len(provider.forms) == 1


@pytest.mark.parametrize(
    ("mode", "token", "status"), [("answer", "wrong", 400), ("500", GOOD, 503)]
)
def test_a_page_makes_nobody_without_a_captcha(
    provider: CaptchaProvider, mode: str, token: str, status: int
) -> None:
    provider.mode = mode

    answer = page(captcha_token=token)

    assert answer.status_code == status
    assert len(provider.forms) == 1
    assert not User.objects.exists()


def test_a_full_house_is_found_out_after_the_captcha_on_pages_too(
    provider: CaptchaProvider, settings: Settings
) -> None:
    settings.ANONAUTH_MAX_GUESTS = 0

    assert page(captcha_token="wrong").status_code == 400
    assert page(captcha_token=GOOD).status_code == 503
    assert not User.objects.exists()


def test_the_captcha_of_a_page_is_verified_outside_of_any_transaction(
    witness: list[bool],
) -> None:
    assert page().status_code == 200
    assert witness == [False]


def test_the_provider_learns_the_address_of_a_pages_visitor(provider: CaptchaProvider) -> None:
    page(captcha_token=GOOD)

    assert provider.forms[0]["remoteip"] == "127.0.0.1"

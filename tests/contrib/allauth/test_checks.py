"""The system checks of the bridge."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.core.checks import CheckMessage, run_checks

from anonauth.contrib.allauth import checks

if TYPE_CHECKING:
    from pytest_django import Settings

PLAIN = "django.contrib.auth.backends.ModelBackend"


def ids(messages: list[CheckMessage]) -> list[str | None]:
    return [message.id for message in messages]


@pytest.mark.django_db
def test_a_project_as_documented_is_clean() -> None:
    # W047 is said of a model of the tests, where the database is SQLite.
    assert [message for message in run_checks() if message.id != "models.W047"] == []


def test_an_account_adapter_that_knows_no_guests_is_an_error(settings: Settings) -> None:
    settings.ACCOUNT_ADAPTER = "allauth.account.adapter.DefaultAccountAdapter"

    (message,) = checks.check_adapters(None)

    assert message.id == "anonauth.E301"
    assert message.hint is not None
    assert "anonauth.contrib.allauth.adapters.AccountAdapter" in message.hint


def test_a_social_account_adapter_that_knows_no_guests_is_an_error(settings: Settings) -> None:
    settings.SOCIALACCOUNT_ADAPTER = "allauth.socialaccount.adapter.DefaultSocialAccountAdapter"

    assert ids(checks.check_adapters(None)) == ["anonauth.E302"]


def test_the_ready_made_adapters_are_fine(settings: Settings) -> None:
    settings.ACCOUNT_ADAPTER = "anonauth.contrib.allauth.adapters.AccountAdapter"
    settings.SOCIALACCOUNT_ADAPTER = "anonauth.contrib.allauth.adapters.SocialAccountAdapter"

    assert checks.check_adapters(None) == []


def test_sessions_of_guests_without_the_backend_are_an_error(settings: Settings) -> None:
    settings.AUTHENTICATION_BACKENDS = [PLAIN]
    assert ids(checks.check_backend(None)) == ["anonauth.E303"]

    settings.ANONAUTH_CREDENTIALS = ["jwt"]
    assert checks.check_backend(None) == []


def test_a_setting_that_names_another_backend_is_an_error(settings: Settings) -> None:
    settings.ANONAUTH_SESSION_BACKEND = PLAIN

    assert ids(checks.check_backend(None)) == ["anonauth.E303"]


@pytest.mark.parametrize("first", [True, False])
def test_the_place_of_the_backend_does_not_matter(settings: Settings, first: bool) -> None:
    pair = [checks.BACKEND, PLAIN]
    settings.AUTHENTICATION_BACKENDS = pair if first else pair[::-1]

    assert checks.check_backend(None) == []


def test_a_middleware_that_may_look_at_the_user_too_early_is_a_warning(settings: Settings) -> None:
    settings.MIDDLEWARE = [m for m in settings.MIDDLEWARE if m != checks.ACCOUNT_MIDDLEWARE]
    settings.MIDDLEWARE.append(checks.ACCOUNT_MIDDLEWARE)

    (message,) = checks.check_middleware(None)

    assert message.id == "anonauth.W304"
    assert "UserSessionsMiddleware" in message.msg


@pytest.mark.parametrize("blind", sorted(checks.BLIND))
def test_a_middleware_that_asks_nobody_may_stand_between(settings: Settings, blind: str) -> None:
    at = settings.MIDDLEWARE.index(checks.ACCOUNT_MIDDLEWARE)
    settings.MIDDLEWARE = [*settings.MIDDLEWARE[:at], blind, *settings.MIDDLEWARE[at:]]

    assert checks.check_middleware(None) == []


def test_what_allauths_own_checks_report_is_left_to_them(settings: Settings) -> None:
    settings.MIDDLEWARE = []

    assert checks.check_middleware(None) == []


@pytest.mark.parametrize("why", ["no app", "no clients"])
def test_session_tokens_without_a_headless_api_for_apps_are_an_error(
    settings: Settings, why: str
) -> None:
    settings.ANONAUTH_CREDENTIALS = ["headless"]
    assert checks.check_headless(None) == []

    if why == "no app":
        settings.INSTALLED_APPS = [a for a in settings.INSTALLED_APPS if a != "allauth.headless"]
    else:
        settings.HEADLESS_CLIENTS = ("browser",)

    assert ids(checks.check_headless(None)) == ["anonauth.E305"]


@pytest.mark.parametrize(
    "uri",
    [
        "/callback",
        "//shop.example/callback",
        "shop.example/callback",
        "javascript:alert(1)",
        "data:text/html,x",
        "https://shop.example/callback#here",
        "https://*.shop.example/callback",
        "https://shop.example@evil.example/callback",
        "https:///callback",
        "https://[callback",
        "http://shop.example/callback",
        "https://shop.example/call back",
        "https://shop.example/\n",
    ],
)
def test_an_address_to_which_no_code_should_be_brought_is_an_error(
    settings: Settings, uri: str
) -> None:
    settings.ANONAUTH_REDIRECT_URIS = [uri]

    assert ids(checks.check_redirect_uris(None)) == ["anonauth.E306"]


def test_addresses_of_apps_pages_and_desktops_are_fine(settings: Settings) -> None:
    settings.ANONAUTH_REDIRECT_URIS = (
        "com.example.shop:/callback",
        "shop://callback",
        "https://shop.example/callback?from=provider",
        "http://127.0.0.1:8123/callback",
        "http://[::1]/callback",
        "http://localhost:3000/callback",
    )

    assert checks.check_redirect_uris(None) == []


def test_each_check_is_on_the_page() -> None:
    source = Path(checks.__file__).read_text("utf-8")
    page = Path(__file__).parents[3].joinpath("docs/checks.md").read_text("utf-8")

    assert set(re.findall(r"[EW]30\d", source)) == set(re.findall(r"anonauth\.([EW]3\d\d)`", page))


@pytest.mark.parametrize("policy", ["ask", "always", "never"])
def test_a_project_without_the_page_that_asks_is_warned(settings: Settings, policy: str) -> None:
    settings.ANONAUTH_MERGE_ON_LOGIN = policy
    assert checks.check_merge_page(None) == []

    settings.ROOT_URLCONF = "allauth.urls"

    expected = [] if policy == "never" else ["anonauth.W307"]
    assert ids(checks.check_merge_page(None)) == expected

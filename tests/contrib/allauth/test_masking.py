"""Which views see a visitor; and allauth's internal names, each of which has one place here."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from allauth.account import views
from allauth.account.internal.flows.password_reset_by_code import (
    PASSWORD_RESET_VERIFICATION_SESSION_KEY,
)
from allauth.core import context
from asgiref.sync import async_to_sync
from django.contrib.auth import aget_user, get_user
from django.test import RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver

from anonauth.contrib.allauth.masking import (
    CONFIRM_LINK,
    ENTRANCES,
    RESETS,
    STAGES,
    guest_behind,
    view_name,
    waiting_stage,
)
from tests.contrib.allauth.people import PASSWORD, Guest, Headless, Person, account

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db

#: The views that are for whoever is signed in, or that do not care.
OPEN = {
    "account_logout",
    "account_inactive",
    "account_reauthenticate",
    "account_request_reauthentication_code",  # since 65.22, like the next ones of its kind
    "account_confirm_reauthentication_code",
    "account_email",
    "account_change_password",
    "account_set_password",
    "account_change_phone",
    "socialaccount_login_cancelled",
    "socialaccount_login_error",
    "socialaccount_connections",
    "dummy_login",
    "dummy_authenticate",
    "openid_connect_login",
    "openid_connect_callback",
    "mfa_index",
    "mfa_reauthenticate",
    "mfa_activate_totp",
    "mfa_deactivate_totp",
    "mfa_view_recovery_codes",
    "mfa_generate_recovery_codes",
    "mfa_download_recovery_codes",
    "mfa_list_webauthn",
    "mfa_add_webauthn",
    "mfa_reauthenticate_webauthn",
    "mfa_remove_webauthn",
    "mfa_edit_webauthn",
    "usersessions_list",
    "headless:config",
    "headless:account:reauthenticate",
    "headless:account:request_reauthentication_code",
    "headless:account:resend_reauthentication_code",
    "headless:account:confirm_reauthentication_code",
    "headless:account:change_password",
    "headless:account:manage_email",
    "headless:account:manage_phone",
    "headless:socialaccount:manage_providers",
    "headless:socialaccount:redirect_to_provider",
    "headless:socialaccount:provider_token",
    "headless:mfa:authenticators",
    "headless:mfa:manage_totp",
    "headless:mfa:manage_recovery_codes",
    "headless:mfa:manage_webauthn",
    "headless:mfa:reauthenticate",
    "headless:mfa:reauthenticate_webauthn",
    "headless:usersessions:sessions",
    "headless:tokens:refresh",
    "headless:tokens:refresh_token",
}

#: Names of routes that these settings leave out.
ABSENT = {
    "account_confirm_password_reset_code",
    "account_complete_password_reset",
    "account_password_reset_completed",
    "mfa_trust",
    "headless:mfa:trust",
}


def names(patterns: Any, prefix: str = "") -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLPattern) and pattern.name:
            yield prefix + pattern.name
        elif isinstance(pattern, URLResolver):
            space = f"{pattern.namespace}:" if pattern.namespace else ""
            yield from names(pattern.url_patterns, prefix + space)


def all_names() -> set[str]:
    found = set()
    for root in ("allauth.urls", "allauth.headless.urls"):
        prefix = "headless:" if "headless" in root else ""
        for name in names(get_resolver(root).url_patterns, prefix):
            found.add(name.replace("headless:app:", "headless:").replace("browser:", ""))
    return found


def test_each_view_of_allauth_is_for_visitors_or_for_users_or_depends() -> None:
    # A view that a new version of allauth brings fails here until somebody has decided.
    known = ENTRANCES | set(STAGES) | {CONFIRM_LINK} | OPEN
    assert all_names() <= known


def test_allauth_keeps_password_resets_where_we_look_for_them() -> None:
    # Since 65.22 the views are a package.
    view = import_module(views.PasswordResetFromKeyView.__module__)
    assert RESETS == (view.INTERNAL_RESET_SESSION_KEY, PASSWORD_RESET_VERIFICATION_SESSION_KEY)


def test_no_view_that_is_hidden_from_has_left_allauth() -> None:
    assert (ENTRANCES | set(STAGES)) - all_names() <= ABSENT


def request_of(guest: Guest, path: str) -> Any:
    request = RequestFactory().get(path)
    request.session = guest.http.session
    return request


@pytest.mark.parametrize(
    ("path", "hidden"),
    [("/accounts/login/", True), ("/accounts/email/", False), ("/nowhere/", False)],
)
def test_both_ways_to_load_the_user_agree(guest: Guest, path: str, hidden: bool) -> None:
    request = request_of(guest, path)
    with context.request_context(request):
        assert get_user(request).is_authenticated is not hidden
        assert async_to_sync(aget_user)(request).is_authenticated is not hidden


def test_outside_of_allauths_middleware_nothing_is_hidden(guest: Guest) -> None:
    assert get_user(request_of(guest, "/accounts/login/")).is_authenticated


def test_the_session_is_untouched_while_its_user_is_hidden(guest: Guest) -> None:
    request = request_of(guest, "/accounts/login/")
    with context.request_context(request):
        request.user = get_user(request)
        behind = guest_behind(request)

    assert behind == guest.row
    assert request.session["cart"] == [1, 2]
    assert not request.session.modified


def test_views_are_told_apart_by_name_for_both_clients_of_the_headless_api(rf: Any) -> None:
    for client in ("app", "browser"):
        request = rf.get(f"/_allauth/{client}/v1/auth/login")
        assert view_name(request) == "headless:account:login"


def test_a_login_that_waits_is_found_under_allauths_name(guest: Guest) -> None:
    assert waiting_stage(request_of(guest, "/")) is None
    guest.post("/accounts/signup/", email="new@example.com", password1=PASSWORD)

    assert waiting_stage(request_of(guest, "/")) == "verify_email"


def test_a_login_that_waited_too_long_waits_no_more(guest: Guest, settings: Settings) -> None:
    guest.post("/accounts/signup/", email="new@example.com", password1=PASSWORD)
    settings.ACCOUNT_LOGIN_TIMEOUT = -1

    assert waiting_stage(request_of(guest, "/")) is None
    assert guest.http.get("/accounts/confirm-email/", follow=True).status_code == 200
    assert guest.is_still_a_guest


def eager(get_response: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def middleware(request: Any) -> Any:
        bool(request.user.is_authenticated)
        return get_response(request)

    return middleware


@pytest.fixture
def eager_path(monkeypatch: pytest.MonkeyPatch) -> str:
    module = types.ModuleType("eager_middleware")
    module.eager = eager  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "eager_middleware", module)
    return "eager_middleware.eager"


ACCOUNT = "allauth.account.middleware.AccountMiddleware"


@pytest.mark.parametrize(("place", "status"), [(0, 302), (1, 200)], ids=["before", "after"])
def test_who_looks_at_the_user_before_allauths_middleware_turns_guests_away(
    settings: Settings, eager_path: str, place: int, status: int
) -> None:
    at = settings.MIDDLEWARE.index(ACCOUNT) + place
    settings.MIDDLEWARE = [*settings.MIDDLEWARE[:at], eager_path, *settings.MIDDLEWARE[at:]]

    assert Guest().get("/accounts/login/").status_code == status


def test_the_entrance_is_open_where_every_page_asks_for_a_login(settings: Settings) -> None:
    required = "django.contrib.auth.middleware.LoginRequiredMiddleware"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, required]
    guest = Guest()

    assert guest.is_still_a_guest
    assert guest.get("/accounts/login/").status_code == 200
    assert Person().get("/").status_code == 302


def test_a_waiting_login_does_not_hide_a_guest_from_the_rest_of_the_headless_api(
    headless: Callable[[str], Headless],
) -> None:
    account()
    guest = headless("browser")
    guest.call("POST", "auth/code/request", {"email": "ann@example.com"})

    assert guest.call("GET", "account/email").status_code == 200

"""System checks of the bridge to allauth."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from allauth import app_settings as allauth_settings
from allauth.account import app_settings as account_settings
from django.apps import apps
from django.conf import settings as django_settings
from django.contrib.auth import load_backend
from django.core.checks import CheckMessage, Error, Warning, register
from django.utils.module_loading import import_string

from anonauth.checks import AUTHENTICATION, MIDDLEWARE, sound_settings
from anonauth.conf import get_settings
from anonauth.contrib.allauth.adapters import AccountAdapterMixin, SocialAccountAdapterMixin
from anonauth.credentials import session_backend
from anonauth.offers import page

ACCOUNT_MIDDLEWARE = "allauth.account.middleware.AccountMiddleware"
BACKEND = "anonauth.contrib.allauth.backends.GuestBackend"

RUNNING = {"about", "blob", "data", "file", "filesystem", "javascript", "vbscript"}
LOOPBACK = {"127.0.0.1", "::1", "localhost"}

#: Middleware that is known not to ask who the user is before the view runs.
BLIND = {
    MIDDLEWARE,
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",  # asks in process_view
}


@register("anonauth")
def check_adapters(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E301, E302: adapters that would make a second row of a guest."""
    needed = [("ACCOUNT_ADAPTER", account_settings.ADAPTER, AccountAdapterMixin, "anonauth.E301")]
    if allauth_settings.SOCIALACCOUNT_ENABLED:
        path = import_string("allauth.socialaccount.app_settings").ADAPTER
        needed.append(("SOCIALACCOUNT_ADAPTER", path, SocialAccountAdapterMixin, "anonauth.E302"))
    return [
        Error(
            f"{name} ({path}) does not know of guests.",
            hint=f'Set it to "{mixin.__module__}.{mixin.__name__.removesuffix("Mixin")}", or put '
            f"{mixin.__name__} from there first among the bases of your adapter.",
            id=number,
        )
        for name, path, mixin, number in needed
        if not issubclass(import_string(path), mixin)
    ]


@register("anonauth")
def check_backend(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E303: sessions of guests that allauth's entrance pages would turn away."""
    if not sound_settings() or not {"session", "headless"} & set(get_settings().credentials):
        return []
    if getattr(load_backend(session_backend()), "loads_guests", False):
        return []
    return [
        Error(
            f"Guests' sessions are loaded by {session_backend()}: allauth's sign-up and login pages "
            "turn a guest away.",
            hint=f'Add "{BACKEND}" to AUTHENTICATION_BACKENDS, at any place, and take '
            "ANONAUTH_SESSION_BACKEND out of the settings.",
            id="anonauth.E303",
        )
    ]


@register("anonauth")
def check_middleware(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W304: a middleware that may look at the user before allauth's pages can hide him."""
    order = list(django_settings.MIDDLEWARE)
    if AUTHENTICATION not in order or ACCOUNT_MIDDLEWARE not in order:
        return []
    between = order[order.index(AUTHENTICATION) + 1 : order.index(ACCOUNT_MIDDLEWARE)]
    early = [name for name in between if name not in BLIND]
    if not early:
        return []
    return [
        Warning(
            f"Between AuthenticationMiddleware and allauth's AccountMiddleware stands {', '.join(early)}.",
            hint="If it asks for request.user there, a guest is turned away from the sign-up and login "
            "pages. Put AccountMiddleware right after AuthenticationMiddleware.",
            id="anonauth.W304",
        )
    ]


@register("anonauth")
def check_headless(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E305: session tokens that no headless API would take."""
    if not sound_settings() or "headless" not in get_settings().credentials:
        return []
    if apps.is_installed("allauth.headless") and _apps_are_clients():
        return []
    return [
        Error(
            'ANONAUTH_CREDENTIALS names "headless", but allauth has no headless API for apps here.',
            hint='Install allauth.headless, with "app" in HEADLESS_CLIENTS, or take the kind out.',
            id="anonauth.E305",
        )
    ]


def _apps_are_clients() -> bool:
    return "app" in import_string("allauth.headless.app_settings").CLIENTS


@register("anonauth")
def check_merge_page(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W307: a page that asks guests who log in, and that nobody can be sent to."""
    if not sound_settings() or get_settings().merge_on_login == "never" or page():
        return []
    return [
        Warning(
            "A guest who logs in to an account cannot be asked whether his things shall come along.",
            hint='Include "anonauth.urls" in the URLconf, or set ANONAUTH_MERGE_ON_LOGIN = "never".',
            id="anonauth.W307",
        )
    ]


@register("anonauth")
def check_redirect_uris(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E306: addresses to which no browser should bring the code of a social upgrade."""
    if not sound_settings():
        return []
    return [
        Error(
            f"ANONAUTH_REDIRECT_URIS: {uri!r} {fault}.",
            hint="Write each address in full, as the client sends it, e.g. "
            '"https://shop.example/callback" or "com.example.shop:/callback".',
            id="anonauth.E306",
        )
        for uri in get_settings().redirect_uris
        if (fault := _fault(uri))
    ]


def _fault(uri: str) -> str | None:
    if not uri.isprintable() or " " in uri:
        return "is no address"
    try:
        parts = urlsplit(uri)
    except ValueError:
        return "is no address"
    if not parts.scheme:
        return "has no scheme"
    if parts.scheme in RUNNING:
        return "would be run by the browser instead of being visited"
    if "#" in uri:
        return "has a fragment, behind which the code would not be seen"
    if parts.scheme in {"http", "https"} and (
        not parts.hostname or "@" in parts.netloc or "*" in uri
    ):
        return "names no single host"
    # RFC 8252, section 7.3: an app on a desktop may listen on the loopback interface.
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        return "would bring the code over an unencrypted connection"
    return None

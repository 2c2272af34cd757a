"""What stands before the creation of a guest and looks at the request alone: no query, no network."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.http import HttpRequest
from django.utils.http import is_same_domain

from anonauth.conf import get_settings
from anonauth.exceptions import AutomatedClient, CrossSite

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def check_person(request: HttpRequest) -> None:
    """Raise :class:`AutomatedClient` for prefetches and for robots that say that they are."""
    if is_prefetch(request) or is_known_bot(request.headers.get("User-Agent", "")):
        raise AutomatedClient


def is_prefetch(request: HttpRequest) -> bool:
    """Tell whether the browser asked on its own account, before the person did."""
    purpose = request.headers.get("Sec-Purpose", "") + request.headers.get("Purpose", "")
    return "prefetch" in purpose.lower() or request.headers.get("X-Moz") == "prefetch"


def is_known_bot(user_agent: str) -> bool:
    """Tell whether ANONAUTH_BOT_USER_AGENTS names this client; a hint against crawlers, no defense."""
    pattern = _bots(get_settings().bot_user_agents)
    return pattern is not None and pattern.search(user_agent) is not None


@lru_cache(maxsize=8)
def _bots(expressions: tuple[str, ...]) -> re.Pattern[str] | None:
    # An empty list is no pattern at all: "" would match everybody.
    return re.compile("|".join(expressions), re.IGNORECASE) if expressions else None


def check_same_site(request: HttpRequest, *, sets_cookie: bool) -> None:
    """Raise :class:`CrossSite` when another site's page made the browser send the request.

    A visitor has no cookie that a CSRF token could be bound to, so what browsers say of themselves decides:
    ``Sec-Fetch-Site``, else ``Origin`` against ``Host`` and CSRF_TRUSTED_ORIGINS. Clients that send neither are no
    browsers and carry nobody's cookies. Source: https://words.filippo.io/csrf/ (as in Go's CrossOriginProtection).

    Args:
        request: the request of the would-be guest.
        sets_cookie: whether the answer signs the browser in. If not, another origin may call us like any API
            client, but only in a way that its CORS preflight had to allow.
    """
    if request.method in SAFE_METHODS or _is_own_origin(request):
        return
    # SECURITY: login CSRF. A form, or fetch() in no-cors mode, cannot send this content type, and a cors one is
    # preflighted with it: a page that our CORS rules do not allow cannot make guests with its visitors' addresses.
    if sets_cookie or request.content_type != "application/json":
        raise CrossSite


def _is_own_origin(request: HttpRequest) -> bool:
    origin = request.headers.get("Origin", "")
    if origin and _is_trusted(origin):
        return True
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in {"same-origin", "none"}
    return not origin or origin == f"{request.scheme}://{request.get_host()}"


def _is_trusted(origin: str) -> bool:
    try:
        own = urlsplit(origin)
    except ValueError:
        return False
    trusted = (urlsplit(entry) for entry in django_settings.CSRF_TRUSTED_ORIGINS)
    # As Django's CsrfViewMiddleware reads it: "https://*.example.com" is every subdomain.
    return any(
        own.scheme == entry.scheme and is_same_domain(own.netloc, entry.netloc.lstrip("*"))
        for entry in trusted
    )

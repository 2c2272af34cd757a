"""The Python face for projects with pages of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user
from django.http import HttpRequest

from anonauth.api.entrance import admit, enter
from anonauth.credentials import SessionCredentials
from anonauth.exceptions import UserInactive
from anonauth.flows.last_seen import SETS_COOKIE
from anonauth.flows.merge import merge, preview_merge
from anonauth.guards import SAFE_METHODS, check_same_site
from anonauth.models import is_guest, is_permanent

__all__ = ["asign_in", "is_guest", "is_permanent", "merge", "preview_merge", "sign_in"]

#: Where the widgets of Turnstile, hCaptcha and reCAPTCHA put their token into a form.
CAPTCHA_FIELDS = (
    "captcha_token",
    "cf-turnstile-response",
    "h-captcha-response",
    "g-recaptcha-response",
)


def sign_in(
    request: HttpRequest,
    *,
    profile: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
    captcha_token: str | None = None,
) -> Any:
    """Return the user of this request; a visitor becomes a guest with a session first.

    Call it at the first write, in a POST: what a visitor has in his session stays in it.

    Args:
        request: a POST, PUT, PATCH or DELETE of a browser.
        profile: validated values for ``Adapter.populate``.
        idempotency_key: makes a double click one guest; default: the ``Idempotency-Key`` header. It has to be made
            in the browser: one in a page that is cached would sign many visitors in as one guest.
        captcha_token: default: the form field in which the configured provider's widget puts it.

    Raises:
        ValueError: the method is a safe one; crawlers and prefetches would make guests.
        AnonauthError: any of the refusals that ``POST anonymous/`` has. Uncaught, ``GuestMiddleware`` answers it.
    """
    user: Any = request.user
    if user.is_authenticated:
        return _active(user)
    if request.method in SAFE_METHODS:
        raise ValueError(f"sign_in() was called in a {request.method} request; call it in a POST.")
    check_same_site(request, sets_cookie=True)
    # A view of REST framework may be one that does not look at the session.
    user = get_user(request)
    if user.is_authenticated:
        return _active(user)
    ip = admit(request)
    kind = SessionCredentials()
    entered = enter(
        request,
        ip=ip,
        credentials=kind.name,
        profile=profile,
        captcha_token=_captcha_token(request) if captcha_token is None else captcha_token,
        key=idempotency_key or request.headers.get("Idempotency-Key"),
    )
    kind.issue(request, entered.user)
    request.META[SETS_COOKIE] = True
    return entered.user


async def asign_in(
    request: HttpRequest,
    *,
    profile: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
    captcha_token: str | None = None,
) -> Any:
    """Do what :func:`sign_in` does, for async views."""
    user = await sync_to_async(sign_in)(
        request, profile=profile, idempotency_key=idempotency_key, captcha_token=captcha_token
    )

    async def auser() -> Any:
        return user

    request.auser = auser  # Django 5.2's login() leaves the visitor there
    return user


def _active(user: Any) -> Any:
    # Some backends let a banned user keep his session.
    if is_guest(user) and not user.is_active:
        raise UserInactive
    return user


def _captcha_token(request: HttpRequest) -> str | None:
    return next((request.POST[name] for name in CAPTCHA_FIELDS if request.POST.get(name)), None)

"""Name and password for tokens; whatever allauth's login would ask besides is not skipped but refused."""

from __future__ import annotations

from typing import Any

from allauth.account import app_settings
from allauth.account.adapter import get_adapter
from allauth.account.models import Login
from allauth.account.utils import has_verified_email
from django.apps import apps
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.module_loading import import_string

from anonauth.exceptions import (
    EmailNotVerified,
    InvalidCredentials,
    MfaRequired,
    RateLimited,
)
from anonauth.shared_cache import cache_answers

#: Seconds. allauth does not say how long its limit on failed logins lasts; by default 5 minutes for one account.
WAIT = 300


def check_password(request: HttpRequest, *, password: str, **login: str) -> Any:
    """Return the permanent user whose name and password these are.

    allauth's adapter asks Django's ``authenticate()``, and counts failures for each account together with those on
    allauth's login page.

    Args:
        request: for the backends and allauth's limits.
        password: as typed.
        login: ``username`` (a name, or an address where the project allows it) or ``email``.

    Raises:
        InvalidCredentials: one answer for an unknown, a banned and an anonymous user and for a wrong password.
        RateLimited: allauth's limit on failed logins.
        MfaRequired, EmailNotVerified: only after the right password.
    """
    try:
        with cache_answers():
            user = get_adapter(request).authenticate(request, password=password, **login)
    except ValidationError as error:
        raise RateLimited(WAIT) from error
    # SECURITY: allauth's adapter returns a banned user too; and a guest has no password, whatever a backend says.
    if user is None or not user.is_active or user.is_guest:
        raise InvalidCredentials
    _check_stages(request, user, email=login.get("email"))
    return user


def has_mfa(user: Any) -> bool:
    """Tell whether a user has a second factor in allauth.mfa."""
    if not apps.is_installed("allauth.mfa"):
        return False
    # Its modules cannot be imported where the app is not installed.
    return bool(import_string("allauth.mfa.utils.is_mfa_enabled")(user))


def _check_stages(request: HttpRequest, user: Any, *, email: str | None) -> None:
    demanded = app_settings.EMAIL_VERIFICATION
    mandatory = demanded == app_settings.EmailVerificationMethod.MANDATORY
    if mandatory and not has_verified_email(user, email):
        raise EmailNotVerified
    # A code by mail after the password (ACCOUNT_LOGIN_BY_CODE_REQUIRED) is a second factor too.
    if has_mfa(user) or get_adapter(request).is_login_by_code_required(Login(user=user)):
        raise MfaRequired

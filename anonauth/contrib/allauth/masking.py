"""Which of allauth's views see a guest as a visitor, and who the guest behind such a view is.

The views of sign-up, login and the like refuse whoever is signed in, in four different ways. Instead of overriding
them, the backend of guests' sessions answers "nobody" there: the session stays as it is, and so does the guest
everywhere else.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from allauth.account import app_settings as account_settings
from allauth.account.internal.constants import (
    LoginStageKey,
)  # internal: names of the stages of a login
from allauth.account.internal.stagekit import (
    LOGIN_SESSION_KEY,
)  # internal: where a login in stages waits
from allauth.account.models import get_emailconfirmation_model
from allauth.account.utils import user_pk_to_url_str
from django.contrib.auth import SESSION_KEY, get_user
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.urls import Resolver404, resolve, reverse

from anonauth.models import is_guest

#: The stages in which an address or a number has to be proved.
VERIFY_EMAIL, VERIFY_PHONE = LoginStageKey.VERIFY_EMAIL.value, LoginStageKey.VERIFY_PHONE.value
VERIFICATIONS = frozenset({VERIFY_EMAIL, VERIFY_PHONE})

#: Views for visitors alone. Of the headless API the names without the client, ``browser`` or ``app``.
ENTRANCES = frozenset(
    {
        "account_login",
        "account_signup",
        "account_signup_by_passkey",
        "account_request_login_code",
        "account_confirm_login_code",
        "account_reset_password",
        "account_reset_password_done",
        "account_reset_password_from_key",
        "account_reset_password_from_key_done",
        "account_confirm_password_reset_code",
        "account_complete_password_reset",
        "account_password_reset_completed",
        "socialaccount_signup",
        "mfa_authenticate",
        "mfa_trust",
        "mfa_login_webauthn",
        "mfa_signup_webauthn",
        "headless:account:login",
        "headless:account:signup",
        "headless:account:request_login_code",
        "headless:account:confirm_login_code",
        "headless:account:resend_login_code",
        "headless:account:request_password_reset",
        "headless:account:reset_password",
        "headless:socialaccount:provider_signup",
        "headless:mfa:authenticate",
        "headless:mfa:authenticate_webauthn",
        "headless:mfa:trust",
        "headless:mfa:login_webauthn",
        "headless:mfa:signup_webauthn",
    }
)

#: Views for both: who has a login waiting in this stage (None: in any) comes as a visitor, another guest as himself.
STAGES: Mapping[str, str | None] = {
    "account_email_verification_sent": VERIFY_EMAIL,
    "account_verify_phone": VERIFY_PHONE,
    "headless:account:verify_email": VERIFY_EMAIL,
    "headless:account:resend_email_verification_code": VERIFY_EMAIL,
    "headless:account:verify_phone": VERIFY_PHONE,
    "headless:account:resend_phone_verification_code": VERIFY_PHONE,
    "headless:account:current_session": None,
}

CONFIRM_LINK = "account_confirm_email"
LOGOUT = "account_logout"

#: Where allauth keeps a password reset, by link and by code, until it is done.  # internal
RESETS = ("_password_reset_key", "account_password_reset_verification")

_revealed: ContextVar[bool] = ContextVar("anonauth_revealed", default=False)


def masks(request: HttpRequest, user: Any) -> bool:
    """Tell whether the view of a request is to see a visitor instead of its session's user.

    A guest who was upgraded in the middle of a login (his address is proved, the passkey still missing) stays
    hidden from the views of the rest of it.
    """
    if _revealed.get():
        return False
    if not is_guest(user) and not waits_for(request, user):
        return False
    name = view_name(request)
    if name in ENTRANCES:
        return True
    if name == LOGOUT:
        return _cancels(request)
    if name in STAGES:
        stage = waiting_stage(request)
        return stage is not None and STAGES[name] in {stage, None}
    return name == CONFIRM_LINK and _confirms_for_another(request, user)


def view_name(request: HttpRequest) -> str:
    """Return the name of a request's view, of allauth's headless API without the client; "" if it has none."""
    match = getattr(request, "resolver_match", None) or _resolve(request)
    name = match.view_name if match is not None else ""
    return name.replace("headless:app:", "headless:").replace("headless:browser:", "headless:")


def waiting_stage(request: HttpRequest) -> str | None:
    """Return the stage in which a login waits in this session, e.g. ``"verify_email"``, or None."""
    login = _waiting_login(request)
    stage: str | None = login["state"].get("stages", {}).get("current") if login else None
    return stage


def guest_behind(request: HttpRequest) -> Any | None:
    """Return the guest whom a masked view does not see, or None; the session is checked as Django does it."""
    if request.user.is_authenticated or SESSION_KEY not in request.session:
        return None
    carrier = HttpRequest()
    carrier.session = _Copy(request.session.items())  # type: ignore[assignment]
    with _reveal():
        # SECURITY: not just the row with this key: the session may have been revoked since.
        user = get_user(carrier)
    return user if is_guest(user) else None


def mask(request: HttpRequest) -> None:
    """Show a visitor for the rest of this request; the session is not touched."""
    visitor = AnonymousUser()

    async def auser() -> AnonymousUser:
        return visitor

    request.user = visitor
    request._cached_user = visitor  # type: ignore[attr-defined]  # as AuthenticationMiddleware does
    request.auser = auser


class _Copy(dict[str, Any]):
    """A session to look at: Django ends one that was revoked, and here it may be another tab's that goes on."""

    def flush(self) -> None:
        self.clear()

    def cycle_key(self) -> None:
        return


@contextmanager
def _reveal() -> Iterator[None]:
    token = _revealed.set(True)
    try:
        yield
    finally:
        _revealed.reset(token)


def _resolve(request: HttpRequest) -> Any:
    try:
        return resolve(request.path_info, urlconf=getattr(request, "urlconf", None))
    except Resolver404:
        return None


def _waiting_login(request: HttpRequest) -> dict[str, Any] | None:
    login = request.session.get(LOGIN_SESSION_KEY)
    if not isinstance(login, dict):
        return None
    age = time.time() - login.get("initiated_at", 0)
    return login if age <= account_settings.LOGIN_TIMEOUT else None


def waits_for(request: HttpRequest, user: Any) -> bool:
    """Tell whether a login of this very user waits in the session."""
    login = _waiting_login(request)
    return login is not None and login.get("user_pk") == user_pk_to_url_str(user)


def _cancels(request: HttpRequest) -> bool:
    """Tell whether a request to log out is the button "Cancel" of a page on the way in.

    allauth's pages log out there; that is to end the login or the password reset that waits, not the guest.
    """
    if request.method != "POST" or request.POST.get("next") != reverse("account_login"):
        return False
    return waiting_stage(request) is not None or any(key in request.session for key in RESETS)


def _confirms_for_another(request: HttpRequest, user: Any) -> bool:
    # allauth logs out whoever opens the link of another account, already on GET: a guest would lose all for a click.
    if waiting_stage(request) is not None:
        return True
    match = request.resolver_match or _resolve(request)
    confirmation = get_emailconfirmation_model().from_key(match.kwargs["key"])
    return confirmation is not None and confirmation.email_address.user_id != user.pk

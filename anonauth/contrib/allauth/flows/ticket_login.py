"""Whether the proof behind a merge ticket, alone, would be a login to the account on allauth's own pages.

Such a ticket signs a guest in to the account that he is merged into. Whatever allauth would ask besides is not skipped
but refused: the person logs in there, and sends the same ticket with the account's credentials.
"""

from __future__ import annotations

from typing import Any

from allauth.account import app_settings
from allauth.account.adapter import get_adapter
from allauth.account.app_settings import EmailVerificationMethod, LoginMethod
from allauth.account.models import Login
from allauth.account.utils import has_verified_email
from allauth.core.exceptions import ImmediateHttpResponse
from django.http import HttpRequest

from anonauth.contrib.allauth.flows.login import has_mfa
from anonauth.exceptions import EmailNotVerified, LoginRequired, MfaRequired

#: The stages of a login that are looked at below, or do not concern one of this kind.
STAGES = frozenset(
    {
        "allauth.account.stages.LoginByCodeStage",
        "allauth.account.stages.PhoneVerificationStage",
        "allauth.account.stages.EmailVerificationStage",
        "allauth.mfa.stages.AuthenticateStage",
        "allauth.mfa.stages.TrustStage",
        "allauth.mfa.webauthn.stages.PasskeySignupStage",
    }
)


def by_email(request: HttpRequest, account: Any) -> None:
    """Let in who typed a code that was mailed to the account, where one can log in so.

    Raises:
        LoginRequired, MfaRequired, EmailNotVerified
    """
    methods = app_settings.LOGIN_METHODS
    only_phone = LoginMethod.PHONE in methods and LoginMethod.EMAIL not in methods
    if not app_settings.LOGIN_BY_CODE_ENABLED or only_phone:
        raise LoginRequired
    _check_rest(request, account)


def by_phone(request: HttpRequest, account: Any) -> None:
    """Let in who typed a code that was sent to the account's number, where one can log in so.

    Raises:
        LoginRequired, MfaRequired, EmailNotVerified
    """
    if (
        not app_settings.LOGIN_BY_CODE_ENABLED
        or LoginMethod.PHONE not in app_settings.LOGIN_METHODS
    ):
        raise LoginRequired
    _check_rest(request, account)


def by_social_account(request: HttpRequest, account: Any) -> None:
    """Let in whom a provider knows as the account; that is a login wherever providers are set up.

    Raises:
        LoginRequired, MfaRequired, EmailNotVerified
    """
    # A code by mail after any other proof is a second factor too.
    if get_adapter(request).is_login_by_code_required(Login(user=account)):
        raise MfaRequired
    _check_rest(request, account)


def _check_rest(request: HttpRequest, account: Any) -> None:
    """Refuse where one of allauth's stages after the first proof would not just let the account pass."""
    adapter = get_adapter(request)
    if has_mfa(account):
        raise MfaRequired
    # SECURITY: a stage of the project's, e.g. one that has terms accepted, cannot be gone through here.
    if set(adapter.get_login_stages()) - STAGES or _phone_is_unproved(adapter, account):
        raise LoginRequired
    mandatory = app_settings.EMAIL_VERIFICATION == EmailVerificationMethod.MANDATORY
    if mandatory and not has_verified_email(account):
        raise EmailNotVerified
    if _is_refused(adapter, request, account):
        raise LoginRequired


def _phone_is_unproved(adapter: Any, account: Any) -> bool:
    field = app_settings.SIGNUP_FIELDS.get("phone")
    if not field:
        return False
    number, verified = adapter.get_phone(account) or (None, False)
    return not verified if number else bool(field["required"])


def _is_refused(adapter: Any, request: HttpRequest, account: Any) -> bool:
    """Ask what a project may have put into ``pre_login()``, as allauth does before each login."""
    try:
        answer = adapter.pre_login(
            request,
            account,
            email_verification=app_settings.EMAIL_VERIFICATION,
            signal_kwargs=None,
            email=None,
            signup=False,
            redirect_url=None,
        )
    except ImmediateHttpResponse:
        return True
    return answer is not None

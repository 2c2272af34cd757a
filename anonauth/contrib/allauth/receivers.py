"""What allauth tells of, and what of it makes a guest permanent.

Not ``user_signed_up``: it is sent before an address that has to be verified is. The end of a sign-up is
``AccountAdapterMixin.login()``; a phone number is ``AccountAdapterMixin.set_phone_verified()``, for want of a signal.
Not ``password_reset`` either: the mailbox was proved before, or the guest was not sent the mail.
"""

from __future__ import annotations

from typing import Any

from allauth.account import app_settings as account_settings
from allauth.account.adapter import get_adapter
from allauth.account.app_settings import EmailVerificationMethod, LoginMethod
from allauth.mfa import app_settings as mfa_settings
from django.http import HttpRequest

from anonauth.contrib.allauth import claims
from anonauth.contrib.allauth.addresses import take_addresses
from anonauth.contrib.allauth.door import upgrade
from anonauth.exceptions import Impersonated
from anonauth.models import is_guest


def on_email_confirmed(*, request: HttpRequest | None, email_address: Any, **kwargs: Any) -> None:
    """Upgrade the guest whose address it is, who need not be the user of the request."""
    user = email_address.user
    if is_guest(user):
        by_starter = claims.started_by(request, user)
        claims.prove(user, method="email", request=request, by_starter=by_starter)


def on_social_account_added(
    *, request: HttpRequest | None, sociallogin: Any, **kwargs: Any
) -> None:
    """Upgrade the guest who connected a social account, and take its verified addresses."""
    user = sociallogin.user
    if is_guest(user):
        take_addresses(user, sociallogin.email_addresses)
        upgrade(user, method="social", request=request)


def on_password_set(*, request: HttpRequest | None, user: Any, **kwargs: Any) -> None:
    """Upgrade a guest whose name and password are enough to log in; a password alone opens nothing."""
    if password_is_enough() and is_guest(user) and _is_open(request):
        upgrade(user, method="password", request=request)


def on_authenticator_added(
    *, request: HttpRequest | None, user: Any, authenticator: Any, **kwargs: Any
) -> None:
    """Upgrade a guest whose new authenticator is a passkey with which one can log in here."""
    is_key = authenticator.type == authenticator.Type.WEBAUTHN
    if (
        is_guest(user)
        and is_key
        and mfa_settings.PASSKEY_LOGIN_ENABLED
        and authenticator.wrap().is_passwordless
        and _is_open(request)
    ):
        try:
            upgrade(user, method="passkey", request=request)
        except Impersonated:
            authenticator.delete()  # a key of the staff's
            raise


def password_is_enough() -> bool:
    """Tell whether one logs in here with a name and a password, whatever address is proved or not."""
    return (
        LoginMethod.USERNAME in account_settings.LOGIN_METHODS
        and account_settings.EMAIL_VERIFICATION != EmailVerificationMethod.MANDATORY
    )


def _is_open(request: HttpRequest | None) -> bool:
    return bool(get_adapter().is_open_for_signup(request))

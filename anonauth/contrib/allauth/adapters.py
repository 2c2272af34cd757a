"""For ``ACCOUNT_ADAPTER`` and ``SOCIALACCOUNT_ADAPTER``: a guest is signed up as the row that he is.

A project with adapters of its own puts the mixins in front of them::

    class MyAccountAdapter(AccountAdapterMixin, WhatItWasBefore): ...
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from http import HTTPStatus
from importlib import import_module
from typing import Any

from allauth.account import app_settings as account_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.signup import send_unknown_account_mail  # internal
from allauth.account.utils import filter_users_by_email
from allauth.core.exceptions import ImmediateHttpResponse, SignupClosedException
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.providers.base import AuthProcess
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from anonauth.adapter import PLACEHOLDER_DOMAIN, get_adapter, refuse_impersonation
from anonauth.api.throttles import check_rate_limits
from anonauth.conf import get_settings
from anonauth.contrib.allauth import claims
from anonauth.contrib.allauth.adoption import ADOPTED, adopt, still_a_guest, take_over, was_upgraded
from anonauth.contrib.allauth.door import CHANGED
from anonauth.contrib.allauth.flows import merge_offer
from anonauth.contrib.allauth.lookup import STATE_KEY, spare_owner
from anonauth.contrib.allauth.masking import (
    VERIFY_PHONE,
    guest_behind,
    mask,
    view_name,
    waiting_stage,
    waits_for,
)
from anonauth.credentials import rotate_session
from anonauth.exceptions import AlreadyPermanent, RateLimited, RateLimitUnavailable
from anonauth.models import is_guest, user_database

#: Where an address is typed in order to have it. In a form that only looks an address up, nothing is released.
CLAIMING = frozenset(
    {
        "account_signup",
        "account_signup_by_passkey",
        "account_email",
        "socialaccount_signup",
        "headless:account:signup",
        "headless:account:manage_email",
        "headless:socialaccount:provider_signup",
        "headless:mfa:signup_webauthn",
    }
)

#: Where somebody who is signed in asks for a mail or an SMS.
ASKING = frozenset(
    {
        "account_email",
        "account_change_phone",
        "headless:account:manage_email",
        "headless:account:manage_phone",
    }
)

RESET_CODE_MAIL = "account/email/password_reset_code"

#: How a login was done, in allauth's records, and what the statistics call it.
METHODS = {"socialaccount": "social", "mfa": "passkey", "code": "email"}


class AccountAdapterMixin(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Signs a guest up in place, and upgrades him at the end of whichever way he took."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # A project's set_phone_verified() has no super() to call, wherever it stands in the order of the classes.
        cls.set_phone_verified = _upgrading(cls.set_phone_verified)

    def new_user(self, request: HttpRequest) -> Any:
        guest = guest_behind(request)
        if guest is not None:
            refuse_impersonation(request)
            return adopt(guest)
        if not request.user.is_authenticated and was_upgraded(request):
            raise AlreadyPermanent  # another tab was quicker; this one must not make a second row
        return super().new_user(request)

    def save_user(self, request: HttpRequest, user: Any, form: Any, commit: bool = True) -> Any:
        if user._state.adding:
            return super().save_user(request, user, form, commit)
        with still_a_guest(user):
            user = super().save_user(request, user, form, commit)
        # The password changed, and a stage of the login may wait in the session.
        rotate_session(request, user)
        return user

    def set_password(self, user: Any, password: str) -> None:
        self._refuse_staff_as(user)
        super().set_password(user, password)

    def login(self, request: HttpRequest, user: Any) -> None:
        """Log a user in, at the end of every way to do so; a guest who was signed in here is offered to be merged."""
        guest, at_once = merge_offer.leaving_guest(request), merge_offer.may_merge_at_once(request)
        self._log_in(request, user)
        if guest is not None:
            merge_offer.offer(request, guest=guest, account=user, at_once=at_once)

    def post_login(self, request: HttpRequest, user: Any, **kwargs: Any) -> HttpResponse:
        return merge_offer.ask(request, user, super().post_login(request, user, **kwargs))

    def _log_in(self, request: HttpRequest, user: Any) -> None:
        """Log a user in; one who is still a guest is permanent from here on."""
        if not is_guest(user):
            super().login(request, user)
            return
        # He may have been loaded before the upgrade that an earlier stage of this very request brought.
        user.refresh_from_db(fields=CHANGED)
        by_starter = (
            getattr(user, ADOPTED, False)
            or claims.started_by(request, user)
            or claims.typed_password(request)
        )
        method = login_method(request)
        super().login(request, user)
        if user.is_guest:
            claims.prove(user, method=method, request=request, by_starter=by_starter)

    def confirm_email(self, request: HttpRequest, email_address: Any) -> bool:
        """Mark an address as verified and upgrade its guest, both or neither."""
        database = user_database()
        # Who is here is decided (see masking) while the link still leads to its address, not when it is used up.
        _ = request.user.is_authenticated
        try:
            with transaction.atomic(using=database):
                return bool(super().confirm_email(request, email_address))
        except IntegrityError:
            # Somebody else proved the same address in this moment.
            email_address.verified = False
            return False

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        # Since 65.22 who has nothing to show once more is kept from all that asks for it, e.g. from adding a passkey.
        user = None if self.request is None else self.request.user
        if is_guest(user) and not self.get_reauthentication_methods(user):
            return False
        return bool(super().is_reauthentication_required(app=app, **kwargs))

    def forget_phone(self, user: Any) -> None:
        """Take the phone number off a guest's row, because another person proved the address on it."""
        with suppress(NotImplementedError):  # the project has no phone numbers
            if self.get_phone(user):
                self.set_phone(user, "", False)

    def clean_email(self, email: str) -> str:
        email = super().clean_email(email)
        request = self.request
        if request is not None and request.method != "GET" and view_name(request) in CLAIMING:
            self._check_asking()
            here = request.user if request.user.is_authenticated else guest_behind(request)
            claims.release(email, keep=here)
        return email

    def phone_form_field(self, **kwargs: Any) -> Any:
        field = super().phone_form_field(**kwargs)
        field.validators.append(lambda _number: self._check_asking())
        return field

    def _refuse_staff_as(self, user: Any) -> None:
        # SECURITY: before anything is written. The door refuses too, but what staff had put on the row would stay.
        if self.request is not None and is_guest(user):
            refuse_impersonation(self.request)

    def _check_asking(self) -> None:
        request = self.request
        if request is None or view_name(request) not in ASKING or not is_guest(request.user):
            return
        self._refuse_staff_as(request.user)
        if not self.is_open_for_signup(request):
            raise ImmediateHttpResponse(_closed(request))
        # allauth counts by user what is sent to whom a user names; it costs nothing to become another guest.
        rates, ip = get_settings().code_rate_limits, get_adapter().client_ip(request)
        try:
            check_rate_limits(group="anonauth.codes", rates=rates, ip=ip)
        except (RateLimited, RateLimitUnavailable) as error:
            raise self.validation_error("rate_limited") from error

    def send_password_reset_mail(self, user: Any, email: str, context: dict[str, Any]) -> None:
        # SECURITY: no guest has proved an address. Its owner would be given a row that somebody else uses.
        if is_guest(user):
            send_unknown_account_mail(self.request, email)
        else:
            super().send_password_reset_mail(user, email, context)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        if email.endswith("@" + PLACEHOLDER_DOMAIN):
            return  # the stand-in of a guest on a user model that demands an address
        if template_prefix == RESET_CODE_MAIL and _only_guests_claim(email):
            send_unknown_account_mail(self.request, email)
            return
        super().send_mail(template_prefix, email, context)


class SocialAccountAdapterMixin(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Lets a guest log in with a social account as if he were a visitor."""

    def new_user(self, request: HttpRequest, sociallogin: Any) -> Any:
        spare_owner(request, sociallogin)
        return super().new_user(request, sociallogin)

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: Any = None,
        exception: Any = None,
        extra_context: Any = None,
    ) -> None:
        answer = social_redirect().fail_browser_leg(request, error, extra_context)
        if answer is not None:
            raise ImmediateHttpResponse(answer)
        super().on_authentication_error(request, provider, error, exception, extra_context)

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        if STATE_KEY in sociallogin.state:
            # A client of the API is waiting for it; the project is asked when that one finishes.
            raise ImmediateHttpResponse(social_redirect().finish_browser_leg(request, sociallogin))
        super().pre_social_login(request, sociallogin)
        process, is_new = sociallogin.state.get("process"), not sociallogin.is_existing
        upgrades = process == AuthProcess.CONNECT and is_new and is_guest(request.user)
        if upgrades:
            refuse_impersonation(request)
        if upgrades and not self.is_open_for_signup(request, sociallogin):
            # allauth asks this of those alone who log in.
            raise SignupClosedException
        if process != AuthProcess.LOGIN:
            return
        guest = request.user if is_guest(request.user) else guest_behind(request)
        if is_new:
            # What the provider has verified is displaced by nobody's claim.
            for address in sociallogin.email_addresses:
                if address.verified:
                    claims.release(address.email, keep=guest)
        if is_guest(request.user):
            # Otherwise allauth logs him out, and his session is gone, also when he then abandons the form.
            mask(request)

    def save_user(self, request: HttpRequest, sociallogin: Any, form: Any = None) -> Any:
        guest = guest_behind(request)
        if guest is None:
            return super().save_user(request, sociallogin, form)
        refuse_impersonation(request)
        sociallogin.user = take_over(adopt(guest), sociallogin.user)
        with still_a_guest(guest):
            user = super().save_user(request, sociallogin, form)
        # The password changed, and a stage of the login may wait in the session.
        rotate_session(request, user)
        return user


def _upgrading(set_phone_verified: Callable[..., None]) -> Callable[..., None]:
    if hasattr(set_phone_verified, "__wrapped__"):
        return set_phone_verified

    @wraps(set_phone_verified)
    def wrapper(self: Any, user: Any, phone: str) -> None:
        self._refuse_staff_as(user)
        set_phone_verified(self, user, phone)
        request = self.request
        on_the_way_in = waiting_stage(request) == VERIFY_PHONE and waits_for(request, user)
        # login() comes at the end of that way; an address may have to be proved before it.
        if is_guest(user) and not on_the_way_in:
            by_starter = claims.started_by(request, user)
            claims.prove(user, method="phone", request=request, by_starter=by_starter)

    return wrapper


class AccountAdapter(AccountAdapterMixin):
    """allauth's own account adapter, for guests too."""


class SocialAccountAdapter(SocialAccountAdapterMixin):
    """allauth's own social account adapter, for guests too."""


def social_redirect() -> Any:
    """Return the flow, which needs the models of allauth.socialaccount; a project may be without them."""
    return import_module("anonauth.contrib.allauth.flows.social_redirect")


def login_method(request: HttpRequest) -> str:
    """Return how the login at hand was done, for the statistics."""
    return METHODS.get(claims.last_record(request).get("method", ""), "password")


def _closed(request: HttpRequest) -> HttpResponse:
    if view_name(request).startswith("headless:"):
        return JsonResponse({"status": HTTPStatus.FORBIDDEN}, status=HTTPStatus.FORBIDDEN)
    return render(request, f"account/signup_closed.{account_settings.TEMPLATE_EXTENSION}")


def _only_guests_claim(email: str) -> bool:
    return all(user.is_guest for user in filter_users_by_email(email))

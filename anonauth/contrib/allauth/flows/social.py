"""A guest becomes permanent with a social account: what the provider has proved is joined to his row."""

from __future__ import annotations

from functools import partial
from typing import Any

from allauth.account.adapter import get_adapter as get_account_adapter
from allauth.account.models import EmailAddress
from allauth.account.utils import filter_users_by_email
from allauth.core.context import request_context
from allauth.core.exceptions import ImmediateHttpResponse, SignupClosedException
from allauth.socialaccount import signals
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialLogin
from allauth.socialaccount.providers.base import AuthProcess
from django.core.exceptions import (
    ImproperlyConfigured,
    MultipleObjectsReturned,
    PermissionDenied,
)
from django.db import IntegrityError, router, transaction
from django.http import HttpRequest
from django.utils.translation import gettext

from anonauth.contrib.allauth import door
from anonauth.exceptions import (
    IdentityTaken,
    InvalidInput,
    MethodUnavailable,
    NotAnonymous,
    SignupClosed,
    UserInactive,
)
from anonauth.flows.upgrade import lock
from anonauth.models import user_database
from anonauth.tickets import make_merge_ticket

METHOD = "social"


def get_provider(request: HttpRequest, provider_id: str, *, client_id: str | None = None) -> Any:
    """Return allauth's provider by its id (that of the app, where a provider has several).

    Raises:
        MethodUnavailable: there is none, or no app of it with this client id.
        InvalidInput: it has several apps, so the client id is needed.
    """
    if not provider_id.isprintable():  # a NUL would not get through PostgreSQL
        raise MethodUnavailable
    try:
        return get_adapter().get_provider(request, provider_id, client_id=client_id)
    except (SocialApp.DoesNotExist, ImproperlyConfigured) as error:
        raise MethodUnavailable from error
    except MultipleObjectsReturned as error:
        fault = {"code": "required", "message": gettext("Name one of the provider's client ids.")}
        raise InvalidInput({"client_id": [fault]}) from error


def join(request: HttpRequest, user: Any, sociallogin: SocialLogin) -> Any:
    """Give a guest the social account that he has proved, and with it the way out; safe to repeat.

    allauth's ``SocialLogin.lookup()`` is not called: where the account is another user's, it would overwrite that
    user's data and tokens before anybody knows that there is a conflict.

    Args:
        request: Django's request; its session is rotated if it is the guest's.
        user: the guest.
        sociallogin: what the provider says of him, unsaved.

    Returns:
        The user's row, permanent now.

    Raises:
        IdentityTaken: another user has this social account, or the address by which the project lets it sign in.
        NotAnonymous: the user is permanent and has not got this account; he adds it in allauth's pages.
        SignupClosed: the project takes no new accounts.
        PermissionDenied: the project's ``pre_social_login`` refuses this account.
        UserNotFound, UserInactive
    """
    sociallogin.state["process"] = AuthProcess.CONNECT
    _ask_project(request, sociallogin)
    database = user_database()
    with transaction.atomic(using=database):
        row = lock(user.pk, database)
        if not row.is_active:
            raise UserInactive
        account = _find(sociallogin)
        if account is None or account.user_id != row.pk:
            _refuse_strangers(row, sociallogin, account)
            _refuse_when_closed(request, sociallogin)
            _save(request, row, sociallogin)
        if row.is_guest:
            door.upgrade(row, method=METHOD, request=request)
    return row


def _find(sociallogin: SocialLogin) -> SocialAccount | None:
    proved = sociallogin.account
    rows = SocialAccount.objects.filter(provider=proved.provider, uid=proved.uid)
    return rows.select_related("user").first()


def _ask_project(request: HttpRequest, sociallogin: SocialLogin) -> None:
    known = _find(sociallogin)
    if known is not None:
        sociallogin.user = known.user  # what the project's rules may look at, as after lookup()
    try:
        get_adapter().pre_social_login(request, sociallogin)
        signals.pre_social_login.send(sender=SocialLogin, request=request, sociallogin=sociallogin)
    except SignupClosedException as error:
        raise SignupClosed from error
    except ImmediateHttpResponse as error:
        raise PermissionDenied from error  # a page is no answer to a client of ours


def _refuse_strangers(row: Any, sociallogin: SocialLogin, account: SocialAccount | None) -> None:
    """Refuse who is no guest, and a guest whose proof is that of another user."""
    if not row.is_guest:
        raise NotAnonymous
    owner = account.user if account is not None else _owner_by_email(row, sociallogin)
    if owner is not None:
        raise IdentityTaken(make_merge_ticket(guest=row, account=owner, method=METHOD))


def _owner_by_email(row: Any, sociallogin: SocialLogin) -> Any | None:
    # SOCIALACCOUNT_EMAIL_AUTHENTICATION: to the project, this provider's word about an address is a login of its owner.
    adapter = get_adapter()
    for address in sociallogin.email_addresses:
        if not address.verified or not adapter.can_authenticate_by_email(
            sociallogin, address.email
        ):
            continue
        for owner in filter_users_by_email(address.email, prefer_verified=True):
            if owner.pk != row.pk and not owner.is_guest and _has_proved(owner, address.email):
                return owner
    return None


def _has_proved(owner: Any, email: str) -> bool:
    # SECURITY: pre-hijacking. Somebody may have signed up with the address and waits for its owner. allauth's own login
    # by address takes that account's password away; a merge would not, and hand the guest's data to him.
    rows = EmailAddress.objects.filter(user_id=owner.pk, email=email.lower(), verified=True)
    return bool(rows.exists())


def _refuse_when_closed(request: HttpRequest, sociallogin: SocialLogin) -> None:
    # allauth does not ask when an account is connected to a user; but to a guest this is signing up.
    try:
        is_open = get_adapter().is_open_for_signup(request, sociallogin)
    except ImmediateHttpResponse:
        is_open = False
    if not is_open:
        raise SignupClosed


def _save(request: HttpRequest, row: Any, sociallogin: SocialLogin) -> None:
    """Do what ``SocialLogin.connect()`` does, but safely in parallel, and with the mail after the commit."""
    sociallogin.user = row
    if not _phone_is_free(row, sociallogin):
        sociallogin.phone = None
    try:
        with transaction.atomic(using=router.db_for_write(SocialAccount)):
            sociallogin.save(request, connect=True)
    except IntegrityError as error:
        # A parallel request of somebody else was first.
        account = _find(sociallogin)
        if account is None:
            raise
        ticket = make_merge_ticket(guest=row, account=account.user, method=METHOD)
        raise IdentityTaken(ticket) from error
    # The receiver takes the addresses over and upgrades, as it does when allauth's own pages connect an account.
    signals.social_account_added.send(sender=SocialLogin, request=request, sociallogin=sociallogin)
    using = router.db_for_write(SocialAccount)
    notify = partial(_notify, request, row, sociallogin.account)
    transaction.on_commit(notify, using=using, robust=True)


def _phone_is_free(row: Any, sociallogin: SocialLogin) -> bool:
    if not sociallogin.phone or not sociallogin.phone_verified:
        return False
    owner = get_account_adapter().get_user_by_phone(sociallogin.phone)
    return owner is None or owner.pk == row.pk


def _notify(request: HttpRequest, user: Any, account: SocialAccount) -> None:
    template = "socialaccount/email/account_connected"
    with request_context(request):  # the mail names the address of the request
        context = {"account": account, "provider": account.get_provider(request)}
        get_adapter(request).send_notification_mail(template, user, context=context)

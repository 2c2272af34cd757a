"""What an unproved address of a guest is worth: nothing against whoever proves it.

SECURITY: pre-hijacking (security research by Sudhodanan and Paverd, 2022). Somebody signs up as a guest with the
address of a victim and with a password of his own, and waits until the victim confirms. So whatever was put on the row
before, by somebody who may be another person than the one who proves the address now, is taken off it.
"""

from __future__ import annotations

from typing import Any

from allauth import app_settings as allauth_settings
from allauth.account.adapter import get_adapter as get_account_adapter
from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.account.models import EmailAddress
from allauth.account.utils import filter_users_by_email
from django.apps import apps
from django.db import transaction
from django.http import HttpRequest

from anonauth.adapter import get_adapter
from anonauth.contrib.allauth.door import upgrade
from anonauth.contrib.allauth.masking import VERIFICATIONS, guest_behind, waiting_stage, waits_for
from anonauth.flows.upgrade import lock
from anonauth.models import user_database


def started_by(request: HttpRequest | None, user: Any) -> bool:
    """Tell whether the person behind a request is the one who has been this guest so far.

    He is if he is signed in as the guest, whether by session or by token, or if he typed the guest's password and is
    asked for the address on the way in.
    """
    if request is None:
        return False
    here = request.user if request.user.is_authenticated else guest_behind(request)
    if here is not None and here.pk == user.pk:
        return True
    on_the_way = waits_for(request, user) and waiting_stage(request) in VERIFICATIONS
    return on_the_way and typed_password(request)


def typed_password(request: HttpRequest) -> bool:
    """Tell whether the login at hand, and nothing later in this session, was by password."""
    return last_record(request).get("method") == "password"


def last_record(request: HttpRequest) -> dict[str, Any]:
    """Return what allauth noted of the latest authentication in this session: ``method`` and details, or nothing."""
    found = records(request)
    return found[-1] if found else {}


def records(request: HttpRequest) -> list[dict[str, Any]]:
    """Return what allauth noted of all authentications in this session."""
    return request.session.get(AUTHENTICATION_METHODS_SESSION_KEY) or []


def prove(user: Any, *, method: str, request: HttpRequest | None, by_starter: bool) -> None:
    """Upgrade a guest; if another person proved the address, nothing of the one who started stays valid.

    Raises:
        UserNotFound, UserInactive
    """
    database = user_database()
    with transaction.atomic(using=database):
        if not by_starter and lock(user.pk, database).is_guest:
            disown(user)
        upgrade(user, method=method, request=request)


def disown(user: Any) -> None:
    """Take off a guest's row what opens an account: password, unproved addresses, phone number, authenticators.

    His sessions and tokens end with the upgrade.
    """
    user.set_unusable_password()
    user.save(update_fields=["password"])
    EmailAddress.objects.filter(user=user, verified=False).delete()
    get_account_adapter().forget_phone(user)
    if allauth_settings.MFA_ENABLED:
        apps.get_model("mfa", "Authenticator").objects.filter(user=user).delete()


def release(email: str, *, keep: Any = None) -> None:
    """Free an address from the unproved claims of guests, so that it reserves nothing.

    Args:
        email: the address that somebody is about to use.
        keep: the guest whose own claim stays, or None.
    """
    own = None if keep is None else keep.pk
    for user in filter_users_by_email(email):
        if not user.is_guest or user.pk == own:
            continue
        EmailAddress.objects.filter(user=user, email__iexact=email, verified=False).delete()
        field = user.get_email_field_name()
        if (getattr(user, field, None) or "").lower() == email.lower():
            setattr(user, field, getattr(get_adapter().new_guest(), field))
            user.save(update_fields=[field])


def is_free(email: str, user: Any) -> bool:
    """Tell whether no other permanent user has an address."""
    others = (other for other in filter_users_by_email(email) if other.pk != user.pk)
    return all(other.is_guest for other in others)

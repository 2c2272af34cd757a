"""What opens an account through allauth, asked for many users at once, and what staff may vouch for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from allauth import app_settings as allauth_settings
from allauth.account import app_settings as account_settings
from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from django.apps import apps
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction

from anonauth.contrib.allauth.claims import disown
from anonauth.contrib.allauth.flows import phone
from anonauth.contrib.allauth.flows.codes import write
from anonauth.contrib.allauth.flows.email import clean_address, owner_of
from anonauth.contrib.allauth.receivers import password_is_enough
from anonauth.flows.vouch import taken
from anonauth.models import user_database


def proofs(users: Sequence[Any]) -> dict[str, set[Any]]:
    """Return who has a verified address or number, a social account or a passkey; one statement for each kind."""
    keys = [user.pk for user in users]
    found = {"email": _owners(EmailAddress.objects.filter(user_id__in=keys, verified=True))}
    if allauth_settings.SOCIALACCOUNT_ENABLED:
        rows = apps.get_model("socialaccount", "SocialAccount")._default_manager
        found["social"] = _owners(rows.filter(user_id__in=keys))
    if allauth_settings.MFA_ENABLED:
        rows = apps.get_model("mfa", "Authenticator")._default_manager
        keys_of = rows.filter(user_id__in=keys, type="webauthn")
        found["passkey"] = {key.user_id for key in keys_of if key.wrap().is_passwordless}
    if phone.is_available():
        # Where a project keeps numbers, its adapter alone knows.
        found["phone"] = {user.pk for user in users if (get_adapter().get_phone(user) or (0, 0))[1]}
    return found


def void_passwords(users: Sequence[Any]) -> set[Any]:
    """Return the guests whose password opens nothing, because it waits for an address to be proved."""
    guests = [user.pk for user in users if user.is_guest]
    if not password_is_enough():
        return set(guests)
    return _owners(EmailAddress.objects.filter(user_id__in=guests, verified=False))


def write_address(guest: Any, email: str) -> None:
    """Make an address that staff vouches for the guest's one and verified address.

    Raises:
        InvalidInput: it is none, or an account has it.
    """
    address = clean_address(email)
    disown(guest)
    if owner_of(address, except_for=guest) is not None:
        raise taken()
    changes: dict[str, Any] = {"password": make_password(None)}
    if column := account_settings.USER_MODEL_EMAIL_FIELD:
        changes[column] = address
    EmailAddress.objects.filter(user_id=guest.pk).delete()
    try:
        with transaction.atomic(using=user_database()):
            EmailAddress.objects.create(
                user_id=guest.pk, email=address, verified=True, primary=True
            )
            write(guest, changes)
    except IntegrityError as error:
        raise taken() from error


def on_vouched(guest: Any, kinds: Sequence[str]) -> None:
    """Take off a guest what he never proved, and let his verified address be the one on his row."""
    EmailAddress.objects.filter(user_id=guest.pk, verified=False).delete()
    if set(kinds) != {"password"}:
        guest.set_unusable_password()
        guest.save(update_fields=["password"])
    if "phone" not in kinds:
        get_adapter().forget_phone(guest)
    if allauth_settings.MFA_ENABLED and "passkey" not in kinds:
        apps.get_model("mfa", "Authenticator")._default_manager.filter(user_id=guest.pk).delete()
    row = EmailAddress.objects.filter(user_id=guest.pk, verified=True).order_by("-primary").first()
    if row is not None:
        row.user = guest
        row.set_as_primary()


def _owners(rows: Any) -> set[Any]:
    owners: Iterable[Any] = rows.values_list("user_id", flat=True)
    return set(owners)

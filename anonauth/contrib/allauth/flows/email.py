"""A guest proves an e-mail address by typing the code that was sent there, and becomes permanent."""

from __future__ import annotations

import copy
import unicodedata
from functools import partial
from typing import Any

from allauth.account import app_settings
from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.account.signals import email_added, email_confirmed
from django.contrib.auth import get_user_model
from django.core.validators import MaxLengthValidator, validate_email
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef
from django.http import HttpRequest

from anonauth.contrib.allauth.claims import release
from anonauth.contrib.allauth.door import upgrade
from anonauth.contrib.allauth.flows.codes import (
    check_open,
    code_rules,
    faults_of,
    hash_password,
    limit_address,
    proved_fields,
    write,
)
from anonauth.exceptions import EmailTaken
from anonauth.flows import pending
from anonauth.models import PendingUpgrade, user_database
from anonauth.tickets import make_merge_ticket

METHOD = "email"
#: How the ticket for an account that never proved the address was got. SECURITY: not in ``ticket_logins``, so it is no
#: login: somebody else may have made the account, and know its password.
UNPROVED = "email_unproved"
FREE_MAIL = "account/email/email_confirmation_signup"  # allauth's own, and a project's in its place
TAKEN_MAIL = "anonauth/email/address_taken"


def start(
    request: HttpRequest, *, user: Any, email: str, password: str = "", name: str = ""
) -> None:
    """Send a guest a code; the same happens, but for the text of the mail, if the address has an owner.

    Args:
        request: whose site and language the mail has.
        user: the guest.
        email: the address as typed.
        password: worth nothing until the code is typed.
        name: the same.

    Raises:
        InvalidInput: the address or the password is not acceptable.
        SignupClosed, RateLimited, RateLimitUnavailable, DeliveryFailed, UserNotFound, UserInactive, NotAnonymous
    """
    check_open(request)
    address = clean_address(email)
    hashed = hash_password(password, user=user, name=name, email=address)
    _send(request, user=user, address=address, password=hashed, name=name)


def resend(request: HttpRequest, *, user: Any) -> None:
    """Send a new code to the address that is pending; the old one is void.

    Raises:
        NoPendingUpgrade
        RateLimited, RateLimitUnavailable, DeliveryFailed, UserNotFound, UserInactive, NotAnonymous
    """
    row = pending.find(user, method=METHOD)
    _send(request, user=user, address=row.target, password=row.password, name=row.name)


def verify(request: HttpRequest, *, user: Any, code: str) -> None:
    """Make the guest permanent who typed the code; the instance changes with the row.

    Raises:
        EmailTaken: with the proof, for a merge; the code is used up.
        NoPendingUpgrade, CodeIncorrect, UserNotFound, UserInactive, NotAnonymous
    """
    found = pending.check_code(user, method=METHOD, code=code, rules=code_rules())
    with transaction.atomic(using=user_database()):
        pending.lock_guest(user)
        pending.use(found)
        owner = owner_of(found.target, except_for=user)
        if owner is None:
            ticket = _adopt(request, user, found)
        else:
            ticket = make_merge_ticket(guest=user, account=owner, method=METHOD)
    if ticket is not None:
        raise EmailTaken(ticket)


def clean_address(email: str) -> str:
    """Return the one spelling under which an address is compared and stored, if the project accepts it.

    Raises:
        InvalidInput
    """
    # SECURITY: mail servers read full-width letters in a domain as plain ones (IDNA), so they are the same mailbox.
    address: str = unicodedata.normalize("NFKC", email).lower()
    with faults_of("email"):
        validate_email(address)
        MaxLengthValidator(app_settings.EMAIL_MAX_LENGTH)(address)
        address = get_adapter().clean_email(address)
    return address


def owner_of(address: str, *, except_for: Any) -> Any | None:
    """Return the account that a mailbox belongs to; two statements, whether there is one or not.

    That is who proved it to allauth, or has it in the user's own column without allauth knowing (made in the admin,
    or before allauth). SECURITY: pre-hijacking. An account that signed up with the address and never proved it does
    not keep it from who does prove it; but where a project verifies nothing, its accounts cannot be told apart so.
    """
    if not app_settings.UNIQUE_EMAIL:
        return None
    rows = EmailAddress.objects.filter(email=address)
    proved = rows.filter(verified=True).exclude(user_id=except_for.pk)
    row = proved.select_related("user").first()
    column = app_settings.USER_MODEL_EMAIL_FIELD
    if not column:
        return row and row.user
    users = get_user_model()._base_manager.filter(**{column: address}, is_guest=False)
    if app_settings.EMAIL_VERIFICATION != app_settings.EmailVerificationMethod.NONE:
        users = users.exclude(Exists(rows.filter(user_id=OuterRef("pk"), verified=False)))
    user = users.exclude(pk=except_for.pk).first()
    return row.user if row else user


def _send(request: HttpRequest, *, user: Any, address: str, password: str, name: str) -> None:
    # SECURITY: enumeration. From here on a free and a taken address cost the same statements, one mail, one answer.
    limit_address(address)
    owner = owner_of(address, except_for=user)
    adapter = get_adapter(request)
    code = adapter.generate_email_verification_code()
    # Mails name the user; a guest may have no name at all, and str() of some user models fails without.
    person = copy.copy(user)
    if column := app_settings.USER_MODEL_EMAIL_FIELD:
        setattr(person, column, address)
    template = FREE_MAIL if owner is None else TAKEN_MAIL
    pending.start(
        user,
        method=METHOD,
        target=address,
        code=code,
        send=partial(adapter.send_mail, template, address, {"user": person, "code": code}),
        rules=code_rules(),
        password=password,
        name=name,
    )


def _adopt(request: HttpRequest, user: Any, found: PendingUpgrade) -> str | None:
    """Write the proved address and upgrade; returns a ticket for the account that has it instead, if there is one."""
    try:
        row = _write(user, found)
    except IntegrityError:
        owner = owner_of(found.target, except_for=user)
        if owner is not None:  # somebody else just became it
            return make_merge_ticket(guest=user, account=owner, method=METHOD)
        # A unique column of the user model holds it for another guest, who never proved it.
        release(found.target, keep=user)
        try:
            row = _write(user, found)
        except IntegrityError:
            # Or for an account that never proved it, and whose row is not ours to change.
            holder = _holder_of(found.target)
            if holder is None:
                raise
            return make_merge_ticket(guest=user, account=holder, method=UNPROVED)
    upgrade(user, method=METHOD, request=request)
    announce = partial(_announce, request, user, row)
    transaction.on_commit(announce, using=user_database(), robust=True)
    return None


def _holder_of(address: str) -> Any | None:
    column = app_settings.USER_MODEL_EMAIL_FIELD
    if not column:
        return None
    return get_user_model()._base_manager.filter(**{column: address}, is_guest=False).first()


def _write(user: Any, found: PendingUpgrade) -> EmailAddress:
    changes = proved_fields(found)
    if column := app_settings.USER_MODEL_EMAIL_FIELD:
        changes[column] = found.target
    with transaction.atomic(using=user_database()):
        # Whatever a guest has there is unproved: left by a sign-up on allauth's pages that he did not finish.
        EmailAddress.objects.filter(user_id=user.pk).delete()
        row = EmailAddress.objects.create(
            user_id=user.pk, email=found.target, verified=True, primary=True
        )
        write(user, changes)
    row.user = user
    return row


def _announce(request: HttpRequest, user: Any, row: EmailAddress) -> None:
    # What allauth sends when an address is added and proved by a code in one step.
    email_added.send(sender=EmailAddress, request=request, user=user, email_address=row)
    email_confirmed.send(sender=EmailAddress, request=request, email_address=row)

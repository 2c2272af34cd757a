"""A guest proves a phone number by typing the code of a text message; through the five methods of allauth's adapter."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter, get_adapter
from django.db import IntegrityError, transaction
from django.http import HttpRequest

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
from anonauth.exceptions import MethodUnavailable, PhoneTaken
from anonauth.flows import pending
from anonauth.models import PendingUpgrade, user_database
from anonauth.tickets import make_merge_ticket

METHOD = "phone"
#: What a project's account adapter has to implement (allauth's documentation, "Phone").
NEEDED = (
    "send_verification_code_sms",
    "set_phone",
    "get_phone",
    "set_phone_verified",
    "get_user_by_phone",
)
#: ``set_phone_verified`` is wrapped by our adapter mixin, so that alone it does not show that a project can do it.
TELLING = tuple(name for name in NEEDED if name != "set_phone_verified")


def is_available() -> bool:
    """Tell whether the project's account adapter can store numbers and send text messages."""
    adapter = type(get_adapter())
    return all(
        getattr(adapter, name) is not getattr(DefaultAccountAdapter, name) for name in TELLING
    )


def start(
    request: HttpRequest, *, user: Any, phone: str, password: str = "", name: str = ""
) -> None:
    """Send a guest a code as a text message, whether the number has an owner or not.

    Args:
        request: what allauth's adapter gets to see.
        user: the guest.
        phone: the number as typed, with its country code.
        password: worth nothing until the code is typed.
        name: the same.

    Raises:
        MethodUnavailable: there is no way to send a text message.
        InvalidInput: the number or the password is not acceptable.
        SignupClosed, RateLimited, RateLimitUnavailable, DeliveryFailed, UserNotFound, UserInactive, NotAnonymous
    """
    _check_available()
    check_open(request)
    with faults_of("phone"):
        number = get_adapter(request).phone_form_field(required=True).clean(phone)
    hashed = hash_password(password, user=user, name=name)
    _send(request, user=user, number=number, password=hashed, name=name)


def resend(request: HttpRequest, *, user: Any) -> None:
    """Send a new code to the number that is pending; the old one is void.

    Raises:
        MethodUnavailable, NoPendingUpgrade
        RateLimited, RateLimitUnavailable, DeliveryFailed, UserNotFound, UserInactive, NotAnonymous
    """
    _check_available()
    row = pending.find(user, method=METHOD)
    _send(request, user=user, number=row.target, password=row.password, name=row.name)


def verify(request: HttpRequest, *, user: Any, code: str) -> None:
    """Make the guest permanent who typed the code; the instance changes with the row.

    Raises:
        PhoneTaken: with the proof, for a merge; the code is used up.
        MethodUnavailable, NoPendingUpgrade, CodeIncorrect, UserNotFound, UserInactive, NotAnonymous
    """
    _check_available()
    found = pending.check_code(user, method=METHOD, code=code, rules=code_rules())
    with transaction.atomic(using=user_database()):
        row = pending.lock_guest(user)
        pending.use(found)
        owner = _owner_of(found.target, except_for=user)
        if owner is None:
            owner = _adopt(request, user, row, found)
    if owner is not None:
        raise PhoneTaken(make_merge_ticket(guest=user, account=owner, method=METHOD))


def _check_available() -> None:
    if not is_available():
        raise MethodUnavailable


def _send(request: HttpRequest, *, user: Any, number: str, password: str, name: str) -> None:
    # SECURITY: enumeration. Nobody looks whether the number has an owner before it is proved.
    limit_address(number)
    adapter = get_adapter(request)
    code = adapter.generate_phone_verification_code(user=user, phone=number)

    def send() -> None:
        with faults_of("phone"):
            adapter.send_verification_code_sms(user=user, phone=number, code=code)

    pending.start(
        user,
        method=METHOD,
        target=number,
        code=code,
        send=send,
        rules=code_rules(),
        password=password,
        name=name,
    )


def _owner_of(number: str, *, except_for: Any) -> Any | None:
    adapter = get_adapter()
    owner = adapter.get_user_by_phone(number)
    if owner is None or owner.pk == except_for.pk:
        return None
    stored = adapter.get_phone(owner)
    # SECURITY: pre-hijacking. A number that somebody wrote to his account and never proved is not his.
    return owner if stored is not None and stored[1] else None


def _adopt(request: HttpRequest, user: Any, row: Any, found: PendingUpgrade) -> Any | None:
    """Write the proved number and upgrade; returns the owner instead if somebody else just became it.

    The project's adapter gets the locked row, since many save all columns of what they are given.
    """
    changes = proved_fields(found)
    adapter = get_adapter(request)
    try:
        with transaction.atomic(using=user_database()):
            write(row, changes)
            adapter.set_phone(row, found.target, False)
            adapter.set_phone_verified(row, found.target)
    except IntegrityError:
        owner = adapter.get_user_by_phone(found.target)
        if owner is None or owner.pk == user.pk:
            raise
        return owner
    # The caller answers with his instance: it has to know the number, in whichever column the project keeps it.
    for field in row._meta.concrete_fields:
        setattr(user, field.attname, getattr(row, field.attname))
    upgrade(user, method=METHOD, request=request)
    return None

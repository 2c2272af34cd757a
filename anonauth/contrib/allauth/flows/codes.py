"""What upgrades by a code have in common, whether it arrives by e-mail or as a text message."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from allauth.account.adapter import get_adapter
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from anonauth.api.throttles import check_address_limits
from anonauth.conf import get_settings
from anonauth.exceptions import InvalidInput, SignupClosed
from anonauth.flows.pending import CodeRules
from anonauth.models import PendingUpgrade, user_database

GROUP = "anonauth.address"


def code_rules() -> CodeRules:
    """Return the settings in force."""
    conf = get_settings()
    return CodeRules(
        lifetime=conf.code_lifetime,
        attempts=conf.code_attempts,
        interval=conf.code_interval,
        per_address=conf.codes_per_address,
    )


def check_open(request: HttpRequest) -> None:
    """Refuse while the project takes no new accounts: an upgrade is a sign-up.

    Raises:
        SignupClosed
    """
    if not get_adapter(request).is_open_for_signup(request):
        raise SignupClosed


def limit_address(address: str) -> None:
    """Count a message to an address, whoever asks for it.

    Raises:
        RateLimited, RateLimitUnavailable
    """
    rates = get_settings().address_rate_limits
    check_address_limits(group=GROUP, rates=rates, address=address)


def hash_password(password: str, *, user: Any, name: str, **facts: str) -> str:
    """Return the hash of an acceptable password, or "" where none is wanted yet.

    Args:
        password: as typed.
        user: the guest; he stays as he is.
        name: his name to be; a password must not resemble it.
        facts: the same of other attributes, e.g. ``email``.

    Raises:
        InvalidInput: the project's validators refuse it.
    """
    if not password:
        return ""
    person = copy.copy(user)
    for attribute, value in {**facts, **name_fields(name)}.items():
        setattr(person, attribute, value)
    with faults_of("password"):
        password = get_adapter().clean_password(password, user=person)
    return make_password(password)


def name_fields(name: str) -> dict[str, str]:
    """Return what is written to the user for a name, so that ``get_full_name()`` gives it back where Django's does."""
    model = get_user_model()
    fields = {field.name: field for field in model._meta.concrete_fields}
    if not name:
        return {}
    if "name" in fields:
        parts = {"name": name}
    else:
        first, _, last = name.partition(" ")
        parts = {"first_name": first, "last_name": last.strip()}
    # A name that does not fit is cut: it is no reason to lose an upgrade.
    return {
        part: value[: getattr(fields[part], "max_length", None)]
        for part, value in parts.items()
        if part in fields
    }


def proved_fields(found: PendingUpgrade) -> dict[str, Any]:
    """Return what is written to the user together with the proved address: name and password."""
    # SECURITY: fixation. A password that is on a guest's row already was never proved to be that of the person who
    # typed the code; whoever planted the guest's session may know it. Only the one sent with the address counts.
    return {**name_fields(found.name), "password": found.password or make_password(None)}


def write(user: Any, changes: dict[str, Any]) -> None:
    """Write columns of a user, to the row (one UPDATE, nothing else of the instance) and to the instance."""
    get_user_model()._base_manager.using(user_database()).filter(pk=user.pk).update(**changes)
    for name, value in changes.items():
        setattr(user, name, value)


@contextmanager
def faults_of(field: str) -> Iterator[None]:
    """Turn a form's or validator's ValidationError into InvalidInput for a field of the body."""
    try:
        yield
    except ValidationError as error:
        faults = [
            {"code": fault.code or "invalid", "message": fault.messages[0]}
            for fault in error.error_list
        ]
        raise InvalidInput({field: faults}) from error

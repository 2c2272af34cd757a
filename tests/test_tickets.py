"""Merge tickets."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core import signing
from django.utils import timezone

from anonauth.tickets import make_merge_ticket, read_merge_ticket

pytestmark = pytest.mark.django_db
User = get_user_model()
LIFETIME = timedelta(minutes=10)


@pytest.fixture
def guest() -> Any:
    return User.objects.create_user("guest-1", is_guest=True)


@pytest.fixture
def account() -> Any:
    return User.objects.create_user("ann", password="secret")


def test_a_ticket_says_who_and_how(guest: Any, account: Any) -> None:
    ticket = read_merge_ticket(
        make_merge_ticket(guest=guest, account=account, method="email"), lifetime=LIFETIME
    )

    assert ticket is not None
    assert ticket.method == "email"
    assert ticket.is_current(guest=guest, account=account)
    assert not ticket.is_current(guest=account, account=guest)


def test_each_side_of_a_ticket_can_be_asked_alone(guest: Any, account: Any) -> None:
    ticket = read_merge_ticket(
        make_merge_ticket(guest=guest, account=account, method="email"), lifetime=LIFETIME
    )

    assert ticket is not None
    assert (ticket.is_guests(guest), ticket.is_accounts(account)) == (True, True)
    assert (ticket.is_guests(account), ticket.is_accounts(guest)) == (False, False)


@pytest.mark.parametrize("who", ["guest", "account"])
def test_a_ticket_dies_with_the_credentials_of_either(guest: Any, account: Any, who: str) -> None:
    made = make_merge_ticket(guest=guest, account=account, method="email")
    {"guest": guest, "account": account}[who].credentials_revoked_at = timezone.now()

    ticket = read_merge_ticket(made, lifetime=LIFETIME)

    assert ticket is not None
    assert not ticket.is_current(guest=guest, account=account)


def test_a_ticket_cannot_be_forged_nor_used_late(
    guest: Any, account: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_merge_ticket(guest=guest, account=account, method="email")
    other = signing.dumps([str(guest.pk), str(account.pk), "email", "", ""], salt="other")

    for forged in ("", "x", made[:-1], made + "x", other):
        assert read_merge_ticket(forged, lifetime=LIFETIME) is None
    now = timezone.now().timestamp()
    monkeypatch.setattr("django.core.signing.time.time", lambda: now + 601)
    assert read_merge_ticket(made, lifetime=LIFETIME) is None

"""Codes typed and asked for in parallel, on PostgreSQL."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import get_user_model
from django.core import mail

from anonauth.exceptions import CodeIncorrect, NoPendingUpgrade
from anonauth.flows import pending
from anonauth.models import DailyTally, PendingUpgrade
from tests.client import Api
from tests.contrib.allauth.by_code import ADA, PASSWORD, new_guest, start, verify
from tests.races.threads import together
from tests.testapp.adapters import sms

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
User = get_user_model()
RULES = pending.CodeRules(
    lifetime=timedelta(minutes=15), attempts=3, interval=timedelta(seconds=60), per_address=5
)


@pytest.fixture(autouse=True)
def no_limits(settings: Settings) -> None:
    for name in ("RATE", "CODE_RATE", "ADDRESS_RATE", "VERIFY_RATE"):
        setattr(settings, f"ANONAUTH_{name}_LIMITS", ())


def test_of_fifty_parallel_guesses_three_are_compared() -> None:
    guest = User.objects.create_user("guest-1", is_guest=True)
    facts: dict[str, Any] = {"method": "email", "target": ADA, "code": "ABCD", "rules": RULES}
    pending.start(guest, send=lambda: None, **facts)

    def guess() -> str:
        try:
            pending.check_code(guest, method="email", code="WRNG", rules=RULES)
        except CodeIncorrect:
            return "compared"
        except NoPendingUpgrade:
            return "refused"
        return "right"

    assert sorted(together(*[guess] * 50)) == ["compared"] * 3 + ["refused"] * 47
    assert PendingUpgrade.objects.get().attempts == 3


def test_of_parallel_guesses_over_http_three_are_compared() -> None:
    guest = new_guest()
    code = start(guest)

    answers = together(*[lambda: verify(guest, "BBBB-BBBB")] * 12)

    assert (
        sorted(a.json()["code"] for a in answers)
        == ["code_incorrect"] * 3 + ["no_pending_upgrade"] * 9
    )
    assert verify(guest, code).json()["code"] == "no_pending_upgrade"


def test_the_right_code_typed_in_parallel_upgrades_once() -> None:
    guest = new_guest()
    code = start(guest)

    answers = together(*[lambda: verify(guest, code)] * 3)

    codes = [a.json().get("code", "upgraded") for a in answers]
    assert codes.count("upgraded") == 1
    assert set(codes) <= {"upgraded", "no_pending_upgrade", "not_anonymous", "token_revoked"}
    assert EmailAddress.objects.get().verified
    assert DailyTally.objects.get(event="upgraded").count == 1


def test_two_guests_who_prove_one_address_at_once_are_one_account_and_one_conflict() -> None:
    for number in range(10):
        address = f"ada{number}@example.org"
        guests = [new_guest(), new_guest()]
        codes = [start(guest, address) for guest in guests]

        answers = together(
            *[lambda g=g, c=c: verify(g, c) for g, c in zip(guests, codes, strict=True)]
        )

        assert sorted(a.status_code for a in answers) == [200, 409]
        (loser,) = (a.json() for a in answers if a.status_code == 409)
        assert loser["code"] == "email_taken"
        assert loser["merge_ticket"]
        row = EmailAddress.objects.get(email=address)
        assert row.user.is_guest is False
        assert row.user.email == address
    assert User.objects.guests().filter(email="").count() == 10


def test_two_guests_who_prove_one_number_at_once_are_one_account_and_one_conflict() -> None:
    for number in range(10):
        guests, phone = [new_guest(), new_guest()], f"+49301234{number}"
        codes = []
        for guest in guests:
            guest.post("upgrade/phone/", {"phone": phone})
            codes.append(sms[-1][1])

        answers = together(
            *[
                lambda g=g, c=c: g.post("upgrade/phone/verify/", {"code": c})
                for g, c in zip(guests, codes, strict=True)
            ]
        )

        assert sorted(a.status_code for a in answers) == [200, 409]
        assert User.objects.get(phone=phone).is_guest is False
    assert User.objects.guests().filter(phone=None).count() == 10


def test_a_guest_and_a_visitor_on_allauths_pages_prove_one_address_at_once(client: Any) -> None:
    guest = new_guest()
    code = start(guest)
    client.post("/accounts/signup/", {"email": ADA, "password1": PASSWORD, "password2": PASSWORD})
    (other,) = re.findall(r"^[A-Z]{4}-[A-Z]{4}$", str(mail.outbox[-1].body), re.MULTILINE)

    together(
        lambda: verify(guest, code),
        lambda: client.post("/accounts/confirm-email/", {"code": other}),
    )

    assert EmailAddress.objects.filter(email=ADA, verified=True).count() == 1


def test_of_parallel_requests_for_a_code_one_is_sent(settings: Settings) -> None:
    guest = new_guest()

    answers = together(*[lambda: guest.post("upgrade/email/", {"email": ADA})] * 10)

    assert sorted(a.status_code for a in answers) == [202] + [429] * 9
    assert len(mail.outbox) == 1
    assert PendingUpgrade.objects.count() == 1


def test_the_cap_of_an_address_holds_for_parallel_guests(settings: Settings) -> None:
    settings.ANONAUTH_CODES_PER_ADDRESS = 3
    guests = [new_guest() for _ in range(10)]

    together(*[lambda g=g: g.post("upgrade/email/", {"email": ADA}) for g in guests])

    assert len(mail.outbox) <= 3
    assert PendingUpgrade.objects.count() <= 3


def test_a_proof_and_an_erasure_end_in_one_of_them() -> None:
    for number in range(10):
        guest = new_guest()
        code = start(guest, f"ada{number}@example.org")

        proved, erased = together(
            partial(verify, guest, code),
            partial(guest.delete, "user/"),
        )

        assert (proved.status_code, erased.status_code) in {
            (200, 403),
            (200, 401),
            (401, 204),
            (409, 204),
        }
    assert not User.objects.guests().exists()


def test_of_parallel_first_passwords_one_is_set() -> None:
    guest = new_guest()
    guest.tokens = verify(guest, start(guest)).json()

    def set_password(number: int) -> Any:
        return guest.post("user/password/", {"password": f"good password {number}"})

    answers = together(*[lambda n=n: set_password(n) for n in range(6)])

    (winner,) = (n for n, a in enumerate(answers) if a.status_code == 200)
    assert User.objects.get().check_password(f"good password {winner}")
    assert {a.status_code for a in answers} <= {200, 401, 409}
    api = Api()
    api.tokens = answers[winner].json()
    assert api.get("user/").status_code == 200

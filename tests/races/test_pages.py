"""allauth's pages in parallel, on PostgreSQL."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import get_user_model
from django.core import mail
from django.test import override_settings

from tests.contrib.allauth.people import Guest, code_in_mail, link_in_mail
from tests.races.threads import together

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
User = get_user_model()
EMAIL = "new@example.com"


def test_of_two_guests_who_prove_one_address_one_gets_it_and_the_other_stays_a_guest() -> None:
    for _ in range(5):
        guests, codes = [Guest(), Guest()], []
        for guest in guests:
            guest.post("/accounts/email/", action_add="", email=EMAIL)
            codes.append(code_in_mail())

        statuses = together(
            *[
                lambda g=g, c=c: g.post("/accounts/confirm-email/", code=c).status_code
                for g, c in zip(guests, codes, strict=True)
            ]
        )

        assert all(status in {200, 302} for status in statuses)
        assert sorted(guest.row.is_guest for guest in guests) == [False, True]
        assert all(guest.here == guest.id for guest in guests)
        assert EmailAddress.objects.filter(verified=True).count() == 1
        loser = next(guest.row for guest in guests if guest.row.is_guest)
        assert loser.email == ""
        User.objects.all().delete()
        mail.outbox.clear()


def test_a_link_opened_twice_at_once_upgrades_once() -> None:
    with override_settings(ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED=False):
        guest = Guest()
        guest.post("/accounts/email/", action_add="", email=EMAIL)
        link = link_in_mail()

        statuses = together(*[lambda: guest.http.post(link).status_code] * 2)

    assert set(statuses) <= {200, 302, 404}
    assert not guest.row.is_guest

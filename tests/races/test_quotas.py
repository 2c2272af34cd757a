"""A quota holds against parallel requests of one guest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction

from anonauth.adapter import Adapter, GuestQuota
from anonauth.exceptions import QuotaExceeded
from anonauth.flows.upgrade import upgrade
from anonauth.quotas import check_quota, within_quota
from tests.races.threads import together
from tests.testapp.models import Note

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
User = get_user_model()


class QuotaAdapter(Adapter):
    """Three notes."""

    def quotas(self) -> Any:
        return (GuestQuota("testapp.Note", 3, owner="owner"),)


@pytest.fixture(autouse=True)
def adapter(settings: Settings) -> None:
    settings.ANONAUTH_ADAPTER = f"{__name__}.QuotaAdapter"


def writes_first(guest: Any) -> str:
    try:
        with transaction.atomic():
            Note.objects.create(owner=guest)
            check_quota(guest, Note, adding=0)
    except QuotaExceeded as refusal:
        return refusal.code
    return "written"


def asks_first(guest: Any) -> str:
    try:
        with within_quota(guest, Note):
            Note.objects.create(owner=guest)
    except QuotaExceeded as refusal:
        return refusal.code
    return "written"


@pytest.mark.parametrize("act", [asks_first, writes_first])
def test_of_many_parallel_rows_the_quota_s_number_is_made(act: Any) -> None:
    guest = User.objects.create_user("guest-1", is_guest=True)

    results = together(*[lambda: act(guest)] * 10)

    assert sorted(results) == ["quota_exceeded"] * 7 + ["written"] * 3
    assert Note.objects.filter(owner=guest).count() == 3


def test_both_orders_mixed_do_not_wait_for_each_other_for_ever() -> None:
    guest = User.objects.create_user("guest-1", is_guest=True)

    acts = [asks_first, writes_first] * 5
    results = together(*[lambda act=act: act(guest) for act in acts])

    assert results.count("written") == 3
    assert Note.objects.count() == 3


def test_guests_do_not_wait_for_each_other_and_have_a_quota_each() -> None:
    guests = [User.objects.create_user(f"guest-{n}", is_guest=True) for n in range(4)]

    results = together(*[lambda g=g: asks_first(g) for g in guests for _ in range(3)])

    assert results == ["written"] * 12


def test_an_upgrade_in_the_middle_ends_the_quota_and_loses_no_row() -> None:
    guest = User.objects.create_user("guest-1", is_guest=True)

    def upgraded() -> str:
        upgrade(User.objects.get(pk=guest.pk), method="email")
        return "upgraded"

    results = together(*[lambda: asks_first(guest)] * 6, upgraded)

    written = results.count("written")
    assert Note.objects.count() == written
    assert written >= 3
    assert asks_first(guest) == "written"


def test_without_the_quota_the_same_threads_write_more() -> None:
    guest = User.objects.create_user("guest-1", is_guest=True)

    together(*[lambda: Note.objects.create(owner=guest)] * 10)

    assert Note.objects.count() == 10

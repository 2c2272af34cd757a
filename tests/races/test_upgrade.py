"""Upgrades in parallel, with each other and with erasing, on PostgreSQL."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model

from anonauth.exceptions import NotAnonymous, UserNotFound
from anonauth.flows.purge import purge_guest
from anonauth.flows.upgrade import upgrade
from anonauth.models import DailyTally
from tests.races.threads import together

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
User = get_user_model()


def test_of_many_parallel_upgrades_one_happens() -> None:
    User.objects.create_user("guest-1", is_guest=True)
    guests = [User.objects.get() for _ in range(8)]

    happened = together(
        *[lambda g=g, n=n: upgrade(g, method=f"m{n}") for n, g in enumerate(guests)]
    )

    assert sorted(happened) == [False] * 7 + [True]
    assert len({g.get_session_auth_hash() for g in guests}) == 1
    assert sum(DailyTally.objects.values_list("count", flat=True)) == 1


def test_an_upgrade_and_an_erasure_end_in_one_of_them() -> None:
    for _ in range(10):
        guest = User.objects.create_user("guest-1", is_guest=True)
        stale = User.objects.get()

        def upgrading(guest: Any = guest) -> str:
            try:
                return "upgraded" if upgrade(guest, method="email") else "again"
            except UserNotFound:
                return "gone"

        def erasing(stale: Any = stale) -> str:
            try:
                return "erased" if purge_guest(user_id=stale.pk) else "again"
            except NotAnonymous:
                return "permanent"

        outcome = together(upgrading, erasing)

        assert outcome in (["upgraded", "permanent"], ["gone", "erased"])
        assert User.objects.filter(is_guest=False).count() == (outcome[0] == "upgraded")
        User.objects.all().delete()


def test_the_first_tallies_of_a_day_are_all_counted() -> None:
    together(*[lambda: DailyTally.objects.add("upgraded", "email")] * 10)

    assert DailyTally.objects.get().count == 10

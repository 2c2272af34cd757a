"""Parallel requests, on PostgreSQL."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connections, transaction
from django.utils import timezone

from anonauth.exceptions import NotAnonymous
from anonauth.flows.last_seen import touch
from anonauth.flows.purge import purge_guest
from anonauth.models import SignInKey
from tests.client import Api
from tests.races.threads import behind, together, wait_for_blocked_backends

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
User = get_user_model()
KEY = "f0c6a7a2-6f5c-4c2e-a1a5-6b7a5f0d2b11"


def test_twenty_parallel_first_requests_with_one_key_are_one_guest() -> None:
    def first_request() -> Any:
        return Api().post("anonymous/", {}, Idempotency_Key=KEY)

    answers = together(*[first_request] * 20)

    assert sorted(a.status_code for a in answers) == [200] * 19 + [201]
    assert len({a.json()["user"]["id"] for a in answers}) == 1
    assert User.objects.count() == 1
    assert SignInKey.objects.count() == 1
    for answer in answers:
        me = Api().get("user/", Authorization=f"Bearer {answer.json()['access']}")
        assert me.status_code == 200


def test_a_guest_who_is_erased_while_he_gets_a_session_reads_that_he_is_gone() -> None:
    api = Api()
    guest = api.sign_in()["id"]

    (answer,) = behind(
        lambda: purge_guest(user_id=guest),
        lambda: api.post("anonymous/", {"credentials": "session"}),
    )

    assert (answer.status_code, answer.json()["code"]) == (401, "user_not_found")


def test_twenty_parallel_requests_without_a_key_are_twenty_guests(settings: Any) -> None:
    settings.ANONAUTH_RATE_LIMITS = ["20/h"]

    answers = together(*[lambda: Api().post("anonymous/")] * 20)

    assert [a.status_code for a in answers] == [201] * 20
    assert User.objects.count() == 20


def test_parallel_sessions_with_one_key_are_one_guest_with_several_sessions() -> None:
    def first_request() -> Any:
        return Api().post("anonymous/", {"credentials": "session"}, Idempotency_Key=KEY)

    answers = together(*[first_request] * 8)

    assert {a.status_code for a in answers} == {200, 201}
    assert User.objects.count() == 1
    assert len({a.cookies["sessionid"].value for a in answers}) == 8


def test_an_expired_key_is_taken_over_by_one_of_many() -> None:
    old = Api().post("anonymous/", Idempotency_Key=KEY).json()["user"]["id"]
    SignInKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    answers = together(*[lambda: Api().post("anonymous/", Idempotency_Key=KEY)] * 8)

    ids = {a.json()["user"]["id"] for a in answers}
    assert len(ids) == 1
    assert old not in ids
    assert User.objects.count() == 2


def test_a_guest_who_is_upgraded_while_he_is_erased_survives() -> None:
    guest = User.objects.create_user("guest-1", is_guest=True)
    upgraded, erasing = threading.Event(), threading.Event()

    def upgrade() -> None:
        try:
            with transaction.atomic():
                row = User.objects.select_for_update().filter(pk=guest.pk)
                assert row.get().is_guest
                erasing.set()
                wait_for_blocked_backends()
                row.update(is_guest=False)
        finally:
            upgraded.set()
            connections.close_all()

    thread = threading.Thread(target=upgrade)
    thread.start()
    erasing.wait(10)
    with pytest.raises(NotAnonymous):
        purge_guest(user_id=guest.pk)
    thread.join()

    assert upgraded.is_set()
    assert User.objects.get().is_guest is False


def test_a_guest_is_erased_once_by_many() -> None:
    guest = User.objects.create_user("guest-1", is_guest=True)

    results = together(*[lambda: purge_guest(user_id=guest.pk)] * 8)

    assert sorted(results) == [False] * 7 + [True]
    assert not User.objects.exists()


def test_of_many_parallel_visits_one_is_written() -> None:
    User.objects.create_user(
        "guest-1", is_guest=True, last_seen_at=timezone.now() - timedelta(days=2)
    )
    guests = [User.objects.get() for _ in range(8)]

    written = together(*[lambda g=g: touch(g, interval=timedelta(hours=1)) for g in guests])

    assert sorted(written) == [False] * 7 + [True]

"""Guests who come back, upgrade or are busy while the purge runs, and purges beside each other, on PostgreSQL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, connections, transaction
from django.utils import timezone

from anonauth.exceptions import NotAnonymous, UserNotFound
from anonauth.flows import expiring, pending
from anonauth.flows import purge as purge_flow
from anonauth.flows.erase import erase as erase_guests
from anonauth.flows.last_seen import touch
from anonauth.flows.purge import PurgeReport, purge, purge_guest
from anonauth.flows.stale import StaleGuests
from anonauth.flows.upgrade import upgrade
from anonauth.models import DailyTally, PendingUpgrade, Watermark
from anonauth.signals import guest_expiring
from tests.races.threads import together, wait_for_blocked_backends
from tests.signals import connected
from tests.suites import ROOT
from tests.testapp.models import Note

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
User = get_user_model()
RULES = pending.CodeRules(
    lifetime=timedelta(minutes=15), attempts=3, interval=timedelta(seconds=60), per_address=5
)


def guest(name: str = "guest-1", *, days: int = 31) -> Any:
    seen = timezone.now() - timedelta(days=days)
    user = User.objects.create_user(name, is_guest=True, guest_since=seen, last_seen_at=seen)
    Note.objects.create(owner=user)
    return user


def guests(number: int) -> None:
    seen = timezone.now() - timedelta(days=31)
    made = User.objects.bulk_create(
        User(
            username=f"g{n}",
            is_guest=True,
            guest_since=seen,
            last_seen_at=seen - timedelta(seconds=n),
        )
        for n in range(number)
    )
    Note.objects.bulk_create(Note(owner=user) for user in made for _ in range(2))


def run(**options: Any) -> PurgeReport:
    return sum(purge(StaleGuests("default", timedelta(days=30)), **options), PurgeReport())


def start_proof(user: Any) -> None:
    facts: dict[str, Any] = {"method": "email", "target": "a@example.org", "code": "ABCD"}
    pending.start(user, send=lambda: None, rules=RULES, **facts)


def make_pending(user: Any) -> None:
    expires_at = timezone.now() + timedelta(minutes=5)
    PendingUpgrade.objects.create(
        user=user, method="email", target="a@b.c", code_hash="x", expires_at=expires_at
    )


RETURNS: dict[str, Callable[[Any], Any]] = {
    "upgrades": lambda user: upgrade(user, method="email"),
    "returns": lambda user: touch(user, interval=timedelta(hours=1)),
    "starts to prove an address": start_proof,
}


@contextmanager
def elsewhere(act: Callable[[], Any]) -> Iterator[None]:
    """Do something in another connection, to its end, before the block goes on."""

    def run_and_close() -> None:
        try:
            act()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(run_and_close).result(30)
    yield


@pytest.mark.parametrize("what", RETURNS)
def test_who_comes_back_after_the_list_was_read_stays(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault 3 of the other packages: the list is read, and deleted later without another look."""
    guest()
    other = guest("guest-2")
    # The window: the page has been chosen by a statement, and is not locked yet.
    original = StaleGuests.page

    def page(self: StaleGuests, after: Any, size: int, *, lock: bool) -> Any:
        found = original(self, after, size, lock=False)
        if found:
            stale = User.objects.get(username="guest-1")
            with elsewhere(lambda: RETURNS[what](stale)):
                pass
        return self.again([one.key for one in found], lock=lock)

    monkeypatch.setattr(StaleGuests, "page", page)

    report = run()

    assert list(User.objects.values_list("username", flat=True)) == ["guest-1"]
    assert Note.objects.get().owner.username == "guest-1"
    assert report.guests == 1
    assert not Note.objects.filter(owner_id=other.pk).exists()


@pytest.mark.parametrize("what", RETURNS)
def test_who_is_coming_back_is_passed_over_without_waiting(what: str) -> None:
    guest()
    guest("guest-2")
    inside, finish = threading.Event(), threading.Event()

    def slowly() -> None:
        try:
            user = User.objects.get(username="guest-1")
            with transaction.atomic():
                if what == "starts to prove an address":
                    # pending.start() commits before it sends; its lock is the same one.
                    make_pending(pending.lock_guest(user))
                else:
                    RETURNS[what](user)
                inside.set()
                assert finish.wait(30)
        finally:
            connections.close_all()

    thread = threading.Thread(target=slowly)
    thread.start()
    assert inside.wait(30)
    report = run()
    finish.set()
    thread.join()

    assert report.guests == 1
    assert User.objects.get().username == "guest-1"
    assert run().guests == 0
    assert Note.objects.count() == 1


@pytest.mark.parametrize("what", RETURNS)
def test_who_comes_back_too_late_waits_for_the_batch_and_finds_himself_gone(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = guest()
    outcome: list[Any] = []
    original = erase_guests

    def returning() -> None:
        try:
            outcome.append(RETURNS[what](stale))
        except UserNotFound as error:
            outcome.append(error.code)
        finally:
            connections.close_all()

    thread = threading.Thread(target=returning)

    def erase(*arguments: Any, **options: Any) -> Any:
        thread.start()
        wait_for_blocked_backends()
        return original(*arguments, **options)

    monkeypatch.setattr(purge_flow, "erase", erase)

    assert run().guests == 1
    thread.join()
    assert outcome == [False if what == "returns" else "user_not_found"]
    assert not User.objects.exists()
    assert not PendingUpgrade.objects.exists()


def run_while_he_holds_his_row(
    user: Any, act: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> PurgeReport:
    """Let the statement that chooses guests wait for the row of one who acts under its lock; return the report."""
    inside, finish = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                row = pending.lock_guest(user)
                inside.set()
                wait_for_blocked_backends()
                act(row)
            finish.set()
        finally:
            connections.close_all()

    # As where rows cannot be skipped: the statement has chosen him, and waits for the lock.
    monkeypatch.setattr(connection.features, "has_select_for_update_skip_locked", False)
    monkeypatch.setattr(purge_flow, "LOCK_TIMEOUT", timedelta(seconds=30))
    thread = threading.Thread(target=hold)
    thread.start()
    assert inside.wait(30)
    report = run()
    thread.join()
    assert finish.is_set()
    return report


def test_a_proof_that_begins_between_the_statement_and_its_lock_spares_the_guest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # It locks the guest's row and leaves no trace on it: only a statement that begins after our lock sees it.
    stale = guest()

    report = run_while_he_holds_his_row(stale, make_pending, monkeypatch)

    assert (report.guests, report.held, report.failed) == (0, 1, 0)
    assert PendingUpgrade.objects.get().user == stale


@pytest.mark.parametrize("what", ["upgrades", "returns"])
def test_who_comes_back_while_the_statement_waits_for_his_row_is_not_in_its_answer(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The conditions hold of the row as it is once it is locked: they are not asked again.
    stale = guest()

    report = run_while_he_holds_his_row(stale, RETURNS[what], monkeypatch)

    assert report == PurgeReport()
    assert User.objects.get() == stale
    assert Note.objects.exists()


def test_who_erases_himself_while_he_is_upgraded_stays() -> None:
    user = guest()
    inside = threading.Event()

    def upgrading() -> None:
        try:
            with transaction.atomic():
                upgrade(User.objects.get(pk=user.pk), method="email")
                inside.set()
                wait_for_blocked_backends()
        finally:
            connections.close_all()

    thread = threading.Thread(target=upgrading)
    thread.start()
    assert inside.wait(30)
    with pytest.raises(NotAnonymous):
        purge_guest(user_id=user.pk)
    thread.join()

    assert not User.objects.get().is_guest
    assert Note.objects.get().owner == user


def test_a_row_that_somebody_holds_delays_its_guest_and_nobody_else() -> None:
    guests(8)
    held = Note.objects.filter(owner__username="g3").latest("pk")
    inside, finish = threading.Event(), threading.Event()

    def holding() -> None:
        try:
            with transaction.atomic():
                Note.objects.select_for_update(no_key=False).get(pk=held.pk)
                inside.set()
                assert finish.wait(60)
        finally:
            connections.close_all()

    thread = threading.Thread(target=holding)
    thread.start()
    assert inside.wait(30)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(purge_flow, "LOCK_TIMEOUT", timedelta(milliseconds=20))
        report = run()
    finish.set()
    thread.join()

    assert (report.guests, report.failed) == (7, 1)
    assert next(iter(report.errors)).startswith("OperationalError: canceling statement due to lock")
    assert User.objects.get().username == "g3"
    assert run().guests == 1


def test_a_connection_that_is_lost_costs_a_batch_and_the_run_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for n in range(3):
        guest(f"guest-{n}")
    original = StaleGuests.held
    ended: list[int] = []

    def end(backend: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [backend])

    def losing(self: StaleGuests, keys: Any) -> Any:
        if not ended:
            ended.append(connection.connection.info.backend_pid)
            with elsewhere(lambda: end(ended[0])):
                pass
        return original(self, keys)

    monkeypatch.setattr(StaleGuests, "held", losing)
    report = run(batch_size=1)

    assert (report.guests, report.failed) == (2, 1)
    assert "OperationalError" in str(report.errors)
    assert run().guests == 1


def test_others_wait_as_long_as_before_when_a_run_is_over() -> None:
    guests(2)
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        before = cursor.fetchone()
        assert run().guests == 2
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == before


def test_several_runs_share_the_work_and_each_guest_goes_once() -> None:
    guests(400)

    reports = together(*[lambda: run(batch_size=20)] * 4)

    assert sum(report.guests for report in reports) == 400
    assert not any(report.failed or report.protected for report in reports)
    assert not User.objects.exists()
    assert DailyTally.objects.get(event="purged").count == 400


def test_two_runs_hold_different_guests_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    guests(40)
    both = threading.Barrier(2, timeout=30)
    original = erase_guests
    first = threading.local()

    def erase(guests: Any, **options: Any) -> Any:
        if not hasattr(first, "done"):
            first.done = True
            both.wait()  # each has locked a batch, and neither waits for the other
        return original(guests, **options)

    monkeypatch.setattr(purge_flow, "erase", erase)

    reports = together(*[lambda: run(batch_size=20)] * 2)

    assert sum(report.guests for report in reports) == 40
    assert not User.objects.exists()


def test_two_runs_at_the_same_time_announce_each_guest_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    guest(days=28)
    Watermark.objects.create(name=expiring.MARK, reached=timezone.now() - timedelta(days=40))
    told = []
    original = expiring._guests

    def warn() -> None:
        try:
            expiring.warn_expiring(
                database="default", older_than=timedelta(days=30), ahead=timedelta(days=3)
            )
        finally:
            if threading.current_thread() is not threading.main_thread():
                connections.close_all()

    other = threading.Thread(target=warn)

    def guests_of(*arguments: Any) -> Any:
        if other.ident is None:
            other.start()
            wait_for_blocked_backends()
        return original(*arguments)

    def receiver(user: Any, **kwargs: Any) -> None:
        told.append(user.username)

    monkeypatch.setattr(expiring, "_guests", guests_of)
    with connected(guest_expiring, receiver):
        warn()
        other.join()
    assert told == ["guest-1"]


@pytest.mark.slow  # starts Django twice
def test_two_processes_purge_while_guests_come_back() -> None:
    guests(300)
    back = [User.objects.get(username=f"g{n}") for n in (0, 150, 299)]
    name = connection.settings_dict["NAME"]
    script = (
        "import django; django.setup()\n"
        "from django.db import connections\n"
        f"connections['default'].settings_dict['NAME'] = {name!r}\n"
        "from django.core.management import call_command\n"
        "call_command('purge_anonymous', '--json', '--yes', '--batch-size=10')"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    with transaction.atomic():
        # All three have begun to return before either process looks.
        for user in back:
            touch(user, interval=timedelta(hours=1))
        running = [
            subprocess.Popen(
                [sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=ROOT, env=environment
            )
            for _ in range(2)
        ]
        reports = [json.loads(process.communicate(timeout=60)[0]) for process in running]

    assert [process.returncode for process in running] == [0, 0]
    assert sum(report["guests"] for report in reports) == 297
    assert set(User.objects.values_list("username", flat=True)) == {"g0", "g150", "g299"}
    assert Note.objects.count() == 6
    assert DailyTally.objects.get(event="purged").count == 297

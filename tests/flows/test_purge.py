"""The purge: who goes, who stays, and what goes along."""

from __future__ import annotations

import logging
import tracemalloc
from collections import Counter
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.db import IntegrityError, connection, transaction
from django.db.models.signals import post_delete
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from anonauth.adapter import Adapter
from anonauth.contrib.allauth.models import SocialTicket
from anonauth.credentials import Credentials, SessionCredentials
from anonauth.exceptions import ProtectedData
from anonauth.flows.erase import rows_of
from anonauth.flows.last_seen import touch
from anonauth.flows.purge import PurgeReport, TooManyStale, check_share, purge, purge_guest
from anonauth.flows.stale import StaleGuests
from anonauth.models import DailyTally, PendingUpgrade
from anonauth.signals import guest_purged
from anonauth.tally import count_departed
from tests.signals import connected
from tests.testapp.models import Note, Receipt, Tag

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

pytestmark = pytest.mark.django_db
User = get_user_model()
NOW = timezone.now()


def guest(name: str, *, days: float = 31, **fields: Any) -> Any:
    seen = NOW - timedelta(days=days)
    values = {"is_guest": True, "guest_since": seen, "last_seen_at": seen, **fields}
    return User.objects.create_user(name, **values)


def guests(number: int, *, days: float = 31) -> list[Any]:
    seen = NOW - timedelta(days=days)
    return User.objects.bulk_create(
        User(
            username=f"many-{n}",
            is_guest=True,
            guest_since=seen,
            last_seen_at=seen + timedelta(seconds=n // 3),
        )
        for n in range(number)
    )


def stale(**options: Any) -> StaleGuests:
    return StaleGuests("default", options.pop("older_than", timedelta(days=30)), **options)


def run(rules: StaleGuests | None = None, **options: Any) -> PurgeReport:
    return sum(purge(rules or stale(), **options), PurgeReport())


def names() -> set[str]:
    return set(User.objects.values_list("username", flat=True))


class HoldingAdapter(Adapter):
    def can_purge(self, guests: QuerySet[Any]) -> QuerySet[Any]:
        return guests.exclude(note__text="paid").distinct()


class JoiningAdapter(Adapter):
    def can_purge(self, guests: QuerySet[Any]) -> QuerySet[Any]:
        return guests.filter(note__text="free")


class OwnQueryAdapter(Adapter):
    """Does not narrow what it is given."""

    def can_purge(self, guests: QuerySet[Any]) -> QuerySet[Any]:
        return User.objects.filter(is_guest=True).exclude(note__text="paid")


class GenerousAdapter(Adapter):
    """Gives what guests wrote to somebody else."""

    def before_purge(self, guests: QuerySet[Any]) -> None:
        heir = User.objects.get(username="heir")
        Note.objects.filter(owner__in=guests, text="good").update(owner=heir)
        Receipt.objects.filter(owner__in=guests).update(owner=heir)


class ScanAdapter(Adapter):
    """Deletes files of rows that go unread."""

    storage: FileSystemStorage

    def before_purge(self, guests: QuerySet[Any]) -> None:
        files = list(Note.objects.filter(owner__in=guests).values_list("text", flat=True))
        for name in files:
            transaction.on_commit(partial(self.storage.delete, name))


class StoredCredentials(SessionCredentials):
    forgotten: list[str] = []

    def forget(self, user: Any) -> None:
        assert User.objects.filter(pk=user.pk).exists()
        self.forgotten.append(user.username)


def test_stale_guests_go_with_what_is_theirs_and_nobody_else() -> None:
    gone, fresh = guest("gone"), guest("fresh", days=29)
    ann = User.objects.create_user("ann", last_seen_at=NOW - timedelta(days=99))
    guest("unknown", last_seen_at=None)
    for owner in (gone, gone, fresh, ann):
        Note.objects.create(owner=owner)
    Tag.objects.create(name="t").users.add(gone, ann)

    report = run()

    assert names() == {"fresh", "ann", "unknown"}
    assert set(Note.objects.values_list("owner__username", flat=True)) == {"fresh", "ann"}
    assert list(Tag.objects.get().users.all()) == [ann]
    assert (report.guests, report.protected, report.held, report.failed) == (1, 0, 0, 0)
    assert report.rows == Counter({"testapp.User": 1, "testapp.Note": 2, "testapp.Tag_users": 1})
    assert run() == PurgeReport()


def test_an_active_guest_made_long_ago_stays() -> None:
    """Fault 12 of the other packages: expiry that does not look at activity."""
    guest("active", days=0, guest_since=NOW - timedelta(days=400))

    assert run().guests == 0
    assert names() == {"active"}


def test_by_creation_active_guests_go_too_but_not_who_is_here_just_now() -> None:
    long_ago = NOW - timedelta(days=40)
    guest("old-but-active", days=1, guest_since=long_ago)
    guest("here", days=0, guest_since=long_ago)
    guest("young", days=1)
    guest("unknown", last_seen_at=None, guest_since=long_ago)
    guest("never-made", guest_since=None)

    assert run(stale(by="created")).guests == 2
    assert names() == {"here", "young", "never-made"}


def test_by_creation_who_is_kept_is_passed_once() -> None:
    for n in range(5):
        guest(f"g{n}", days=40 - n)
    Receipt.objects.create(owner=User.objects.order_by("pk")[0])
    Receipt.objects.create(owner=User.objects.order_by("pk")[3])

    batches = list(islice(purge(stale(by="created"), batch_size=1), 9))

    assert len(batches) == 5
    assert sum(batches, PurgeReport()).protected == 2
    assert len(names()) == 2


def test_one_protected_guest_does_not_stop_the_others() -> None:
    """Fault 11 of the other packages: one PROTECTed row ends the whole purge."""
    for n in range(7):
        Note.objects.create(owner=guest(f"g{n}", days=40 - n))
    for name in ("g0", "g3", "g6"):
        Receipt.objects.create(owner=User.objects.get(username=name))

    report = run(batch_size=3)

    assert names() == {"g0", "g3", "g6"}
    assert (report.guests, report.protected, report.failed) == (4, 3, 0)
    assert Note.objects.count() == 3


@pytest.mark.parametrize("way", ["pending", "ticket"])
def test_a_guest_in_the_middle_of_an_upgrade_stays_until_it_expires(way: str) -> None:
    for name, minutes in (("trying", 5), ("gave-up", -5)):
        expires_at = timezone.now() + timedelta(minutes=minutes)
        user = guest(name)
        if way == "pending":
            PendingUpgrade.objects.create(
                user=user,
                method="email",
                target="a@example.org",
                code_hash="x",
                expires_at=expires_at,
            )
        else:
            facts: dict[str, Any] = {
                "step": SocialTicket.Step.AT_PROVIDER,
                "provider": "dummy",
                "identity": {},
            }
            SocialTicket.objects.create(
                user=user, secret_hash=name, redirect_uri="x", expires_at=expires_at, **facts
            )

    report = run()

    assert names() == {"trying"}
    assert (report.guests, report.held) == (1, 1)


def test_the_adapter_holds_whom_it_wants_and_the_batches_go_on(settings: Settings) -> None:
    settings.ANONAUTH_ADAPTER = "tests.flows.test_purge.HoldingAdapter"
    for n in range(5):
        user = guest(f"g{n}", days=40 - n)
        Note.objects.create(owner=user, text="paid" if n in {0, 1, 3} else "")
        Note.objects.create(owner=user)

    report = run(batch_size=2)

    assert names() == {"g0", "g1", "g3"}
    assert (report.guests, report.held) == (2, 3)


def test_a_guest_whom_an_adapter_finds_twice_is_one_and_stands_for_nobody_else(
    settings: Settings,
) -> None:
    settings.ANONAUTH_ADAPTER = "tests.flows.test_purge.JoiningAdapter"
    free, _held = guest("free"), guest("held")
    for _ in range(2):
        Note.objects.create(owner=free, text="free")

    assert check_share(stale(), max_share=1) == 1
    assert run().held == 1
    assert names() == {"held"}


def test_who_is_held_stays_also_if_the_adapter_answers_with_other_guests(
    settings: Settings,
) -> None:
    settings.ANONAUTH_ADAPTER = "tests.flows.test_purge.OwnQueryAdapter"
    held, pending = guest("held"), guest("pending")
    Note.objects.create(owner=held, text="paid")
    PendingUpgrade.objects.create(
        user=pending, method="email", target="a@b.c", expires_at=NOW + timedelta(minutes=5)
    )
    guest("fresh", days=1)

    assert run().held == 2
    with pytest.raises(ProtectedData):
        purge_guest(user_id=held.pk)
    assert names() == {"held", "pending", "fresh"}


def test_who_is_here_stays_though_his_visit_was_not_written_yet() -> None:
    interval = timedelta(hours=1)
    here = guest("here", days=45 / 1440)
    guest("gone", days=75 / 1440)
    assert not touch(here, interval=interval)

    run(stale(older_than=timedelta(minutes=30), visit_interval=interval))

    assert names() == {"here"}


def test_a_limit_ends_with_the_oldest_gone() -> None:
    for n in range(6):
        guest(f"g{n}", days=40 - n)

    assert run(limit=4, batch_size=3).guests == 4
    assert names() == {"g4", "g5"}


def test_who_is_held_does_not_use_up_the_limit(settings: Settings) -> None:
    settings.ANONAUTH_ADAPTER = "tests.flows.test_purge.HoldingAdapter"
    for n in range(5):
        user = guest(f"g{n}", days=40 - n)
        Note.objects.create(owner=user, text="paid" if n < 2 else "")

    assert run(limit=2, batch_size=2).guests == 2
    assert names() == {"g0", "g1", "g4"}


def test_guests_seen_at_the_same_moment_are_all_found() -> None:
    for n in range(9):
        guest(f"g{n}")
    Receipt.objects.create(owner=User.objects.get(username="g4"))

    assert run(batch_size=2).guests == 8
    assert names() == {"g4"}


def test_a_dry_run_counts_as_the_run_deletes_and_writes_nothing() -> None:
    for n in range(5):
        user = guest(f"g{n}", days=40 - n)
        Note.objects.bulk_create(Note(owner=user) for _ in range(n))
    Receipt.objects.create(owner=User.objects.get(username="g4"))
    before = names()

    preview = run(dry_run=True, batch_size=2)

    assert names() == before
    assert Note.objects.count() == 10
    assert preview == run(batch_size=2)
    assert (preview.guests, preview.protected) == (4, 1)


def test_each_guest_is_announced_and_recorded_once(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    caplog: pytest.LogCaptureFixture,
) -> None:
    keys = {guest(f"g{n}").pk for n in range(3)}
    heard = []

    def receiver(sender: Any, user_id: Any, **kwargs: Any) -> None:
        heard.append((sender, user_id))

    with (
        connected(guest_purged, receiver),
        caplog.at_level(logging.INFO, "anonauth.audit"),
        django_capture_on_commit_callbacks(execute=True),
    ):
        run(batch_size=2)

    assert sorted(heard, key=str) == sorted(((User, key) for key in keys), key=str)
    records = [r.__dict__["anonauth"] for r in caplog.records if r.name == "anonauth.audit"]
    assert sorted(r["user_id"] for r in records) == sorted(map(str, keys))
    assert {r["event"] for r in records} == {"guest_purged"}


def test_the_tally_knows_how_many_went_and_on_which_days_they_were_made() -> None:
    for n in range(5):
        guest(f"g{n}", days=40 + n % 2)
    guest("unknown-day", guest_since=None)

    run(batch_size=2)

    assert DailyTally.objects.get(event="purged").count == 6
    made = DailyTally.objects.filter(event="departed", label="purged")
    assert {row.day: row.count for row in made} == {
        (NOW - timedelta(days=40)).date(): 3,
        (NOW - timedelta(days=41)).date(): 2,
    }


def test_a_guest_is_tallied_for_his_day_in_utc_wherever_the_site_is(settings: Settings) -> None:
    settings.TIME_ZONE = "Pacific/Kiritimati"  # fourteen hours ahead
    made = (NOW - timedelta(days=40)).replace(hour=23, minute=30)
    guest("late", guest_since=made)

    run()

    assert DailyTally.objects.get(event="departed").day == made.date()


def test_days_are_counted_in_their_order_so_that_two_runs_do_not_wait_in_a_circle() -> None:
    days = [NOW.date() - timedelta(days=n) for n in (3, 9, 1, 5)]
    with CaptureQueriesContext(connection) as statements:
        count_departed("purged", [*days, *days, None])
    inserted = [s["sql"] for s in statements if "INSERT" in s["sql"]]
    assert [day for sql in inserted for day in days if str(day) in sql] == sorted(days)


def test_nobody_is_announced_before_the_commit() -> None:
    guest("gone")
    heard = []

    def receiver(**kwargs: Any) -> None:
        heard.append(kwargs)

    with connected(guest_purged, receiver):
        run()  # in the transaction of this test, which is never committed
    assert not names()
    assert not heard


def test_whoever_fails_in_a_receiver_is_left_alone_and_counted() -> None:
    for n in range(9):
        Note.objects.create(owner=guest(f"g{n}", days=40 - n), text="bad" if n == 4 else "")

    def receiver(instance: Note, **kwargs: Any) -> None:
        if instance.text == "bad":
            raise RuntimeError("no such bucket")

    with connected(post_delete, receiver, sender=Note):
        report = run(batch_size=6)

    assert names() == {"g4"}
    assert Note.objects.get().text == "bad"
    assert (report.guests, report.failed) == (8, 1)
    assert report.errors == Counter({"RuntimeError: no such bucket": 1})


def test_many_whom_a_constraint_keeps_are_all_found_and_keep_nobody_else() -> None:
    kept = {user.pk for user in guests(200)[::10]}

    def receiver(instance: Any, **kwargs: Any) -> None:
        if instance.pk in kept:
            raise IntegrityError("still referenced")

    with connected(post_delete, receiver, sender=User):
        report = run(batch_size=200)

    assert (report.guests, report.protected, report.failed) == (180, 20, 0)
    assert set(User.objects.values_list("pk", flat=True)) == kept


def test_a_batch_that_fails_whatever_is_tried_is_given_up_and_the_run_ends() -> None:
    guests(600)

    def receiver(**kwargs: Any) -> None:
        raise RuntimeError

    with connected(post_delete, receiver, sender=User):
        report = run(batch_size=300)

    assert (report.guests, report.failed) == (0, 600)
    assert User.objects.count() == 600


def test_a_receiver_of_djangos_gets_each_row_and_may_delete_its_file(
    tmp_path: Path, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    storage = FileSystemStorage(tmp_path)
    for n in range(3):
        Note.objects.create(owner=guest(f"g{n}"), text=storage.save(f"{n}", ContentFile(b"x")))
    kept = storage.save("kept", ContentFile(b"x"))

    def delete_file(instance: Note, **kwargs: Any) -> None:
        transaction.on_commit(lambda: storage.delete(instance.text))

    with (
        connected(post_delete, delete_file, sender=Note),
        django_capture_on_commit_callbacks(execute=True),
    ):
        run()

    assert [path.name for path in tmp_path.iterdir()] == [kept]


def test_the_adapter_is_asked_before_and_may_delete_files_of_rows_that_go_unread(
    tmp_path: Path,
    settings: Settings,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    settings.ANONAUTH_ADAPTER = "tests.flows.test_purge.ScanAdapter"
    ScanAdapter.storage = storage = FileSystemStorage(tmp_path)
    for user in (guest("gone"), guest("spared"), guest("fresh", days=1)):
        Note.objects.create(owner=user, text=storage.save(user.username, ContentFile(b"x")))
    Receipt.objects.create(owner=User.objects.get(username="spared"))

    with django_capture_on_commit_callbacks(execute=True):
        run()

    assert {path.name for path in tmp_path.iterdir()} == {"spared", "fresh"} == names()


def test_what_the_adapter_gives_away_stays(settings: Settings) -> None:
    settings.ANONAUTH_ADAPTER = "tests.flows.test_purge.GenerousAdapter"
    heir = User.objects.create_user("heir")
    for n in range(4):
        user = guest(f"g{n}")
        Note.objects.create(owner=user, text="good" if n % 2 else "bad")

    run()

    assert names() == {"heir"}
    assert list(Note.objects.values_list("owner", "text")) == [(heir.pk, "good")] * 2


def test_what_the_adapter_gives_away_stays_also_where_rows_were_read_before(
    settings: Settings,
) -> None:
    settings.ANONAUTH_ADAPTER = "tests.flows.test_purge.GenerousAdapter"
    heir = User.objects.create_user("heir")
    Note.objects.create(owner=guest("gone"), text="good")

    def receiver(**kwargs: Any) -> None:
        raise AssertionError("It was given away.")

    with connected(post_delete, receiver, sender=Note):
        assert run().guests == 1
    assert Note.objects.get().owner == heir


def test_credentials_that_are_stored_are_forgotten_first_and_not_of_who_stays(
    settings: Settings,
) -> None:
    settings.ANONAUTH_CREDENTIALS = ["tests.flows.test_purge.StoredCredentials"]
    StoredCredentials.forgotten.clear()
    guest("gone")
    guest("fresh", days=1)
    Receipt.objects.create(owner=guest("spared"))

    run()

    assert StoredCredentials.forgotten == ["gone"]


def test_users_are_not_read_for_kinds_that_store_nothing(
    django_assert_num_queries: Any,
) -> None:
    assert SessionCredentials.forget is Credentials.forget
    with django_assert_num_queries(0):
        SessionCredentials().forget_many(User.objects.all())


def test_a_share_that_a_wrong_clock_might_ask_for_is_refused() -> None:
    for n in range(3):
        guest(f"g{n}")
    User.objects.create_user("ann")

    with pytest.raises(TooManyStale, match="3 of all 4 users"):
        check_share(stale(), max_share=0.5)
    assert check_share(stale(), max_share=0.75) == 3
    User.objects.create_user("bob")
    User.objects.create_user("cem")
    assert check_share(stale(), max_share=0.5) == 3


def test_what_another_run_deletes_meanwhile_is_no_share_of_who_is_left() -> None:
    for n in range(4):
        guest(f"g{n}", days=40 - n)
    User.objects.create_user("ann")
    counts: list[str] = []

    def another_run(execute: Any, sql: str, *arguments: Any) -> Any:
        if "COUNT(" in sql:
            counts.append(sql)
            if len(counts) == 2:
                User.objects.guests().delete()
        return execute(sql, *arguments)

    with connection.execute_wrapper(another_run):
        assert check_share(stale(), max_share=0.9) == 0


def test_a_batch_costs_the_same_number_of_statements_for_one_guest_and_for_many(
    django_assert_max_num_queries: Any,
) -> None:
    counts = []
    for number in (2, 2, 400):  # the first one makes the rows of the tally
        made = guests(number)
        Note.objects.bulk_create(Note(owner=user) for user in made for _ in range(2))
        Receipt.objects.create(owner=made[0])
        with django_assert_max_num_queries(100) as captured:  # there are as many tables
            assert run(batch_size=500).guests == number - 1
        counts.append(len(captured))
        Receipt.objects.all().delete()
        User.objects.all().delete()

    assert counts[1] == counts[2]


@pytest.mark.slow  # makes, and purges, some thousand guests
@pytest.mark.django_db(transaction=True)  # what waits for the commit is part of it
def test_memory_does_not_grow_with_the_number_of_guests() -> None:
    peaks = []
    for number in (1000, 4000):
        guests(number)
        tracemalloc.start()
        assert run(batch_size=250).guests == number
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert peaks[1] < 1.5 * peaks[0] + 200_000, peaks


@pytest.mark.postgres
def test_a_page_is_a_range_of_the_partial_index_and_keys_are_one_parameter() -> None:
    guests(3000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE testapp_user")
    rules = stale()
    page = rules.page(None, 100, lock=False)
    rows = rules.all().filter(rules._after(page[-1])).order_by("last_seen_at", "pk")

    plan = rows.only("pk")[:100].explain()

    assert "user_stale" in plan
    assert "last_seen_at >=" in plan
    rows = rows_of([one.key for one in page], "default")
    sql, parameters = rows.query.get_compiler("default").as_sql()
    assert "= ANY((SELECT %s::uuid[])::uuid[])" in sql
    (array,) = (p for p in parameters if str(p).startswith("{"))
    assert str(array).count(",") == 99


@pytest.fixture
def unknown_table(db: None) -> None:
    """Make a table that Django knows nothing of, with a deferred constraint."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE unknown (owner_id uuid REFERENCES testapp_user DEFERRABLE INITIALLY DEFERRED)"
        )


@pytest.mark.postgres
@pytest.mark.usefixtures("unknown_table")
def test_a_deferred_constraint_keeps_a_guest_also_in_somebody_elses_transaction() -> None:
    # As under ATOMIC_REQUESTS: at its commit it would be too late, and all would be undone.
    kept = guest("kept")
    guest("gone")
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO unknown VALUES (%s)", [kept.pk])

    with pytest.raises(ProtectedData):
        purge_guest(user_id=kept.pk)
    report = run()

    assert (report.guests, report.protected, report.failed) == (1, 1, 0)
    assert names() == {"kept"}
    with connection.cursor() as cursor:  # and that transaction is as it was
        cursor.execute("INSERT INTO unknown VALUES (gen_random_uuid())")
        cursor.execute("DELETE FROM unknown")

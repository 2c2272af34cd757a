"""What has expired is deleted by the purge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.models.signals import pre_delete
from django.utils import timezone

from anonauth.contrib.allauth.models import SeenToken, SocialTicket
from anonauth.deletion import delete_rows
from anonauth.flows.purge import purge
from anonauth.flows.stale import StaleGuests
from anonauth.flows.sweep import SOURCES, Swept, count_expired, sweep
from anonauth.models import PendingUpgrade, SignInKey
from tests.client import Api
from tests.signals import connected

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db
User = get_user_model()


def make_all(*, minutes: int) -> None:
    user = User.objects.create_user(f"u{minutes}")
    then = timezone.now() + timedelta(minutes=minutes)
    name = str(minutes)
    PendingUpgrade.objects.create(
        user=user, method="email", target="a@b.c", code_hash=name, expires_at=then
    )
    SignInKey.objects.create(key_hash=name, user=user, expires_at=then)
    SeenToken.objects.create(token_hash=name, user=user, expires_at=then)
    ticket = {"step": "started", "provider": "dummy", "redirect_uri": "x"}
    SocialTicket.objects.create(user=user, secret_hash=name, expires_at=then, **ticket)
    Session.objects.create(session_key=name, session_data="", expire_date=then)


def test_what_has_expired_goes_and_what_is_good_stays() -> None:
    make_all(minutes=-1)
    make_all(minutes=5)

    expired = count_expired(database="default")
    swept = sweep(database="default")

    assert swept == expired
    assert swept.rows == {
        "anonauth.PendingUpgrade": 1,
        "anonauth.SignInKey": 1,
        "anonauth_allauth.SeenToken": 1,
        "anonauth_allauth.SocialTicket": 1,
        "sessions.Session": 1,
    }
    for model in (PendingUpgrade, SignInKey, SeenToken, SocialTicket):
        assert model.objects.values_list("user__username", flat=True).get() == "u5"
    assert Session.objects.get().session_key == "5"


def test_a_session_that_is_renewed_after_the_list_was_read_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_all(minutes=-1)

    def renewed_before(rows: Any) -> Any:
        if rows.model is Session:
            Session.objects.update(expire_date=timezone.now() + timedelta(days=1))
        return delete_rows(rows)

    monkeypatch.setattr("anonauth.flows.sweep.delete_rows", renewed_before)
    sweep(database="default")

    assert Session.objects.exists()
    assert not SignInKey.objects.exists()


def test_many_expired_rows_go_in_batches() -> None:
    yesterday = timezone.now() - timedelta(days=1)
    Session.objects.bulk_create(
        Session(session_key=str(n), session_data="", expire_date=yesterday) for n in range(25)
    )

    assert sweep(database="default", batch_size=10).rows == {"sessions.Session": 25}


def keys(*names: str) -> None:
    user, _ = User.objects.get_or_create(username="u")
    then = timezone.now() - timedelta(days=1)
    SignInKey.objects.bulk_create(
        SignInKey(key_hash=name, user=user, expires_at=then) for name in names
    )


def test_a_row_that_cannot_be_deleted_stops_neither_the_others_nor_the_other_tables() -> None:
    keys(*"abcdefgh")
    make_all(minutes=-1)

    def receiver(instance: Any, **kwargs: Any) -> None:
        if instance.key_hash in {"b", "g"}:
            raise RuntimeError("no\nsuch bucket")

    with connected(pre_delete, receiver, sender=SignInKey):
        swept = sweep(database="default", batch_size=4)

    assert (swept.failed, swept.protected) == (2, 0)
    assert swept.errors == {"RuntimeError: no such bucket": 2}
    assert swept.rows["anonauth.SignInKey"] == 7
    assert swept.rows["sessions.Session"] == 1
    assert set(SignInKey.objects.values_list("key_hash", flat=True)) == {"b", "g"}


def test_where_all_rows_of_a_batch_fail_it_is_left_after_some_attempts() -> None:
    keys(*(f"{n:03}" for n in range(300)))
    calls = []

    def receiver(**kwargs: Any) -> None:
        calls.append(kwargs)
        raise RuntimeError

    with connected(pre_delete, receiver, sender=SignInKey):
        swept = sweep(database="default", batch_size=200)

    assert swept == Swept(failed=300, errors=Counter({"RuntimeError": 300}))
    assert len(calls) < 2 * 80
    assert SignInKey.objects.count() == 300


def test_a_table_in_which_many_rows_fail_is_left_to_the_next_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("anonauth.flows.sweep.MAX_FAILED", 15)
    keys(*(f"{n:02}" for n in range(100)))

    def receiver(instance: Any, **kwargs: Any) -> None:
        if not instance.key_hash.endswith("0"):
            raise RuntimeError

    with connected(pre_delete, receiver, sender=SignInKey):
        swept = sweep(database="default", batch_size=10)

    assert (swept.failed, swept.rows) == (18, {"anonauth.SignInKey": 2})
    assert SignInKey.objects.count() == 98


@pytest.mark.parametrize("batch_size", [10, 1000])
def test_rows_that_something_refers_to_are_kept_and_are_no_failure(batch_size: int) -> None:
    yesterday = timezone.now() - timedelta(days=1)
    Session.objects.bulk_create(
        Session(session_key=f"{n:03}", session_data="", expire_date=yesterday) for n in range(100)
    )
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE holds (session varchar(40) REFERENCES django_session)")
        cursor.execute(
            "INSERT INTO holds SELECT session_key FROM django_session WHERE session_key < '097'"
        )

    swept = sweep(database="default", batch_size=batch_size)

    assert swept == Swept(rows=Counter({"sessions.Session": 3}), protected=97)
    assert Session.objects.count() == 97


@pytest.mark.parametrize("act", [sweep, count_expired])
@pytest.mark.parametrize("fault", ["source", "table"])
def test_a_table_that_cannot_be_read_is_told_and_the_others_are_swept(
    fault: str, act: Callable[..., Swept], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_all(minutes=-1)

    def broken(database: str) -> Any:
        raise LookupError(f"no table in {database}")

    if fault == "source":
        monkeypatch.setattr("anonauth.flows.sweep.SOURCES", (broken, *SOURCES))
        said = "broken: LookupError: no table in default"
    else:
        connection.check_constraints()  # PostgreSQL drops no table whose rows it has to check
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE anonauth_signinkey")
        said = "anonauth.SignInKey: "
    # In a transaction, as of a task, too: here in that of the test.
    swept = act(database="default")

    assert swept.failed == 1
    assert str(*swept.errors).startswith(said)
    assert swept.rows["sessions.Session"] == 1
    assert User.objects.exists()


#: What makes a database ignore that a session is to be deleted.
IGNORING = {
    "sqlite": [
        "CREATE TRIGGER ignoring BEFORE DELETE ON django_session BEGIN SELECT RAISE(IGNORE); END"
    ],
    "postgresql": [
        """CREATE FUNCTION ignoring() RETURNS trigger LANGUAGE plpgsql
           AS $$ BEGIN RETURN NULL; END $$""",
        """CREATE TRIGGER ignoring BEFORE DELETE ON django_session
           FOR EACH ROW EXECUTE FUNCTION ignoring()""",
    ],
}


def test_a_table_from_which_nothing_goes_is_not_tried_for_ever() -> None:
    yesterday = timezone.now() - timedelta(days=1)
    Session.objects.bulk_create(
        Session(session_key=str(n), session_data="", expire_date=yesterday) for n in range(4)
    )
    with connection.cursor() as cursor:
        for statement in IGNORING[connection.vendor]:
            cursor.execute(statement)

    assert sweep(database="default", batch_size=2) == Swept()
    assert Session.objects.count() == 4


def test_sessions_in_the_cache_are_not_looked_for(settings: Settings) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    make_all(minutes=-1)

    assert "sessions.Session" not in sweep(database="default").rows
    assert Session.objects.count() == 1


def be_absent(api: Api) -> Api:
    """Make a guest with a session who was here 31 days ago."""
    api.sign_in(credentials="session")
    api.get("user/")
    User.objects.update(last_seen_at=timezone.now() - timedelta(days=31))
    return api


def test_a_purged_guests_session_goes_at_once_where_allauth_knows_it(
    settings: Settings, api: Api
) -> None:
    settings.USERSESSIONS_TRACK_ACTIVITY = True
    absent = be_absent(api)
    other = Api()
    other.sign_in(credentials="session")
    kept = other.http.cookies["sessionid"].value

    list(purge(StaleGuests("default", timedelta(days=30))))

    assert Session.objects.get().session_key == kept
    assert absent.get("user/").json()["code"] == "not_authenticated"


def test_a_purged_guests_session_opens_nothing_where_nobody_knows_it(
    settings: Settings, api: Api
) -> None:
    apps: list[Any] = [a for a in settings.INSTALLED_APPS if a != "allauth.usersessions"]
    settings.INSTALLED_APPS = apps
    settings.MIDDLEWARE = [m for m in settings.MIDDLEWARE if "usersessions" not in m]
    absent = be_absent(api)

    list(purge(StaleGuests("default", timedelta(days=30))))

    assert not User.objects.exists()
    assert Session.objects.count() == 1
    assert absent.get("user/").json()["code"] == "not_authenticated"
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert sweep(database="default").rows["sessions.Session"] == 1

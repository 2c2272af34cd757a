"""What has expired is deleted by the purge."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.utils import timezone

from anonauth.contrib.allauth.models import SeenToken, SocialTicket
from anonauth.deletion import delete_rows
from anonauth.flows.purge import purge
from anonauth.flows.stale import StaleGuests
from anonauth.flows.sweep import sweep
from anonauth.models import PendingUpgrade, SignInKey
from tests.client import Api

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

    swept = sweep(database="default")

    assert swept == {
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

    assert sweep(database="default", batch_size=10) == {"sessions.Session": 25}


def test_sessions_in_the_cache_are_not_looked_for(settings: Settings) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    make_all(minutes=-1)

    assert "sessions.Session" not in sweep(database="default")
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
    assert sweep(database="default")["sessions.Session"] == 1

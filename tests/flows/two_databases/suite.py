"""Purging users who are in two databases; run with its own settings by ``tests/flows/test_two_databases.py``."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.utils import timezone

from anonauth.deletion import count_rows, delete_rows
from anonauth.models import DailyTally, PendingUpgrade, SignInKey, Watermark
from tests.testapp.models import Note, Receipt, Tag

pytestmark = pytest.mark.django_db(databases=["default", "second"])
User: Any = get_user_model()
BOTH = ("default", "second")


@pytest.fixture(autouse=True)
def people() -> None:
    """Make the same people in both: three stale guests, of whom two are kept, and four others."""
    now = timezone.now()
    for alias in BOTH:
        users = User.objects.db_manager(alias)
        for name in ("stale", "protected", "trying"):
            seen = now - timedelta(days=31)
            user = users.create_user(name, is_guest=True, guest_since=seen, last_seen_at=seen)
            Note.objects.using(alias).create(owner=user)
            SignInKey.objects.using(alias).create(
                key_hash=name, user=user, expires_at=now - timedelta(days=1)
            )
            if name == "protected":
                Receipt.objects.using(alias).create(owner=user)
            if name == "trying":
                PendingUpgrade.objects.using(alias).create(
                    user=user, method="email", target="a@b.c", code_hash="x", expires_at=now + timedelta(minutes=5)
                )  # fmt: skip
        Tag.objects.using(alias).create(name="t").users.add(users.get(username="stale"))
        for n in range(4):
            users.create_user(f"member-{n}")


def guests(alias: str) -> set[str]:
    return set(User.objects.using(alias).filter(is_guest=True).values_list("username", flat=True))


@pytest.mark.parametrize(("here", "there"), [BOTH, BOTH[::-1]])
def test_a_run_purges_one_database_and_leaves_the_other(
    here: str, there: str, django_capture_on_commit_callbacks: Any
) -> None:
    out = io.StringIO()

    with django_capture_on_commit_callbacks(using=here, execute=True):
        call_command(
            "purge_anonymous", "--database", here, "--json", "--warn-before=1d", stdout=out
        )

    report = json.loads(out.getvalue())
    assert (report["guests"], report["protected"], report["held"], report["failed"]) == (1, 1, 1, 0)
    assert report["swept"]["rows"] == {"anonauth.SignInKey": 3}
    assert guests(here) == {"protected", "trying"}
    assert guests(there) == {"stale", "protected", "trying"}
    assert Note.objects.using(here).count() == 2
    assert Note.objects.using(there).count() == SignInKey.objects.using(there).count() == 3
    assert Watermark.objects.using(here).exists()
    assert not Watermark.objects.using(there).exists()
    assert DailyTally.objects.get(event="purged").count == 1


def test_what_is_counted_in_another_database_waits_for_the_commit(
    django_capture_on_commit_callbacks: Any,
) -> None:
    with django_capture_on_commit_callbacks(using="second", execute=True):
        call_command("purge_anonymous", "--database=second", stdout=io.StringIO())
        assert guests("second") == {"protected", "trying"}
        assert not DailyTally.objects.exists()
    assert DailyTally.objects.get(event="purged").count == 1


def test_rows_are_deleted_where_the_queryset_is() -> None:
    rows = User.objects.using("second").filter(username="stale")
    expected = {
        "testapp.User": 1,
        "testapp.Note": 1,
        "testapp.Tag_users": 1,
        "anonauth.SignInKey": 1,
    }

    assert count_rows(rows) == expected
    assert delete_rows(rows) == expected

    assert guests("default") == {"stale", "protected", "trying"}
    assert guests("second") == {"protected", "trying"}

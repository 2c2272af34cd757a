"""The purge in task queues."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from types import ModuleType
from typing import TYPE_CHECKING, Any

import django
import pytest
from celery import Celery, current_app
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.db.models.signals import post_delete
from django.utils import timezone

from anonauth.flows.purge import TooManyStale
from anonauth.flows.purge_run import run_purge
from anonauth.models import PendingUpgrade
from anonauth.signals import guest_expiring
from tests.docs.pages import blocks, read, section
from tests.signals import connected

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db
User = get_user_model()
with_tasks = pytest.mark.skipif(django.VERSION < (6, 0), reason="django.tasks came with Django 6.0")
SNIPPETS = blocks(section(read("purge"), "Task queues"), "python")


@pytest.fixture(autouse=True)
def people() -> None:
    """Make two guests of whom one is stale, and a permanent user."""
    for name, days in (("stale", 31), ("fresh", 1)):
        seen = timezone.now() - timedelta(days=days)
        User.objects.create_user(name, is_guest=True, guest_since=seen, last_seen_at=seen)
    User.objects.create_user("ann")


def names() -> set[str]:
    return set(User.objects.values_list("username", flat=True))


@with_tasks
def test_the_documented_task_runs_at_once_and_its_result_is_the_report(settings: Settings) -> None:
    backend = "django.tasks.backends.immediate.ImmediateBackend"
    settings.TASKS = {"default": {"BACKEND": backend}}
    module: dict[str, Any] = {}

    exec(SNIPPETS[0], module)

    assert names() == {"fresh", "ann"}
    result = module["purge"].enqueue(older_than=3600, max_share=0.6, warn_before=60)
    assert result.return_value["guests"] == 1
    assert result.return_value["rows"] == {"testapp.User": 1}
    assert names() == {"ann"}


@with_tasks
def test_a_worker_finds_the_task_by_its_path() -> None:
    from django.utils.module_loading import import_string

    from anonauth.tasks import purge

    assert import_string(purge.module_path) is purge


@pytest.mark.skipif(django.VERSION >= (6, 0), reason="there are tasks")
def test_without_django_tasks_the_import_says_what_to_do_and_celerys_search_for_tasks_goes_on() -> (
    None
):
    import anonauth.tasks

    assert isinstance(anonauth.tasks, ModuleType)
    with pytest.raises(ImproperlyConfigured, match=r"run_purge\(\)"):
        from anonauth.tasks import purge  # noqa: F401


@pytest.fixture
def celery() -> Iterator[Celery]:
    before = current_app._get_current_object()
    app = Celery("shop", broker="memory://", backend="cache+memory://", set_as_current=True)
    app.conf.update(task_always_eager=True, task_eager_propagates=True)
    yield app
    app.close()
    before.set_current()


def test_the_documented_celery_task_purges(celery: Celery) -> None:
    module: dict[str, Any] = {"__name__": "snippets.tasks"}
    exec(SNIPPETS[1], module)
    settings_of_beat: dict[str, Any] = {}
    exec(SNIPPETS[2], settings_of_beat)
    (entry,) = settings_of_beat["CELERY_BEAT_SCHEDULE"].values()

    celery.tasks[entry["task"]].delay()

    assert module["purge_guests"].name == entry["task"]
    assert names() == {"fresh", "ann"}


def test_the_function_takes_the_options_of_the_command_and_sweeps_as_it_does(
    settings: Settings, caplog: pytest.LogCaptureFixture, django_capture_on_commit_callbacks: Any
) -> None:
    now = timezone.now()
    User.objects.filter(username="fresh").update(last_seen_at=now - timedelta(days=29))
    PendingUpgrade.objects.create(
        user=User.objects.get(username="ann"), method="email", target="a@b.c", code_hash="x",
        expires_at=now - timedelta(days=1),
    )  # fmt: skip
    old = now - timedelta(days=99)
    User.objects.create_user("here", is_guest=True, guest_since=old, last_seen_at=now)
    User.objects.create_user("older", is_guest=True, guest_since=old, last_seen_at=old)
    told = []

    def receiver(user: Any, **kwargs: Any) -> None:
        told.append(user.username)

    with connected(guest_expiring, receiver), django_capture_on_commit_callbacks(execute=True):
        assert run_purge(limit=1, warn_before=timedelta(days=3)).guests == 1

    assert told == ["fresh"]
    assert not PendingUpgrade.objects.exists()
    assert names() == {"stale", "fresh", "here", "ann"}
    settings.ANONAUTH_LAST_SEEN_INTERVAL = timedelta(hours=3)
    User.objects.filter(username="here").update(last_seen_at=now - timedelta(hours=2))
    run_purge(by="created")
    assert names() == {"fresh", "here", "ann"}
    settings.ANONAUTH_LAST_SEEN_INTERVAL = timedelta(hours=1)
    run_purge(by="created")
    assert names() == {"fresh", "ann"}
    assert not caplog.records


def test_who_could_not_be_purged_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def receiver(**kwargs: Any) -> None:
        raise RuntimeError("no such bucket")

    PendingUpgrade.objects.create(
        user=User.objects.get(username="ann"), method="email", target="x", expires_at=timezone.now()
    )
    with (
        connected(post_delete, receiver, sender=User),
        connected(post_delete, receiver, sender=PendingUpgrade),
    ):
        report = run_purge()
    assert report.failed == report.swept.failed == 1
    for what in ("Guests", "Expired rows"):
        assert (
            f"{what} that could not be purged: 1, by {{'RuntimeError: no such bucket': 1}}"
            in caplog.text
        )


def test_a_warning_that_goes_by_no_visit_is_refused_before_anything_is_done() -> None:
    ahead = timedelta(days=1)
    with pytest.raises(ValueError, match="last visit"):
        run_purge(by="created", warn_before=ahead)
    with pytest.raises(ValueError, match="no longer than"):
        run_purge(warn_before=timedelta(days=30))
    assert len(names()) == 3


def test_a_task_is_refused_a_share_that_a_wrong_clock_might_ask_for() -> None:
    with pytest.raises(TooManyStale):
        run_purge(older_than=timedelta(seconds=1), max_share=0.5)
    assert len(names()) == 3

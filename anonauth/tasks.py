"""The purge as a task of ``django.tasks`` (Django 6.0)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from anonauth.flows.purge import BATCH_SIZE, MAX_SHARE
from anonauth.flows.purge_run import run_purge
from anonauth.flows.stale import By

try:
    from django.tasks import task
except ImportError:  # Django 5.2
    HAS_TASKS = False
else:
    HAS_TASKS = True

if HAS_TASKS:

    @task
    def purge(
        *,
        older_than: float | None = None,
        by: By = "seen",
        batch_size: int = BATCH_SIZE,
        limit: int | None = None,
        max_share: float = MAX_SHARE,
        warn_before: float | None = None,
        database: str | None = None,
    ) -> dict[str, Any]:
        """Do what ``purge_anonymous`` does, and return its report; lengths of time are in seconds.

        Raises:
            TooManyStale: more than ``max_share`` of all users would go; nothing was deleted.
        """
        report = run_purge(
            older_than=None if older_than is None else timedelta(seconds=older_than),
            warn_before=None if warn_before is None else timedelta(seconds=warn_before),
            by=by,
            batch_size=batch_size,
            limit=limit,
            max_share=max_share,
            database=database,
        )
        return report.as_dict()


def __getattr__(name: str) -> Any:
    # Not at the import: Celery's workers import each app's ``tasks``, and would not start.
    if name == "purge":
        raise ImproperlyConfigured(
            "anonauth.tasks.purge needs django.tasks, which came with Django 6.0. On older versions call "
            "anonauth.flows.purge_run.run_purge() from a task of your own; docs/purge.md shows one for Celery."
        )
    raise AttributeError(name)

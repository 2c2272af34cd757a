"""A whole run of the purge: look before, announce, sweep, delete; what cron and task queues call."""

from __future__ import annotations

import logging
from datetime import timedelta

from anonauth.conf import get_settings
from anonauth.flows.expiring import warn_expiring
from anonauth.flows.purge import BATCH_SIZE, MAX_SHARE, PurgeReport, check_share, purge
from anonauth.flows.stale import By, StaleGuests
from anonauth.flows.sweep import sweep
from anonauth.models import user_database

logger = logging.getLogger("anonauth")


def run_purge(
    *,
    older_than: timedelta | None = None,
    by: By = "seen",
    batch_size: int = BATCH_SIZE,
    limit: int | None = None,
    max_share: float = MAX_SHARE,
    warn_before: timedelta | None = None,
    database: str | None = None,
) -> PurgeReport:
    """Do what ``manage.py purge_anonymous`` does without options, and return the report.

    Args:
        older_than: for how long a guest is kept; default: ANONAUTH_PURGE_AFTER.
        by: since the last visit, or since he was made.
        batch_size: guests in one transaction.
        limit: the most guests deleted.
        max_share: the most of all users that may go.
        warn_before: announce guests who will be stale within this time.
        database: the alias of the users; default: where they are written.

    Raises:
        TooManyStale: more than ``max_share`` of all users would go; nothing was deleted.
        ValueError: ``warn_before`` is not shorter than guests are kept, or does not go with ``by``.
        django.db.Error: the database does not answer.
    """
    stale = stale_guests(older_than=older_than, by=by, database=database)
    if warn_before is not None and by == "created":
        raise ValueError("warn_before goes by the last visit; it does not go with by='created'.")
    check_share(stale, max_share=max_share)
    if warn_before is not None:
        warn_expiring(database=stale.database, older_than=stale.older_than, ahead=warn_before)
    swept = sweep(database=stale.database, batch_size=batch_size)
    report = sum(purge(stale, batch_size=batch_size, limit=limit), PurgeReport(swept=swept))
    for what, done in (("Guests", report), ("Expired rows", swept)):
        if done.failed:
            logger.error(
                "%s that could not be purged: %s, by %s", what, done.failed, dict(done.errors)
            )
    return report


def stale_guests(*, older_than: timedelta | None, by: By, database: str | None) -> StaleGuests:
    """Return the guests whom a run that begins now may delete."""
    conf = get_settings()
    return StaleGuests(
        database or user_database(),
        older_than or conf.purge_after,
        by=by,
        visit_interval=conf.last_seen_interval,
    )

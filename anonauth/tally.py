"""Counting what the users' rows can no longer tell once they are gone, or are guests no more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime

from anonauth.models import DailyTally, day_of

#: The event under which a day's guests are counted who are none any more, so that "created" stays right; the label says
#: how they left: ``"upgraded"``, ``"merged"`` or ``"purged"``.
DEPARTED = "departed"
UPGRADED = "upgraded"
MERGED = "merged"
PURGED = "purged"
#: Refusals, by their code.
REFUSED = "refused"


def count_departed(event: str, since: Iterable[date | None]) -> None:
    """Count guests who are deleted now, and for the day on which each was made that he is gone.

    Args:
        event: ``"purged"`` or ``"merged"``; also the label of the days' counts.
        since: the day of ``guest_since`` of each; one statement for each distinct one.
    """
    days = Counter(since)
    if not days:
        return
    DailyTally.objects.add(event, number=days.total())
    del days[None]  # a Counter has no KeyError
    # In the order of the days: two workers that count the same ones wait for each other, and not in a circle.
    for day, number in sorted(days.items()):
        DailyTally.objects.add(DEPARTED, event, number=number, day=day)


def count_upgraded(method: str, *, at: datetime, since: datetime | None) -> None:
    """Count an upgrade by its method, and for the day on which the guest was made that he is none any more.

    What becomes of the account later, e.g. that its owner deletes it, changes no number of the past then.
    """
    DailyTally.objects.add(UPGRADED, method, day=day_of(at))
    if since is not None:
        DailyTally.objects.add(DEPARTED, UPGRADED, day=day_of(since))

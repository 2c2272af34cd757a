"""What is refused is logged and counted, and costs a flood nothing but memory for a few numbers.

The counts for the statistics are gathered in the process and written once in a while, after a request was answered.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from datetime import date
from threading import Lock
from typing import Any

from django.db import Error, connections, router
from django.http import HttpRequest
from django.utils import timezone

from anonauth import audit
from anonauth.models import DailyTally, day_of
from anonauth.tally import REFUSED

logger = logging.getLogger("anonauth")

#: Seconds between two writes of a process; what it has not written when it ends is lost.
INTERVAL = 60
LENGTH = 40  # of the column


class _Buffer:
    """The counts that this process has not written yet."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.counts: Counter[tuple[date, str]] = Counter()
        self.due = 0.0

    def add(self, code: str, number: int = 1, *, day: date | None = None) -> None:
        key = (day or day_of(timezone.now()), code[:LENGTH])
        with self.lock:
            if not self.counts:
                self.due = time.monotonic() + INTERVAL
            if key not in self.counts and len(self.counts) >= audit.CODES:
                key = (key[0], audit.OTHERS)
            self.counts[key] += number

    def take(self) -> Counter[tuple[date, str]]:
        with self.lock:
            taken, self.counts = self.counts, Counter()
        return taken


_buffer = _Buffer()


def refuse(code: str, request: HttpRequest) -> None:
    """Log a refusal (sampled) and count it; no query, no cache."""
    match = getattr(request, "resolver_match", None)
    audit.refused(code, route=match.route if match else "")
    _buffer.add(code)


def on_request_finished(**_kwargs: Any) -> None:
    """Write what is due, when the answer is out already."""
    audit.summarize(time.monotonic())
    if not _buffer.counts or time.monotonic() < _buffer.due:
        return
    connection = connections[router.db_for_write(DailyTally)]
    # A test of the project runs in one transaction; it counts its queries and expects none of ours.
    if not connection.in_atomic_block:
        flush()
        connection.close_if_unusable_or_obsolete()


def flush() -> None:
    """Add the counts of this process to the tallies: one UPDATE for each code."""
    taken = _buffer.take()
    while taken:
        (day, code), number = taken.popitem()
        try:
            DailyTally.objects.add(REFUSED, code, number=number, day=day)
        except Error as error:
            # What refused may be this very database. The numbers wait for the next time.
            logger.error("Refusals could not be counted: %s", type(error).__name__)
            for (day_, code_), number_ in [((day, code), number), *taken.items()]:
                _buffer.add(code_, number_, day=day_)
            return

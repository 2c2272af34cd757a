"""Real threads, each with a database connection of its own, released at the same moment."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from django.db import connections

T = TypeVar("T")


def together(*acts: Callable[[], T]) -> list[T]:
    """Run all acts at once and return what they returned, in their order; the first error is raised."""
    barrier = Barrier(len(acts), timeout=30)

    def run(act: Callable[[], T]) -> T:
        try:
            barrier.wait()
            return act()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))

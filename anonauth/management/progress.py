"""How far a long command has come: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

WIDTH = 24
LINE_INTERVAL = 30.0  # seconds


class Progress:
    """Counts things that are done, out of about so many; in no colour, as a command's stderr has that of errors.

    Args:
        out: where to write, e.g. ``self.stderr`` of a command.
        total: how many there are at the most.
        noun: what they are called.
        clock: seconds that only go forward.
    """

    def __init__(
        self, out: Any, total: int, noun: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._out, self._total, self._noun, self._clock = out, total, noun, clock
        self._start = self._shown_at = clock()
        self._bar = bool(out.isatty())

    def show(self, done: int) -> None:
        """Draw the bar, or print a line if the last one is long ago."""
        now = self._clock()
        rate = done / max(now - self._start, 0.001)
        left = max(0, self._total - done)
        text = f"{done:,} of {self._total:,} {self._noun}, {rate:,.0f}/s, {_clock(left / rate if rate else 0)} left"
        if self._bar:
            part = min(1.0, done / self._total) if self._total else 1.0
            full = round(part * WIDTH)
            self._out.write(f"\r\x1b[2K[{'#' * full}{'.' * (WIDTH - full)}] {text}", str, ending="")
            self._out.flush()
        elif now - self._shown_at >= LINE_INTERVAL:
            self._shown_at = now
            self._out.write(text, str)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar:
            self._out.write("\r\x1b[2K", str, ending="")
            self._out.flush()


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"

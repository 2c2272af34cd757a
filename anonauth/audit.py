"""One structured record per event and per refusal, on the logger ``anonauth.audit``; no personal data beyond ids.

The facts of a record are its attribute ``anonauth``, a dict with at least ``event``. Of refusals, which cost an
attacker nothing, each process logs the first ones of a minute for each code, and then how many it left out.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from threading import Lock
from typing import Any

logger = logging.getLogger("anonauth.audit")

#: So many refusals are logged for each code in each window; the rest of them only as a number.
LOGGED = 10
WINDOW = 60  # seconds
#: So many codes are told apart. A project's own errors have codes, too, and may have any number of them.
CODES = 100
OTHERS = "other"


@dataclass(slots=True)
class _Window:
    ends: float
    seen: int = 0


_windows: dict[str, _Window] = {}
_lock = Lock()


def is_kept() -> bool:
    """Return whether somebody keeps the records; a batch of thousands looks once."""
    return logger.isEnabledFor(logging.INFO)


def record(event: str, **facts: Any) -> None:
    """Log something that happened to a user, e.g. ``record("guest_created", user_id="42")``."""
    if is_kept():
        logger.info("%s %s", event, facts, extra={"anonauth": {"event": event, **facts}})


def refused(code: str, *, route: str) -> None:
    """Log a refusal under its stable code, unless there were too many of them in this minute.

    Args:
        code: one of the codes that the documentation lists, or the project's.
        route: the pattern of the URL; what a path holds beyond it may be somebody's name or a secret.
    """
    if not is_kept():
        return
    now = time.monotonic()
    summarize(now)
    with _lock:
        counted = code if code in _windows or len(_windows) < CODES else OTHERS
        window = _windows.setdefault(counted, _Window(ends=now + WINDOW))
        window.seen += 1
        # SECURITY: a flood of refusals must not fill the disk, or bury the record of something else.
        if window.seen > LOGGED:
            return
    record("refused", code=code, route=route)


def summarize(now: float) -> None:
    """Log, for windows that are over, how many refusals were left out: one record for each code."""
    with _lock:
        over = [code for code, window in _windows.items() if window.ends <= now]
        ended = {code: _windows.pop(code) for code in over}
    for code, window in ended.items():
        if window.seen > LOGGED:
            suppressed = window.seen - LOGGED
            record("refusals_suppressed", code=code, suppressed=suppressed, seconds=WINDOW)

"""One structured record per event and per refusal, on the logger ``anonauth.audit``; no personal data beyond ids.

The facts of a record are its attribute ``anonauth``, a dict with at least ``event``.
"""

from __future__ import annotations

import logging
from typing import Any

logger = logging.getLogger("anonauth.audit")


def record(event: str, **facts: Any) -> None:
    """Log something that happened to a user, e.g. ``record("guest_created", user_id="42")``."""
    if logger.isEnabledFor(logging.INFO):
        logger.info("%s %s", event, facts, extra={"anonauth": {"event": event, **facts}})


def refused(code: str, *, path: str) -> None:
    """Log a refusal under its stable code."""
    if logger.isEnabledFor(logging.INFO):
        facts = {"event": "refused", "code": code, "path": path}
        logger.info("refused %s at %s", code, path, extra={"anonauth": facts})

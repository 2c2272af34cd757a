"""The syntax of rate limits: ``30/h``, ``5/10m``, ``100/d``."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PERIODS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = 366 * 86400  # caches refuse absurd lifetimes at run time; better here, in a check
_RATE = re.compile(r"([0-9]{1,9})/([0-9]{0,9})([smhd])")


@dataclass(frozen=True, slots=True)
class Rate:
    """At most ``limit`` attempts in each window of ``seconds``."""

    limit: int
    seconds: int


def parse_rate(rate: object) -> Rate:
    """Return the meaning of ``<count>/<n><s|m|h|d>``; ``n`` may be left out and is then 1.

    Raises ValueError with a sentence for the operator.
    """
    match = _RATE.fullmatch(rate) if isinstance(rate, str) else None
    if match is None:
        raise ValueError(f"{rate!r} is not a rate; write '30/h', '5/10m' or '100/d'.")
    limit = int(match[1])
    seconds = int(match[2] or 1) * _PERIODS[match[3]]
    if limit < 1:
        raise ValueError(f"{rate!r} lets nobody in; set ANONAUTH_ENABLED = False for that.")
    if not 1 <= seconds <= _LONGEST:
        raise ValueError(f"{rate!r}: the window must be between 1s and 366d.")
    return Rate(limit=limit, seconds=seconds)

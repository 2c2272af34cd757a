"""What the probe saw of one person at one view, and what that says about the view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

VISITOR, GUEST, PERMANENT, SUPERUSER = "visitor", "guest", "permanent", "superuser"

#: In the order of what they may do. The permanent user has no rights beyond being one.
PEOPLE = (VISITOR, GUEST, PERMANENT, SUPERUSER)


class Verdict(StrEnum):
    """The least of all people who reached a view in the probe."""

    VISITOR = "visitor"
    GUEST = "guest"
    PERMANENT = "permanent"
    CLOSED = "closed"
    UNKNOWN = "unknown"


class Seen(StrEnum):
    """How a request of one person ended."""

    REACHED = "reached"
    REFUSED = "refused"
    NO_METHOD = "no method"
    ERROR = "error"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the request of one person ended, and how one can tell."""

    seen: Seen
    reason: str = ""


def judge(outcomes: Mapping[str, Outcome]) -> tuple[Verdict, str] | None:
    """Return the verdict on one view and method with its reason; None if the view does not answer the method.

    In doubt the verdict is ``unknown``: a guard that could not be run for the guest says nothing about guests.
    """
    reached = [who for who in PEOPLE if outcomes[who].seen is Seen.REACHED]
    if not reached:
        return _nobody(outcomes)
    first = reached[0]
    if first == VISITOR:
        return Verdict.VISITOR, "no guard stopped a visitor"
    before = PEOPLE[PEOPLE.index(first) - 1]
    why = f"{before}: {outcomes[before].reason}"
    if first == GUEST:
        return Verdict.GUEST, why
    # SECURITY: "permanent" and "closed" tell a reader to look no further, so each needs a refusal that was seen.
    for who in PEOPLE[1 : PEOPLE.index(first)]:
        if outcomes[who].seen is not Seen.REFUSED:
            return Verdict.UNKNOWN, f"{who}: {outcomes[who].reason}"
    return (Verdict.PERMANENT if first == PERMANENT else Verdict.CLOSED), why


def _nobody(outcomes: Mapping[str, Outcome]) -> tuple[Verdict, str] | None:
    seen = [outcomes[who].seen for who in PEOPLE]
    if Seen.NO_METHOD in seen:
        return None
    for who in reversed(PEOPLE):
        if outcomes[who].seen is not Seen.REFUSED:
            return Verdict.UNKNOWN, f"{who}: {outcomes[who].reason}"
    return Verdict.UNKNOWN, f"not even a superuser got in: {outcomes[SUPERUSER].reason}"

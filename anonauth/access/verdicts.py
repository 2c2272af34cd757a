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
    ANSWERED = "answered by a guard"
    NO_METHOD = "no method"
    ERROR = "error"
    UNCLEAR = "unclear"


#: A guard decided, and not for the view: it refused, or it answered in the view's place.
TURNED_AWAY = frozenset({Seen.REFUSED, Seen.ANSWERED, Seen.NO_METHOD})


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the request of one person ended, and how one can tell."""

    seen: Seen
    reason: str = ""


def judge(outcomes: Mapping[str, Outcome]) -> tuple[Verdict, str] | None:
    """Return the verdict on one view and method with its reason; None if the view does not answer the method.

    Args:
        outcomes: by person; of those after the first who reached the view none is needed.

    In doubt the verdict is ``unknown``: a guard that could not be run for the guest says nothing about guests.
    """
    seen = {who: outcome.seen for who, outcome in outcomes.items()}
    first = next((who for who in PEOPLE if seen.get(who) is Seen.REACHED), None)
    if first is None:
        return _nobody(outcomes)
    if first == VISITOR:
        return Verdict.VISITOR, "no guard stopped a visitor"
    why = _words(outcomes, PEOPLE[PEOPLE.index(first) - 1])
    if first == GUEST:
        return Verdict.GUEST, why
    # SECURITY: "permanent" and "closed" tell a reader to look no further, so each needs a refusal that was seen.
    for who in PEOPLE[1 : PEOPLE.index(first)]:
        if seen[who] not in TURNED_AWAY:
            return Verdict.UNKNOWN, _words(outcomes, who)
    return (Verdict.PERMANENT if first == PERMANENT else Verdict.CLOSED), why


def _nobody(outcomes: Mapping[str, Outcome]) -> tuple[Verdict, str] | None:
    seen = {who: outcome.seen for who, outcome in outcomes.items()}
    if Seen.NO_METHOD in seen.values():
        return None
    further = [who for who in PEOPLE if seen[who] is not Seen.REFUSED]
    if not further:
        return Verdict.UNKNOWN, f"not even a superuser got in: {outcomes[SUPERUSER].reason}"
    # Who has all rights went on from where the others were sent away: to an object that is not there, for instance.
    if further == [SUPERUSER]:
        return Verdict.CLOSED, f"{_words(outcomes, PERMANENT)}, {_words(outcomes, SUPERUSER)}"
    return Verdict.UNKNOWN, ", ".join(_words(outcomes, who) for who in _told_apart(outcomes))


def _told_apart(outcomes: Mapping[str, Outcome]) -> list[str]:
    """Return the last who was refused, if somebody was, and the first who was not."""
    refused = [who for who in PEOPLE if outcomes[who].seen is Seen.REFUSED]
    others = [who for who in PEOPLE if who not in refused]
    return [*refused[-1:], *others[:1]]


def _words(outcomes: Mapping[str, Outcome], who: str) -> str:
    return f"{who}: {outcomes[who].reason}"

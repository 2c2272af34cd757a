"""What the outcomes of four people say about a view."""

from __future__ import annotations

import pytest

from anonauth.access.verdicts import PEOPLE, Outcome, Seen, judge

R, X, A, N, E, U = (
    Outcome(Seen.REACHED),
    Outcome(Seen.REFUSED, "403"),
    Outcome(Seen.ANSWERED, "answered 200 before the view"),
    Outcome(Seen.NO_METHOD, "405"),
    Outcome(Seen.ERROR, "ValueError"),
    Outcome(Seen.UNCLEAR, "a 404 before the view"),
)


def verdict(*outcomes: Outcome) -> str | None:
    found = judge(dict(zip(PEOPLE, outcomes, strict=False)))
    return None if found is None else str(found[0])


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ((R,), "visitor"),
        ((X, R), "guest"),
        ((U, R), "guest"),
        ((E, R), "guest"),
        ((X, X, R), "permanent"),
        ((X, A, R), "permanent"),
        ((X, X, X, R), "closed"),
        ((X, A, A, R), "closed"),
        ((X, X, N, R), "closed"),
        ((N, N, N, N), None),
        ((X, N, N, N), None),
        ((X, X, X, X), "unknown"),
    ],
)
def test_the_least_who_reached_it_gives_the_verdict(
    outcomes: tuple[Outcome, ...], expected: str | None
) -> None:
    assert verdict(*outcomes) == expected


@pytest.mark.parametrize("doubt", [U, E])
def test_what_is_not_a_refusal_never_counts_as_one(doubt: Outcome) -> None:
    assert verdict(X, doubt, R) == "unknown"
    assert verdict(X, doubt, X, R) == "unknown"
    assert verdict(X, X, doubt, R) == "unknown"
    assert verdict(X, doubt, doubt, doubt) == "unknown"
    assert verdict(X, X, doubt, doubt) == "unknown"


def test_who_has_all_rights_got_past_what_stopped_the_others() -> None:
    assert verdict(X, X, X, U) == "closed"
    assert verdict(X, X, X, A) == "closed"


def test_the_reason_of_an_unknown_says_between_whom_the_line_runs() -> None:
    found = judge(dict(zip(PEOPLE, (X, U, U, U), strict=True)))
    assert found is not None
    assert found[1] == "visitor: 403, guest: a 404 before the view"

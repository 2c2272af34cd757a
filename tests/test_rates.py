from __future__ import annotations

from typing import Any

import pytest

from anonauth.rates import Rate, parse_rate


@pytest.mark.parametrize(
    ("text", "limit", "seconds"),
    [
        ("30/h", 30, 3600),
        ("5/10m", 5, 600),
        ("100/d", 100, 86400),
        ("1/s", 1, 1),
        ("1000/30d", 1000, 30 * 86400),
    ],
)
def test_a_rate_is_a_count_and_a_window(text: str, limit: int, seconds: int) -> None:
    assert parse_rate(text) == Rate(limit=limit, seconds=seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "30",
        "30/",
        "/h",
        "30/hour",
        "30/10",
        "30/H",
        " 30/h",
        "30/h ",
        "30/h\n",
        "-1/h",
        "1.5/h",
        "٣/h",
        "0/h",
        "1/0h",
        "1/367d",
        "1/999999999d",
        "path.to.function",
        None,
        30,
        (30, 3600),
    ],
)
def test_anything_else_is_refused_with_a_sentence(text: Any) -> None:
    with pytest.raises(ValueError, match=r"[.;]"):
        parse_rate(text)

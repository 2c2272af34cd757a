"""Charts as plain shapes: what a template has to draw, with every coordinate a string that no locale changes.

The shapes are stretched to the width of the page; whatever is text stands beside them, in HTML.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from django.utils.formats import date_format

HEIGHT = 100
STEP = 10
GAP = 1


@dataclass(frozen=True, slots=True)
class Segment:
    """One piece of a bar."""

    css: str
    y: str
    height: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One day: a place to point at, and pieces."""

    x: str
    inner_x: str
    title: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """One line of the legend, and its number for each day."""

    name: str
    css: str
    numbers: Sequence[int]

    @property
    def total(self) -> int:
        """The sum over all days."""
        return sum(self.numbers)


@dataclass(frozen=True, slots=True)
class Chart:
    """What the template draws."""

    title: str
    series: tuple[Series, ...]
    bars: tuple[Bar, ...]
    line: str
    area: str
    width_text: str
    ticks: tuple[int, ...]
    first: str
    middle: str
    last: str
    note: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(number for series in self.series for number in series.numbers)

    @property
    def has_legend(self) -> bool:
        """Whether colors have to be told apart."""
        return len(self.series) > 1


def chart(
    title: str,
    days: Sequence[date],
    series: Mapping[str, tuple[str, Sequence[int]]],
    *,
    line: bool = False,
    note: str = "",
) -> Chart:
    """Return a chart of stacked bars, or of one line.

    Args:
        title: what is shown.
        days: from left to right.
        series: name -> CSS class and a number for each day; from the bottom upwards.
        line: draw the only series as a line over an area.
        note: what a reader has to know.
    """
    lines = tuple(Series(name, css, numbers) for name, (css, numbers) in series.items())
    sums = [sum(each.numbers[place] for each in lines) for place in range(len(days))]
    top = nice_top(max(sums, default=0))
    points = [f"{place * STEP + STEP / 2:g},{_y(number, top)}" for place, number in enumerate(sums)]
    width = len(days) * STEP
    return Chart(
        title=title,
        series=lines,
        bars=tuple(_bar(place, day, lines, top, flat=line) for place, day in enumerate(days)),
        line=" ".join(points) if line else "",
        area=" ".join([f"{STEP / 2:g},{HEIGHT}", *points, f"{width - STEP / 2:g},{HEIGHT}"])
        if line
        else "",
        width_text=str(width),
        ticks=(top, top // 2, 0) if top % 2 == 0 else (top, 0),
        first=_short(days[0]),
        middle=_short(days[len(days) // 2]),
        last=_short(days[-1]),
        note=note,
    )


def nice_top(number: int) -> int:
    """Return the least of 1, 2, 4, 6, 10, 20, 40, 60, 100, … that is not below a number."""
    if number <= 1:
        return 1
    if number == 2:
        return 2
    power: int = 10 ** int(math.log10(number))
    return next(
        step for step in (power, 2 * power, 4 * power, 6 * power, 10 * power) if step >= number
    )


def share(number: float, most: float) -> str:
    """Return the length of a bar that lies, in a hundred."""
    return f"{100 * number / most:.2f}" if most else "0"


def _bar(place: int, day: date, lines: Sequence[Series], top: int, *, flat: bool) -> Bar:
    segments: list[Segment] = []
    below = 0
    for series in lines:
        number = series.numbers[place]
        if number and not flat:
            height = HEIGHT * number / top
            y = HEIGHT - HEIGHT * below / top - height
            segments.append(Segment(series.css, f"{y:.2f}", f"{height:.2f}"))
        below += number
    said = ", ".join(f"{series.name} {series.numbers[place]}" for series in lines)
    return Bar(
        x=str(place * STEP),
        inner_x=str(place * STEP + GAP),
        title=f"{date_format(day)}: {said}",
        segments=tuple(segments),
    )


def _y(number: int, top: int) -> str:
    return f"{HEIGHT - HEIGHT * number / top:.2f}"


def _short(day: date) -> str:
    return date_format(day, "MONTH_DAY_FORMAT")

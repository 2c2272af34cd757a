"""What guests are meant to reach: one line an entry, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol


class Matched(Protocol):
    """What an entry looks at."""

    @property
    def url(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def view(self) -> str: ...
    @property
    def method(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Allowed:
    """An entry: methods (none: all), a pattern for URL, URL name or view, and why."""

    methods: frozenset[str]
    pattern: str
    reason: str

    def matches(self, finding: Matched) -> bool:
        """Tell whether the entry speaks of this finding."""
        if self.methods and finding.method not in self.methods:
            return False
        names = (finding.url, finding.name, finding.view)
        return any(fnmatchcase(name, self.pattern) for name in names if name)


def parse_allowed(line: str) -> Allowed:
    """Read an entry such as ``"POST,PATCH shop:cart-*  # guests fill carts"``.

    Raises:
        ValueError: there is no reason, or no pattern.
    """
    entry, _, reason = line.partition("#")
    words = entry.split()
    if not reason.strip():
        raise ValueError(f"{line.strip()!r} lacks a reason: PATTERN  # REASON")
    if not 1 <= len(words) <= 2:
        raise ValueError(f"{line.strip()!r} is no entry: [METHOD,…] PATTERN  # REASON")
    methods = words[0].upper().split(",") if len(words) == 2 else []
    return Allowed(frozenset(methods), words[-1], reason.strip())


def read_allowed(text: str) -> list[Allowed]:
    """Read a file of entries; empty lines and lines that are comments alone are skipped.

    Raises:
        ValueError: a line is no entry.
    """
    lines = [
        line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    return [parse_allowed(line) for line in lines]

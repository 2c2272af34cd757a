"""Findings as a table for people, JSON for programs, Markdown for documentation."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from anonauth.access.report import Finding
from anonauth.access.verdicts import Verdict

HEADER = ("URL", "methods", "reached by", "how one can tell")
TABLE_HEADER = ("table", "command", "visitor", "guest", "permanent", "how one can tell")
TABLE_KEYS = ("table", "command", "visitor", "guest", "permanent", "reason")


def as_json(findings: Sequence[Finding], tables: Sequence[dict[str, Any]] | None = None) -> str:
    """Return one object for each URL and method, and for each table and command."""
    body: dict[str, Any] = {"views": [_entry(f) for f in findings]}
    if tables is not None:
        body["tables"] = [{key: row[key] for key in TABLE_KEYS} for row in tables]
    return json.dumps(body, indent=2)


def _entry(finding: Finding) -> dict[str, Any]:
    return {
        "url": finding.url,
        "name": finding.name,
        "view": finding.view,
        "method": finding.method,
        "verdict": str(finding.verdict),
        "reason": finding.reason,
        "body_looks_at": list(finding.body),
        "allowed": finding.allowed,
        "outcomes": finding.outcomes,
    }


def as_table(findings: Sequence[Finding]) -> str:
    """Return aligned columns, one line for the methods of a URL that are judged alike."""
    return _aligned([HEADER, *rows(findings)])


def as_markdown(findings: Sequence[Finding]) -> str:
    """Return the same as a Markdown table."""
    return _markdown(HEADER, rows(findings, code=True))


def tables_as_table(tables: Sequence[dict[str, Any]]) -> str:
    """Return what the database lets people do, in aligned columns."""
    return _aligned([TABLE_HEADER, *_table_rows(tables)])


def tables_as_markdown(tables: Sequence[dict[str, Any]]) -> str:
    """Return the same as a Markdown table."""
    return _markdown(TABLE_HEADER, _table_rows(tables))


def _table_rows(tables: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    return [tuple(str(row[key]) for key in TABLE_KEYS) for row in tables]


def summary(findings: Sequence[Finding]) -> str:
    """Return one line of counts, with what is left to decide."""
    counts = Counter(f.verdict for f in findings)
    parts = [f"{counts[verdict]} {verdict}" for verdict in Verdict]
    open_questions = sum(f.is_open_question for f in findings)
    return (
        f"{len(findings)} pairs of URL and method: {', '.join(parts)}. Reached in the probe by guests, "
        f"and not by visitors, without a decision: {open_questions}."
    )


def rows(findings: Sequence[Finding], *, code: bool = False) -> list[tuple[str, ...]]:
    """Return the cells of the table; methods that are judged alike stand together."""
    found: dict[tuple[str, ...], list[str]] = {}
    for f in findings:
        key = (f.url, str(f.verdict), _how(f))
        found.setdefault(key, []).append(f.method)
    mark = "`{}`" if code else "{}"
    return [
        (mark.format(url), ", ".join(methods), verdict, how)
        for (url, verdict, how), methods in found.items()
    ]


def _how(finding: Finding) -> str:
    parts = [finding.reason]
    if finding.body and finding.verdict in {Verdict.VISITOR, Verdict.GUEST}:
        parts.append(f"its body looks at {', '.join(finding.body)}")
    if finding.allowed is not None:
        parts.append(f"allowed: {finding.allowed}")
    return "; ".join(parts)


def _aligned(lines: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(line[n]) for line in lines) for n in range(len(lines[0]))]
    texts = ("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(text.rstrip() for text in texts)


def _markdown(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    all_lines = [header, ["---"] * len(header), *lines]
    return "\n".join(f"| {' | '.join(_escaped(c) for c in line)} |" for line in all_lines)


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")

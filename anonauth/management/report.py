"""What a purge did or would do, for people and for machines."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from typing import Any

from django.apps import apps

from anonauth.flows.purge import PurgeReport
from anonauth.flows.sweep import Swept


def as_json(report: PurgeReport, *, seconds: float, older_than: timedelta, **facts: Any) -> str:
    """Return one JSON object in one line."""
    values = {
        **report.as_dict(),
        "older_than": older_than.total_seconds(),
        "seconds": round(seconds, 3),
        **facts,
    }
    return json.dumps(values)


def as_text(
    report: PurgeReport,
    *,
    dry_run: bool,
    seconds: float,
    older_than: timedelta,
    by: str,
    **facts: Any,
) -> str:
    """Return some lines that need no knowledge of the project's code."""
    since = "not seen for" if by == "seen" else "made more than"
    after = _length(older_than) + ("" if by == "seen" else " ago")
    did = "would be deleted" if dry_run else f"deleted in {seconds:,.1f} s"
    lines = [f"{many(report.guests, 'guest')} {since} {after} {did}."]
    lines += _table("What goes with them:" if dry_run else "Rows deleted:", report.rows)
    lines += _table("What stays, but no longer belongs to anybody:", report.changed)
    for number, reason in (
        (report.protected, "kept, because something of theirs must not be deleted"),
        (report.held, "kept, because they are upgrading just now or the project holds them"),
        (report.failed, "failed"),
    ):
        if number:
            lines.append(f"{many(number, 'guest')} {reason}.")
    lines += [f"  {error} ({many(n, 'guest')})" for error, n in report.errors.most_common(5)]
    if facts.get("warned") is not None:
        would = "would be announced" if dry_run else "announced"
        lines.append(f"{many(facts['warned'], 'guest')} soon to go {would} (guest_expiring).")
    lines += _swept(report.swept, dry_run=dry_run)
    if facts.get("stopped"):
        lines.append("Stopped; the next run goes on.")
    if dry_run:
        lines.append("This was a dry run: nothing was deleted.")
    return "\n".join(lines)


def many(number: int, noun: str) -> str:
    """Return ``1 guest`` or ``1,204 guests``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _swept(swept: Swept, *, dry_run: bool) -> list[str]:
    lines = _table("Expired rows that would go:" if dry_run else "Expired rows swept:", swept.rows)
    if swept.protected:
        kept = many(swept.protected, "expired row")
        lines.append(f"{kept} kept by something that must not be deleted.")
    if swept.failed:
        lines.append(f"{many(swept.failed, 'fault')} in sweeping expired rows.")
    return lines + [f"  {error} ({number:,})" for error, number in swept.errors.most_common(5)]


def _table(title: str, rows: Counter[str]) -> list[str]:
    if not rows:
        return []
    width = max(len(f"{number:,}") for number in rows.values())
    return [
        title,
        *(f"  {number:>{width},}  {_name(label, number)}" for label, number in rows.most_common()),
    ]


def _name(label: str, number: int) -> str:
    meta = apps.get_model(label)._meta
    name = str(meta.verbose_name if number == 1 else meta.verbose_name_plural)
    return f"{name} ({label})"


def _length(time: timedelta) -> str:
    days, rest = divmod(time, timedelta(days=1))
    return many(days, "day") if days and not rest else str(time)

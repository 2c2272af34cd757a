"""``manage.py audit_anonymous_access``: who reached which view in the probe."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, connections

from anonauth.access import formats
from anonauth.access.allowed import Allowed, parse_allowed, read_allowed
from anonauth.access.report import Finding, audit
from anonauth.access.verdicts import Verdict
from anonauth.conf import get_settings
from anonauth.registry import table_audits


class Command(BaseCommand):
    """Parse, run the audit, print."""

    help = (
        "Runs the guards of every view for a visitor, a guest and a permanent user, and none of the views, "
        "and says who reached which. What is not reached here may be reached in another way."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--format", choices=["table", "json", "markdown"], default="table")
        parser.add_argument(
            "--verdict",
            action="append",
            choices=[str(v) for v in Verdict],
            help="show these only; may be repeated",
        )
        parser.add_argument(
            "--fail-on",
            choices=["guest", "unknown"],
            action="append",
            default=[],
            help="end with 1 if there is such a verdict that is not allowed; may be repeated",
        )
        parser.add_argument("--allow", metavar="FILE", help="entries: [METHOD,…] PATTERN  # REASON")
        parser.add_argument("--urlconf", help="dotted path; default: ROOT_URLCONF")
        parser.add_argument(
            "--no-database", action="store_true", help="do not let guards read from the database"
        )
        parser.add_argument(
            "--tables",
            nargs="?",
            const=DEFAULT_DB_ALIAS,
            metavar="ALIAS",
            help="also what the database itself lets people do, table by table",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        allowed = _allowed(options["allow"])
        tables = None if options["tables"] is None else _tables(options["tables"])
        try:
            import_module(options["urlconf"] or django_settings.ROOT_URLCONF)
        except ModuleNotFoundError as error:
            raise CommandError(f"There is no such URLconf: {error}.") from error
        try:
            findings = audit(
                urlconf=options["urlconf"],
                allowed=allowed,
                database=not options["no_database"],
            )
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        wanted = options["verdict"]
        shown = [f for f in findings if not wanted or f.verdict in wanted]
        self.stdout.write(_text(options["format"], shown, tables))
        for entry in allowed:
            if not any(entry.matches(f) for f in findings):
                self.stderr.write(f"Nothing is named {entry.pattern!r} any more: {entry.reason}")
        if failing := [f for f in findings if _fails(f, options["fail_on"])]:
            for finding in failing:
                self.stderr.write(
                    f"Nobody decided about {finding.method} {finding.url} ({finding.verdict})."
                )
            sys.exit(1)


def _allowed(path: str | None) -> list[Allowed]:
    try:
        found = [parse_allowed(line) for line in get_settings().guests_allowed]
        if path is not None:
            found += read_allowed(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CommandError(f"The list of what is allowed: {error}") from error
    return found


def _tables(alias: str) -> list[dict[str, Any]]:
    if alias not in connections:
        raise CommandError(f"There is no database {alias!r}.")
    if not table_audits:
        raise CommandError(
            "No installed app can tell what a database lets people do; anonauth.contrib.postgres can."
        )
    return [row for table_audit in table_audits for row in table_audit(alias)]


def _text(form: str, findings: Sequence[Finding], tables: Sequence[dict[str, Any]] | None) -> str:
    if form == "json":
        return formats.as_json(findings, tables)
    markdown = form == "markdown"
    parts = [(formats.as_markdown if markdown else formats.as_table)(findings)]
    if tables is not None:
        parts.append((formats.tables_as_markdown if markdown else formats.tables_as_table)(tables))
    return "\n\n".join([*parts, formats.summary(findings)])


def _fails(finding: Finding, kinds: Sequence[str]) -> bool:
    return finding.verdict in kinds and finding.allowed is None

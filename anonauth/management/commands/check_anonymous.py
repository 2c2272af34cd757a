from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import dataclass, field
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from anonauth.exceptions import AnonauthError
from anonauth.flows.consistency import Finding, contradictions
from anonauth.flows.vouch import vouch
from anonauth.management.database import told_in_one_line
from anonauth.management.report import many

SHOWN = 100


@dataclass
class Report:
    """What was found; of many users only the first are named."""

    guests: int = 0
    fixed: int = 0
    permanent: int = 0
    named_guests: list[dict[str, Any]] = field(default_factory=list)
    named_permanent: list[str] = field(default_factory=list)

    @property
    def left(self) -> int:
        """How many contradictions there still are."""
        return self.guests - self.fixed + self.permanent


class Command(BaseCommand):
    help = (
        "Finds guests who hold credentials and permanent users who hold none. "
        "Exit code 1 if any are left."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--fix",
            action="store_true",
            help="Upgrade the guests; what they never proved is taken off, their sessions end.",
        )
        parser.add_argument(
            "--guests-only",
            action="store_true",
            help="Do not look for permanent users without credentials, e.g. where another system signs them in.",
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    @told_in_one_line()
    def handle(self, *args: Any, **options: Any) -> None:
        report = Report()
        for finding in contradictions():
            if finding.user.is_guest:
                self._guest(finding, report, fix=options["fix"])
            elif not options["guests_only"]:
                report.permanent += 1
                if report.permanent <= SHOWN:
                    report.named_permanent.append(str(finding.user.pk))
        self._print(report, as_json=options["json"], guests_only=options["guests_only"])
        if report.left:
            raise CommandError(
                f"{many(report.left, 'user')} whose flag contradicts their credentials."
            )

    def _guest(self, finding: Finding, report: Report, *, fix: bool) -> None:
        report.guests += 1
        outcome = self._fix(finding) if fix else ""
        report.fixed += outcome == "upgraded"
        if report.guests <= SHOWN:
            named = {"id": str(finding.user.pk), "kinds": list(finding.kinds), "outcome": outcome}
            report.named_guests.append(named)

    def _fix(self, finding: Finding) -> str:
        try:
            vouch(finding.user, kinds=finding.kinds, method=finding.kinds[0])
        except AnonauthError as error:
            return error.code
        return "upgraded"

    def _print(self, report: Report, *, as_json: bool, guests_only: bool) -> None:
        if as_json:
            body: dict[str, Any] = {
                "guests_with_credentials": report.guests,
                "fixed": report.fixed,
                "guests": report.named_guests,
            }
            if not guests_only:
                body["permanent_without_credentials"] = report.permanent
                body["permanent"] = report.named_permanent
            self.stdout.write(json.dumps(body, indent=2))
            return
        self.stdout.write(f"Guests who hold credentials: {report.guests}")
        for named in report.named_guests:
            outcome = f" ({named['outcome']})" if named["outcome"] else ""
            self.stdout.write(f"  {named['id']}: {', '.join(named['kinds'])}{outcome}")
        if guests_only:
            return
        self.stdout.write(f"Permanent users who hold none: {report.permanent}")
        for key in report.named_permanent:
            self.stdout.write(f"  {key}")

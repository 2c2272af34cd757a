from __future__ import annotations

import re
import signal
import threading
import time
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from anonauth.conf import get_settings
from anonauth.flows.expiring import count_expiring, warn_expiring
from anonauth.flows.purge import (
    BATCH_SIZE,
    MAX_SHARE,
    PurgeReport,
    TooManyStale,
    check_share,
    purge,
)
from anonauth.flows.purge_run import stale_guests
from anonauth.flows.stale import StaleGuests
from anonauth.flows.sweep import count_expired, sweep
from anonauth.management.database import told_in_one_line
from anonauth.management.progress import Progress
from anonauth.management.report import as_json, as_text, many
from anonauth.models import user_database

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Command(BaseCommand):
    help = (
        "Deletes anonymous users who have not returned, with all that is theirs. Made for cron: safe at any time, and "
        "beside another run, which shares the work. Exit code 1 if something went wrong."
    )
    requires_system_checks = ["anonauth"]

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="Only say what would go, per model; write nothing.",
        )
        parser.add_argument(
            "--older-than", type=duration, metavar="30d",
            help="How long a guest is kept (s, m, h, d, w); default: ANONAUTH_PURGE_AFTER.",
        )  # fmt: skip
        parser.add_argument(
            "--by", choices=["seen", "created"], default="seen",
            help="Since the last visit (default), or since the guest was made: then also active ones are deleted.",
        )  # fmt: skip
        parser.add_argument(
            "--limit", type=positive, metavar="N", help="Delete no more guests than this."
        )
        parser.add_argument(
            "--batch-size", type=positive, metavar="N", default=BATCH_SIZE,
            help="Guests per transaction; nobody waits longer for a row than one takes. Default: %(default)s.",
        )  # fmt: skip
        parser.add_argument(
            "--pause",
            type=seconds,
            metavar="SECONDS",
            default=0.0,
            help="Rest between two batches.",
        )
        parser.add_argument(
            "--max-share", type=share, metavar="0.5", default=MAX_SHARE,
            help="Refuse if more than this share of all users would go. Default: %(default)s.",
        )  # fmt: skip
        parser.add_argument("--yes", action="store_true", help="Whatever their share.")
        parser.add_argument(
            "--warn-before", type=duration, metavar="3d",
            help="First send the signal guest_expiring for guests who will be stale within this time.",
        )  # fmt: skip
        parser.add_argument("--database", metavar="ALIAS", help="Default: where users are written.")
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with told_in_one_line():
                report = self._run(options)
        except TooManyStale as error:
            raise CommandError(
                f"{error} Nothing was deleted. If that is right, run it once with --yes, or raise --max-share."
            ) from error
        except KeyboardInterrupt as error:
            message = "Interrupted; the batch at hand was undone, the next run goes on."
            raise CommandError(message, returncode=130) from error
        except CommandError:
            raise
        except Exception as error:
            # An adapter's can_purge() or before_purge(), as a rule. In the mail from cron one line is worth more.
            message = f"{type(error).__name__}: {error} (--traceback shows where)"
            raise CommandError(message) from error
        failed = []
        if report.failed:
            failed.append(f"{many(report.failed, 'guest')} could not be deleted")
        if report.swept.failed:
            failed.append(f"{many(report.swept.failed, 'fault')} in sweeping expired rows")
        if failed:
            raise CommandError(f"{', '.join(failed)}; the next run tries again.")

    def _run(self, options: dict[str, Any]) -> PurgeReport:
        stale, ahead = self._stale(options), options["warn_before"]
        started = time.monotonic()
        number = check_share(stale, max_share=1.0 if options["yes"] else options["max_share"])
        facts: dict[str, Any] = {"dry_run": options["dry_run"]}
        if ahead:
            tell = count_expiring if options["dry_run"] else warn_expiring
            facts["warned"] = tell(
                database=stale.database, older_than=stale.older_than, ahead=ahead
            )
        if options["dry_run"]:
            swept = count_expired(database=stale.database)
        else:
            swept = sweep(database=stale.database, batch_size=options["batch_size"])
        report, facts["stopped"] = self._delete(stale, number, options)
        report += PurgeReport(swept=swept)
        facts |= {
            "seconds": time.monotonic() - started,
            "older_than": stale.older_than,
            "by": stale.by,
        }
        write = as_json if options["json"] else as_text
        self.stdout.write(write(report, **facts))
        return report

    def _delete(
        self, stale: StaleGuests, number: int, options: dict[str, Any]
    ) -> tuple[PurgeReport, bool]:
        """Run the batches; return the report, and whether somebody stopped them."""
        report = PurgeReport()
        batches = purge(
            stale,
            batch_size=options["batch_size"],
            limit=options["limit"],
            dry_run=options["dry_run"],
        )
        progress = Progress(self.stderr, min(number, options["limit"] or number), "guests")
        with stop_signals() as stopped, closing(progress):
            for batch in batches:
                report += batch
                if not options["json"]:
                    progress.show(report.guests)
                rest(options["pause"], stopped)
                if stopped.is_set():
                    return report, True
        return report, False

    def _stale(self, options: dict[str, Any]) -> StaleGuests:
        database = options["database"] or user_database()
        if database not in connections:
            raise CommandError(
                f"There is no database {database!r}; choose one of {', '.join(connections)}."
            )
        older_than: timedelta = options["older_than"] or get_settings().purge_after
        ahead = options["warn_before"]
        if ahead and options["by"] == "created":
            raise CommandError(
                "--warn-before goes by the last visit; it does not go with --by created."
            )
        if ahead and ahead >= older_than:
            raise CommandError(
                "--warn-before has to be shorter than the time for which guests are kept."
            )
        return stale_guests(older_than=older_than, by=options["by"], database=database)


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """Let Ctrl-C, or a SIGTERM, set an event instead of interrupting; a second one interrupts."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped  # only the main thread hears signals
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, _frame: Any) -> None:
        stopped.set()
        signal.signal(number, before[signal.Signals(number)])

    try:
        for number in before:
            signal.signal(number, stop)
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def rest(seconds: float, stopped: threading.Event) -> None:
    """Wait, but no longer once somebody wants to stop; an event's own ``wait()`` may not be set by a signal."""
    ends = time.monotonic() + seconds
    while not stopped.is_set() and (left := ends - time.monotonic()) > 0:
        time.sleep(min(left, 0.1))


def duration(text: str) -> timedelta:
    """Return the length of a time like ``30d``, ``12h`` or ``90m``."""
    found = re.fullmatch(r"(\d{1,6})([smhdw])", text.strip())
    if found is None or not int(found[1]):
        raise ArgumentTypeError(f"{text!r} is no length of time; write 30d, 12h or 90m.")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def positive(text: str) -> int:
    """Return a whole number above zero."""
    if not text.isdecimal() or not int(text):
        raise ArgumentTypeError(f"{text!r} is no whole number above zero.")
    return int(text)


def seconds(text: str) -> float:
    """Return a number of seconds for which one can rest: an hour at the most."""
    found = re.fullmatch(r"\d{1,4}(?:\.\d+)?|\.\d+", text.strip())
    if found is None or float(text) > 3600:
        raise ArgumentTypeError(f"{text!r} is no number of seconds from 0 to 3600.")
    return float(text)


def share(text: str) -> float:
    """Return a part of a whole, from ``0.5`` or ``50%``."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(%?)", text.strip())
    value = float(found[1]) / (100 if found[2] else 1) if found else -1.0
    if not 0 <= value <= 1:
        raise ArgumentTypeError(f"{text!r} is no share; write 0.5 or 50%.")
    return value

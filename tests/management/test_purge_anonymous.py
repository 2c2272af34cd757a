"""``manage.py purge_anonymous``."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.db.models.signals import pre_delete
from django.utils import timezone

from anonauth.contrib.allauth.models import SeenToken
from anonauth.flows.erase import rows_of
from anonauth.flows.stale import StaleGuests
from anonauth.management.commands import purge_anonymous
from anonauth.management.commands.purge_anonymous import stop_signals
from anonauth.management.progress import Progress
from anonauth.models import SignInKey
from anonauth.signals import guest_expiring
from tests.signals import connected
from tests.testapp.models import Note, Receipt

pytestmark = pytest.mark.django_db
User = get_user_model()
NOW = timezone.now()


@pytest.fixture(autouse=True)
def people() -> None:
    """Make three stale guests, of whom one is protected, a fresh one and five permanent users."""
    for name, days in (("old", 90), ("stale", 31), ("spared", 31), ("fresh", 1)):
        seen = NOW - timedelta(days=days)
        user = User.objects.create_user(name, is_guest=True, guest_since=seen, last_seen_at=seen)
        Note.objects.create(owner=user)
    Receipt.objects.create(owner=User.objects.get(username="spared"))
    for n in range(5):
        User.objects.create_user(f"member-{n}")


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("purge_anonymous", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def guests() -> set[str]:
    return set(User.objects.guests().values_list("username", flat=True))


def test_the_report_says_who_went_and_who_stayed_and_why() -> None:
    text = run()

    assert guests() == {"spared", "fresh"}
    assert re.search(r"^2 guests not seen for 30 days deleted in \d+\.\d s\.$", text, re.M)
    assert re.search(r"^ +2  users \(testapp\.User\)$", text, re.M)
    assert "1 guest kept, because something of theirs must not be deleted." in text


def test_a_dry_run_says_the_same_and_deletes_nothing() -> None:
    SignInKey.objects.create(
        key_hash="x", user=User.objects.get(username="fresh"), expires_at=NOW - timedelta(days=1)
    )

    text = run("--dry-run")

    assert "2 guests not seen for 30 days would be deleted.\n" in text
    assert "What goes with them:\n" in text
    assert "Expired rows that would go:\n  1  sign-in key (anonauth.SignInKey)\n" in text
    assert "This was a dry run: nothing was deleted." in text
    assert guests() == {"old", "stale", "spared", "fresh"}
    assert SignInKey.objects.count() == 1


def test_what_has_expired_and_goes_with_a_guest_is_told_once() -> None:
    stale = User.objects.get(username="stale")
    for n, expires in enumerate((NOW - timedelta(days=1), NOW + timedelta(days=1))):
        SignInKey.objects.create(key_hash=str(n), user=stale, expires_at=expires)
    SeenToken.objects.create(user=stale, token_hash="x", expires_at=NOW)

    told = [json.loads(run("--json", *arguments)) for arguments in (["--dry-run"], [])]

    assert told[0]["rows"] == told[1]["rows"]
    assert told[0]["swept"] == told[1]["swept"]
    assert told[0]["rows"]["anonauth.SignInKey"] == 1
    assert told[0]["swept"]["rows"]["anonauth.SignInKey"] == 1
    assert told[0]["changed"] == {}


def test_json_is_one_object() -> None:
    report = json.loads(run("--json"))

    assert report.pop("seconds") >= 0
    assert report == {
        "guests": 2, "protected": 1, "held": 0, "failed": 0, "errors": {}, "changed": {},
        "rows": {"testapp.User": 2, "testapp.Note": 2}, "older_than": 30 * 86400.0, "by": "seen",
        "dry_run": False, "stopped": False,
        "swept": {"rows": {}, "protected": 0, "failed": 0, "errors": {}},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        (["--older-than", "60d"], {"stale", "spared", "fresh"}),
        (["--older-than", "12h"], {"spared"}),
        (["--older-than", "1w"], {"spared", "fresh"}),
        (["--limit", "1"], {"stale", "spared", "fresh"}),
        (["--by", "created", "--older-than", "2d"], {"spared", "fresh"}),
        (["--batch-size", "1", "--pause", "0.001"], {"spared", "fresh"}),
    ],
)
def test_options_choose_who_goes(arguments: list[str], left: set[str]) -> None:
    run(*arguments)

    assert guests() == left


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--older-than", "soon"], "write 30d, 12h or 90m"),
        (["--older-than", "0d"], "write 30d, 12h or 90m"),
        (["--limit", "0"], "no whole number above zero"),
        (["--batch-size", "-5"], "no whole number above zero"),
        (["--pause", "-1"], "no number of seconds"),
        (["--pause", "nan"], "no number of seconds"),
        (["--max-share", "3"], "write 0.5 or 50%"),
        (["--max-share", "0.1%"], "which is more than 0.1%"),
        (["--database", "elsewhere"], "There is no database 'elsewhere'; choose one of default"),
        (["--warn-before", "40d"], "has to be shorter"),
        (["--warn-before", "3d", "--by", "created"], "does not go with --by created"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=re.escape(message)):
        run(*arguments)
    assert len(guests()) == 4


def test_more_than_the_share_is_refused_unless_one_says_yes() -> None:
    refusal = "3 of all 9 users would be deleted, which is more than 20%. Nothing was deleted."
    with pytest.raises(CommandError, match=re.escape(refusal)):
        run("--max-share", "20%")
    with pytest.raises(CommandError, match=re.escape(refusal)):
        run("--max-share", "0.2", "--dry-run")
    assert len(guests()) == 4

    run("--max-share", "0.2", "--yes")
    assert len(guests()) == 2


def test_a_clock_that_runs_ahead_does_not_empty_the_table() -> None:
    User.objects.exclude(is_guest=True).delete()
    User.objects.update(
        last_seen_at=NOW - timedelta(days=3650)
    )  # as a clock that runs ahead sees it

    with pytest.raises(CommandError, match="4 of all 4 users"):
        call_command("purge_anonymous")
    assert len(guests()) == 4


def test_what_fails_is_told_at_the_end_with_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    original = StaleGuests.held

    def failing(self: Any, keys: Any) -> Any:
        if rows_of(keys, self.database).filter(username="old").exists():
            raise OperationalError("deadlock detected")
        return original(self, keys)

    monkeypatch.setattr(StaleGuests, "held", failing)
    out = io.StringIO()
    with pytest.raises(CommandError, match="1 guest could not be deleted") as caught:
        call_command("purge_anonymous", stdout=out, stderr=io.StringIO())

    assert caught.value.returncode == 1
    assert "OperationalError: deadlock detected (1 guest)" in out.getvalue()
    assert guests() == {"old", "spared", "fresh"}


def test_what_cannot_be_swept_keeps_no_guest_and_gives_exit_code_1() -> None:
    for name in ("bad", "good"):
        SignInKey.objects.create(
            key_hash=name, user=User.objects.get(username="fresh"), expires_at=NOW
        )

    def receiver(instance: Any, **kwargs: Any) -> None:
        if instance.key_hash == "bad":
            raise RuntimeError("no such bucket")

    out = io.StringIO()
    with (
        connected(pre_delete, receiver, sender=SignInKey),
        pytest.raises(CommandError, match=r"^1 fault in sweeping expired rows; the next") as caught,
    ):
        call_command("purge_anonymous", stdout=out, stderr=io.StringIO())

    assert caught.value.returncode == 1
    assert "Expired rows swept:\n  1  sign-in key (anonauth.SignInKey)\n" in out.getvalue()
    said = "1 fault in sweeping expired rows.\n  RuntimeError: no such bucket (1)"
    assert said in out.getvalue()
    assert guests() == {"spared", "fresh"}
    assert SignInKey.objects.get().key_hash == "bad"


def test_a_database_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*arguments: Any, **options: Any) -> Any:
        raise OperationalError("connection refused\n  is the server running?")

    monkeypatch.setattr(StaleGuests, "page", gone)
    with pytest.raises(
        CommandError, match=r"^The database refused: connection refused is the server"
    ):
        run()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_run_after_the_batch(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.getsignal(number)
    original = StaleGuests.held

    def interrupting(self: Any, keys: Any) -> Any:
        os.kill(os.getpid(), number)
        return original(self, keys)

    monkeypatch.setattr(StaleGuests, "held", interrupting)

    text = run("--batch-size", "1")

    assert guests() == {"stale", "spared", "fresh"}
    assert "Stopped; the next run goes on." in text
    assert signal.getsignal(number) is before


def test_an_interrupt_between_two_batches_ends_the_rest_and_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rests = []

    def interrupting(seconds: float) -> None:
        rests.append(seconds)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(time, "sleep", interrupting)

    text = run("--batch-size", "1", "--pause", "3600")

    assert len(rests) == 1
    assert guests() == {"stale", "spared", "fresh"}
    assert "Stopped; the next run goes on." in text


@pytest.mark.parametrize(
    ("fault", "message", "code"),
    [
        (KeyboardInterrupt(), "the batch at hand was undone", 130),
        (RuntimeError("no such field"), "^RuntimeError: no such field", 1),
    ],
)
def test_whatever_happens_is_one_line(
    fault: BaseException, message: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*arguments: Any, **options: Any) -> Any:
        raise fault

    monkeypatch.setattr(StaleGuests, "page", failing)
    with pytest.raises(CommandError, match=message) as caught:
        run()

    assert caught.value.returncode == code
    assert len(guests()) == 4


def test_a_thread_hears_no_signals_and_asks_for_none() -> None:
    def run_in_thread() -> bool:
        with stop_signals() as stopped:
            return stopped.is_set()

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(run_in_thread).result(10) is False


def test_guests_who_go_soon_are_announced_before(django_capture_on_commit_callbacks: Any) -> None:
    seen = NOW - timedelta(days=28)
    User.objects.filter(username="fresh").update(last_seen_at=seen)
    told = []

    def receiver(user: Any, **kwargs: Any) -> None:
        told.append(user.username)

    with connected(guest_expiring, receiver):
        assert "1 guest soon to go would be announced" in run("--warn-before", "3d", "--dry-run")
        with django_capture_on_commit_callbacks(execute=True):
            assert "1 guest soon to go announced" in run("--warn-before", "3d")
            assert "0 guests soon to go announced" in run("--warn-before", "3d")
    assert told == ["fresh"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def write(self, text: str, style: Any = None, ending: str = "\n") -> int:
        return super().write(text + ending)


class Log(Terminal):
    def isatty(self) -> bool:
        return False


@pytest.fixture
def clock() -> tuple[Callable[[], float], list[float]]:
    now = [100.0]
    return lambda: now[0], now


def test_a_terminal_sees_a_bar_with_rate_and_time_left(clock: Any) -> None:
    tell, now = clock
    out = Terminal()
    progress = Progress(out, 4000, "guests", clock=tell)
    now[0] += 10
    progress.show(1000)

    assert out.getvalue().endswith(
        "[######..................] 1,000 of 4,000 guests, 100/s, 0:30 left"
    )
    progress.close()
    assert out.getvalue().endswith("\r\x1b[2K")


def test_the_bar_has_not_the_colour_of_errors() -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Screen()
    command = purge_anonymous.Command(stderr=screen, force_color=True)
    call_command(command, "--limit=1", stdout=io.StringIO())

    assert "1 of 1 guests" in screen.getvalue()
    assert "\x1b[31" not in screen.getvalue()


def test_machines_are_shown_no_bar() -> None:
    screen = Terminal()
    call_command(purge_anonymous.Command(stderr=screen), "--json", stdout=io.StringIO())

    assert "guests" not in screen.getvalue()


def test_a_log_sees_a_plain_line_now_and_then(clock: Any) -> None:
    tell, now = clock
    out = Log()
    progress = Progress(out, 400_000, "guests", clock=tell)
    for _ in range(80):
        now[0] += 1
        progress.show(1000)
    progress.close()

    lines = out.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0] == "1,000 of 400,000 guests, 33/s, 3:19:30 left"

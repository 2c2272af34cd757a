"""``manage.py anonymous_stats``."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.utils import timezone

from anonauth.flows.upgrade import upgrade
from anonauth.management.commands.anonymous_stats import Command
from anonauth.models import DailyTally, day_of
from anonauth.tally import count_departed

pytestmark = pytest.mark.django_db
User: Any = get_user_model()


def run(*arguments: str) -> tuple[int, str, str]:
    out = StringIO()
    try:
        call_command("anonymous_stats", *arguments, stdout=out)
    except CommandError as error:
        return error.returncode, out.getvalue(), str(error)
    return 0, out.getvalue(), ""


@pytest.fixture
def life(django_capture_on_commit_callbacks: Any) -> None:
    """Four guests today, of whom one upgrades, one of yesterday who is merged, and five refusals."""
    now = timezone.now()
    for number in range(4):
        name = f"g{number}"
        User.objects.create_user(name, is_guest=True, guest_since=now, last_seen_at=now)
    with django_capture_on_commit_callbacks(execute=True):
        upgrade(User.objects.get(username="g0"), method="email")
    count_departed("merged", [day_of(now - timedelta(days=1))])
    DailyTally.objects.add("refused", "rate_limited", number=5)


@pytest.mark.usefixtures("life")
def test_json_has_the_numbers_of_each_day() -> None:
    code, text, _ = run("--days", "2", "--json")

    assert code == 0
    found = json.loads(text)
    assert found["guests"] == 3
    assert found["totals"] == {
        "created": 5,
        "upgraded": 1,
        "merged": 1,
        "purged": 0,
        "refused": 5,
        "upgraded_by": {"email": 1},
    }
    assert [(day["created"], day["guests"]) for day in found["days"]] == [(1, 1), (4, 3)]
    assert found["refusals"] == {"rate_limited": 5}
    assert 0 <= found["median_seconds_to_upgrade"] < 60
    assert found["exceeded"] == []


@pytest.mark.usefixtures("life")
def test_the_table_has_a_line_a_day_and_says_the_rest_in_words() -> None:
    code, text, _ = run("--days", "2")

    lines = text.splitlines()
    assert code == 0
    assert lines[2].split() == [timezone.now().date().isoformat(), "4", "1", "1", "0", "3", "3"]
    assert lines[3].split() == ["all", "5", "1", "1", "0", "3"]
    assert "Upgraded by: email 1" in lines
    assert "Refused: rate_limited 5" in lines
    assert "Guests seen: 3 in 24 hours, 3 in 7 days" in lines


def test_without_any_guests_it_prints_zeros_and_no_rate() -> None:
    code, text, _ = run()

    assert code == 0
    assert "Median time to upgrade: none" in text
    assert "Refused: none" in text
    assert "%" not in text


@pytest.mark.usefixtures("life")
@pytest.mark.parametrize(
    ("limits", "exceeded"),
    [
        (["created=4/h"], None),
        (["created=3/h"], "created=3/h (4)"),
        (["created=4/d"], None),
        (["created=4/2d"], "created=4/2d (5)"),
        (["upgraded=1/h", "upgraded=1/30d"], None),
        (["merged=1/d", "purged=1/d"], None),
        (["purged=0/d"], None),
        (["created=0/h"], "created=0/h (4)"),
        (["refused=4/d"], "refused=4/d (5)"),
        (["guests=3"], None),
        (["guests=2"], "guests=2 (3)"),
        (["guests=0", "created=1/h"], "guests=0 (3), created=1/h (4)"),
    ],
)
def test_the_exit_code_tells_whether_a_limit_is_exceeded(
    limits: list[str], exceeded: str | None
) -> None:
    arguments = [part for limit in limits for part in ("--fail-above", limit)]

    code, text, error = run(*arguments, "--json")

    assert code == (0 if exceeded is None else 1)
    assert error == ("" if exceeded is None else f"Above the limit: {exceeded}.")
    assert len(json.loads(text)["exceeded"]) == (exceeded or "").count("=")


def test_from_the_shell_a_mistake_in_the_call_is_exit_code_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        Command().run_from_argv(["manage.py", "anonymous_stats", "--days", "0"])

    assert ended.value.code == 2
    assert "no number of days between 1 and 3660" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fail-above", "visitors=5/h"], "write guests=100000, or one of created, upgraded"),
        (["--fail-above", "created"], "is not a rate"),
        (["--fail-above", "created=many/h"], "is not a rate"),
        (["--fail-above", "guests=5/h"], "write guests=100000"),
        (["--fail-above", "refused=100/h"], "refused is counted by the day; write refused=1000/d"),
        (["--days", "0"], "no number of days between 1 and 3660"),
        (["--days", "x"], "no number of days"),
    ],
)
def test_a_mistake_in_the_call_is_explained(arguments: list[str], said: str) -> None:
    code, text, error = run(*arguments)

    assert code == 1
    assert text == ""
    assert said in error

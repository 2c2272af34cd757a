"""``docs/watching.md`` against the commands, the admin and what they print."""

from __future__ import annotations

import json
import re
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from anonauth.admin.actions import MOST
from anonauth.audit import LOGGED, WINDOW
from anonauth.flows.vouch import METHOD
from anonauth.management.commands.anonymous_stats import Command as AnonymousStats
from anonauth.management.commands.anonymous_stats import limit
from anonauth.management.commands.check_anonymous import SHOWN
from anonauth.management.commands.check_anonymous import Command as CheckAnonymous
from anonauth.refusals import INTERVAL
from anonauth.stats import COHORT_WEEKS
from anonauth.tally import count_upgraded
from tests.docs.pages import blocks, code, read, rows, section

PAGE = read("watching")


@pytest.mark.parametrize(
    ("heading", "command"),
    [("anonymous_stats", AnonymousStats), ("check_anonymous", CheckAnonymous)],
)
def test_each_option_of_a_command_is_on_the_page_and_no_other(
    heading: str, command: type[BaseCommand]
) -> None:
    parser, bare = CommandParser(), CommandParser()
    command().add_arguments(parser)
    own = {o for a in parser._actions for o in a.option_strings}
    own -= {o for a in bare._actions for o in a.option_strings}
    table = [row for row in rows(section(PAGE, heading)) if row[0].startswith("`--")]
    assert {code(row[0]).split()[0] for row in table} == own


def keys(value: Any) -> Any:
    """Return the shape of JSON: the names, without what a project fills in."""
    if isinstance(value, dict):
        open_ended = value.keys() <= {"email", "rate_limited", "code_incorrect"}
        return "numbers" if open_ended else {name: keys(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return keys(value[0]) if value else []
    return "value"


@pytest.mark.django_db
def test_the_json_on_the_page_has_the_names_of_the_real_one() -> None:
    now = timezone.now()
    get_user_model().objects.create_user("g", is_guest=True, guest_since=now, last_seen_at=now)
    count_upgraded("email", at=now, since=now)
    out = StringIO()
    call_command("anonymous_stats", "--json", "--days", "1", stdout=out)

    (shown,) = blocks(section(PAGE, "anonymous_stats"), "json")
    assert keys(json.loads(shown)) == keys(json.loads(out.getvalue()))


def test_the_limits_on_the_page_are_understood() -> None:
    named = re.findall(r"\b((?:created|upgraded|refused|purged|guests)=\d[\w/]*)", PAGE)
    assert len(named) >= 7
    assert [limit(text).text for text in named] == named


def test_the_figures_on_the_page_are_those_of_the_code() -> None:
    assert (MOST, SHOWN, COHORT_WEEKS, LOGGED, WINDOW, INTERVAL) == (100, 100, 13, 10, 60, 60)
    assert f"at most {MOST} at a time" in PAGE
    assert f"the first {SHOWN} users" in PAGE
    assert f"the last {COHORT_WEEKS} weeks" in PAGE
    assert f"`{METHOD}`" in PAGE

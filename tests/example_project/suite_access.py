"""Who reaches which of the shop's pages and endpoints, as its documentation says; run by ``test_run.py``."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from django.core.management import call_command

from tests.docs.pages import read, section

pytestmark = pytest.mark.django_db

#: What comes with anonauth, allauth, Django and the mailbox of development.
OTHERS = re.compile(r"\| `/(accounts|_allauth|auth|admin|mail)/")


def report(*arguments: str) -> list[str]:
    out = StringIO()
    call_command("audit_anonymous_access", "--format", "markdown", *arguments, stdout=out)
    return out.getvalue().splitlines()


def test_the_report_in_the_documentation_is_what_the_command_prints() -> None:
    own = [line for line in report() if line.startswith("|") and not OTHERS.match(line)]

    documented = section(read("access-audit"), "The shop's report").splitlines()
    assert [line for line in documented if line.startswith("|")] == own


def test_nobody_forgot_to_decide_about_a_door() -> None:
    assert report("--fail-on", "guest")[-1].endswith("without a decision: 0.")


def test_what_costs_the_shop_something_is_for_permanent_users() -> None:
    (line,) = [line for line in report() if line.startswith("| `/api/orders/`")]
    assert "| GET, POST | permanent |" in line

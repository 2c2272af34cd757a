"""``manage.py audit_anonymous_access``: what it prints, and how it ends."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.decorators import login_required, user_passes_test
from django.core.management import CommandError, call_command
from django.http import HttpRequest, HttpResponse
from django.urls import path

from anonauth import registry
from anonauth.decorators import guests_allowed, permanent_required
from tests.access.lab import without_a_clue

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


def shelf(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


def cart(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


def desk(request: HttpRequest) -> HttpResponse:
    if request.user.is_staff:
        return HttpResponse()
    return HttpResponse(status=403)


urlpatterns = [
    path("shelf/", shelf, name="shelf"),
    path("cart/", login_required(cart), name="cart"),
    path("desk/", login_required(desk), name="desk"),
    path("orders/", permanent_required(cart), name="orders"),
    path("vault/", user_passes_test(lambda user: user.is_superuser)(cart), name="vault"),
    path("odd/", without_a_clue(len, max), name="odd"),
    path("wishes/", guests_allowed(reason="they may wish")(login_required(cart)), name="wishes"),
    path("in/", shelf, name="account_login"),
]


def run(*arguments: str) -> tuple[str, str, int]:
    """Return what the command printed, what it complained of, and its exit code."""
    out, errors, code = StringIO(), StringIO(), 0
    try:
        call_command("audit_anonymous_access", *arguments, stdout=out, stderr=errors)
    except SystemExit as end:
        code = int(end.code or 0)
    return out.getvalue(), errors.getvalue(), code


def views(*arguments: str) -> dict[tuple[str, str], Any]:
    data = json.loads(run("--format", "json", *arguments)[0])
    return {(view["name"], view["method"]): view for view in data["views"]}


def test_the_table_shows_each_url_with_who_reached_it() -> None:
    out, errors, code = run()

    lines = {line.split()[0]: line for line in out.splitlines() if line.startswith("/")}
    assert "visitor" in lines["/shelf/"]
    assert "guest" in lines["/cart/"]
    assert "GET, POST" in lines["/cart/"]
    assert "sent to /in/" in lines["/cart/"]
    assert "permanent" in lines["/orders/"]
    assert "closed" in lines["/vault/"]
    assert "unknown" in lines["/odd/"]
    assert (errors, code) == ("", 0)


def test_the_last_line_counts_and_never_promises() -> None:
    out = run()[0]

    assert out.splitlines()[-1] == (
        "16 pairs of URL and method: 4 visitor, 6 guest, 2 permanent, 2 closed, 2 unknown. "
        "Reached in the probe by guests, and not by visitors, without a decision: 4."
    )
    assert "safe" not in out
    assert "secure" not in out


def test_json_has_an_object_for_each_url_and_method() -> None:
    assert views()["desk", "POST"] == {
        "url": "/desk/",
        "name": "desk",
        "view": "tests.access.test_command.desk",
        "method": "POST",
        "verdict": "guest",
        "reason": "visitor: sent to /in/",
        "body_looks_at": ["is_staff"],
        "allowed": None,
        "outcomes": {"visitor": "refused", "guest": "reached"},
    }


def test_markdown_is_a_table() -> None:
    lines = run("--format", "markdown")[0].splitlines()

    assert lines[0] == "| URL | methods | reached by | how one can tell |"
    assert lines[1] == "| --- | --- | --- | --- |"
    assert "| `/shelf/` | GET, POST | visitor | no guard stopped a visitor |" in lines


def test_one_can_ask_for_some_verdicts_only() -> None:
    assert {name for name, _ in views("--verdict", "closed", "--verdict", "unknown")} == {
        "vault",
        "odd",
    }


def test_it_fails_on_guests_about_whom_nobody_decided() -> None:
    assert run("--fail-on", "guest")[2] == 1
    assert run("--fail-on", "unknown")[2] == 1
    assert run()[2] == 0


def test_it_says_what_it_failed_on() -> None:
    errors = run("--fail-on", "unknown", "--verdict", "guest")[1]

    assert "Nobody decided about GET /odd/ (unknown)." in errors.splitlines()
    assert "/cart/" not in errors


def test_what_is_allowed_in_the_settings_does_not_fail(settings: Settings) -> None:
    settings.ANONAUTH_GUESTS_ALLOWED = ["cart  # carts are for guests", "/desk/  # so is the desk"]

    out, errors, code = run("--fail-on", "guest")

    assert (errors, code) == ("", 0)
    assert "allowed: carts are for guests" in out
    assert "allowed: they may wish" in out


def test_what_is_allowed_in_a_file_does_not_fail(tmp_path: Path) -> None:
    file = tmp_path / "allowed.txt"
    file.write_text("# the shop\n\nGET,post cart # carts\ntests.access.test_command.de* # desk\n")

    assert run("--fail-on", "guest", "--allow", str(file))[2] == 0
    file.write_text("GET cart # reading\n* # no\n".replace("* # no\n", "desk # desk\n"))
    assert run("--fail-on", "guest", "--allow", str(file))[2] == 1


def test_an_entry_that_fits_nothing_is_pointed_out(settings: Settings) -> None:
    settings.ANONAUTH_GUESTS_ALLOWED = ["basket  # renamed long ago"]

    assert run()[1] == "Nothing is named 'basket' any more: renamed long ago\n"


@pytest.mark.parametrize("line", ["cart", "cart #", "GET POST cart # too many words", "# alone"])
def test_an_entry_without_a_reason_is_refused(settings: Settings, line: str) -> None:
    settings.ANONAUTH_GUESTS_ALLOWED = [line]

    with pytest.raises(CommandError, match="The list of what is allowed"):
        run()


def test_a_file_that_is_not_there_is_said_to_be_missing() -> None:
    with pytest.raises(CommandError, match="no-such-file"):
        run("--allow", "no-such-file")


def test_a_user_model_that_knows_no_guests_is_said_to_be_so(settings: Settings) -> None:
    settings.AUTH_USER_MODEL = "testapp.Note"

    with pytest.raises(CommandError, match="E001"):
        run()


# --- tables

ROW = {
    "table": "testapp_note",
    "command": "INSERT",
    "visitor": "refused",
    "guest": "refused",
    "permanent": "depends on the row",
    "reason": "note_no_guests",
}


@pytest.fixture
def table_audit(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    asked: list[str] = []

    def table_audit(alias: str) -> list[dict[str, Any]]:
        asked.append(alias)
        return [ROW]

    monkeypatch.setattr(registry, "table_audits", [table_audit])
    monkeypatch.setattr(
        "anonauth.management.commands.audit_anonymous_access.table_audits", [table_audit]
    )
    return asked


def test_what_a_database_lets_people_do_is_shown_too(table_audit: list[str]) -> None:
    out = run("--tables")[0]

    (line,) = [line for line in out.splitlines() if line.startswith("testapp_note")]
    assert line.split("  ")[0] == "testapp_note"
    assert "depends on the row" in line
    assert table_audit == ["default"]
    assert json.loads(run("--format", "json", "--tables", "default")[0])["tables"] == [ROW]
    assert "| testapp_note | INSERT |" in run("--format", "markdown", "--tables")[0]


def test_a_database_that_is_not_configured_is_said_to_be_so(table_audit: list[str]) -> None:
    with pytest.raises(CommandError, match="no database 'archive'"):
        run("--tables", "archive")


def test_where_nobody_can_tell_of_tables_it_says_who_could(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("anonauth.management.commands.audit_anonymous_access.table_audits", [])
    with pytest.raises(CommandError, match=r"anonauth\.contrib\.postgres"):
        run("--tables")


def test_a_urlconf_that_is_none_is_one_line() -> None:
    with pytest.raises(CommandError, match="There is no such URLconf: No module named 'nowhere'"):
        run("--urlconf", "nowhere")

"""The verdicts on views behind guards of every kind, and that finding them out leaves no trace."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.core import mail
from django.core.cache import cache
from django.db import connection, connections
from django.test import Client

from anonauth.access.report import Finding, audit
from anonauth.access.seal import Blocked, sealed, swapped
from tests.access import lab, libraries
from tests.testapp.models import Note

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.access.lab")]
User = get_user_model()


@pytest.fixture
def findings() -> dict[tuple[str, str], Finding]:
    return once()


@functools.cache
def once(urlconf: str = "tests.access.lab") -> dict[tuple[str, str], Finding]:
    """Return the findings for the tests that change nothing; that they are the same each time is a test of its own."""
    return found(urlconf=urlconf)


def found(**options: Any) -> dict[tuple[str, str], Finding]:
    return {(f.url, f.method): f for f in audit(**options)}


def verdict(findings: Any, url: str, method: str) -> str | None:
    finding = findings.get((url, method))
    return None if finding is None else str(finding.verdict)


def test_each_view_is_reached_by_whom_its_guards_let_in(findings: Any) -> None:
    wrong = {}
    for name, (_, expected) in lab.LAB.items():
        for method, who in zip(("GET", "POST"), _pair(expected), strict=True):
            seen = verdict(findings, f"/{name}/", method)
            if seen != who:
                wrong[name, method] = (
                    seen,
                    who,
                    getattr(findings.get((f"/{name}/", method)), "reason", ""),
                )
    assert wrong == {}


def _pair(expected: Any) -> Any:
    return expected if isinstance(expected, tuple) else (expected, expected)


def test_routers_operations_and_the_pages_of_libraries_are_understood() -> None:
    findings = once("tests.access.libraries")
    wrong = {
        (url, method): (verdict(findings, url, method), who)
        for url, methods in libraries.MORE.items()
        for method, who in methods.items()
        if verdict(findings, url, method) != who
    }
    assert wrong == {}


def test_no_view_runs() -> None:
    lab.ran.clear()
    audit()
    assert lab.ran == []


def test_the_same_project_gives_the_same_findings_each_time() -> None:
    assert audit() == audit()


def test_views_work_as_before_when_the_audit_is_over() -> None:
    audit()
    client = Client()

    assert client.get("/open/").content == b"body"
    assert client.get("/login/").status_code == 302
    client.force_login(User.objects.create_user("ann"))
    for name in (
        "login",
        "no-wraps",
        "object",
        "class-login",
        "rest-permanent",
        "async",
        "partial",
    ):
        assert client.get(f"/{name}/").status_code == 200, name


@pytest.mark.urls("tests.access.libraries")
def test_views_of_libraries_work_as_before_when_the_audit_is_over() -> None:
    audit()
    client = Client()

    assert client.get("/ninja/open").status_code == 200
    assert client.get("/api/notes/").status_code == 200
    assert client.post("/api/notes/").status_code == 403
    assert client.get("/_allauth/app/v1/account/email").status_code == 401


def test_no_class_is_made_for_the_probe() -> None:
    before = list(lab.Registered.known)
    audit()
    assert lab.Registered.known == before


# --- no effects


@pytest.mark.parametrize("name", lab.EFFECTS)
def test_a_guard_with_an_effect_is_unknown_and_has_none(findings: Any, name: str) -> None:
    finding = findings[f"/effect/{name}/", "GET"]

    assert finding.verdict == "unknown"
    assert lab.EFFECTS[name][1] in finding.reason
    assert not Note.objects.exists()
    assert not lab.TRACE.exists()
    assert mail.outbox == []


@pytest.mark.postgres
def test_a_guard_that_locks_rows_is_unknown(django_assert_num_queries: Any) -> None:
    with sealed(database=True) as undone, undone(), pytest.raises(Blocked, match="row locks"):
        list(Note.objects.select_for_update())


@pytest.mark.postgres
def test_the_database_itself_refuses_writes_while_guards_run() -> None:
    insert = "INSERT INTO testapp_tag (name) VALUES ('behind the back')"
    with (
        sealed(database=True) as undone,
        pytest.raises(Exception, match="read-only transaction"),
        undone(),
        connection.connection.cursor() as cursor,
    ):
        cursor.execute(insert)


def test_a_guard_that_writes_to_the_cache_leaves_nothing_there(findings: Any) -> None:
    assert findings["/cached-guard/", "GET"].verdict == "visitor"
    assert cache.get("probe") is None
    cache.set("probe", 2)
    assert cache.get("probe") == 2


def test_the_effects_work_again_when_the_audit_is_over() -> None:
    audit()
    lab.TRACE.mkdir()
    lab.TRACE.rmdir()
    Note.objects.create(owner=User.objects.create_user("ann"))
    assert Note.objects.count() == 1


def test_a_guard_that_asks_the_database_is_answered(findings: Any) -> None:
    assert findings["/owner/", "GET"].verdict == "closed"


def test_without_the_database_a_guard_that_asks_it_is_unknown() -> None:
    without = found(database=False)

    assert without["/owner/", "GET"].verdict == "unknown"
    assert "the database" in without["/owner/", "GET"].reason
    assert without["/login/", "GET"].verdict == "guest"
    assert without["/atomic/", "GET"].verdict == "guest"


@pytest.mark.django_db(transaction=True)
def test_an_audit_outside_of_a_transaction_writes_nothing_either() -> None:
    findings = found()

    assert findings["/effect/insert/", "GET"].verdict == "unknown"
    assert findings["/owner/", "GET"].verdict == "closed"
    assert findings["/atomic/", "GET"].verdict == "guest"
    assert not Note.objects.exists()
    Note.objects.create(owner=User.objects.create_user("ann"))


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "sqlite", reason="a mode of SQLite")
def test_a_project_whose_transactions_begin_as_writers_is_judged_alike() -> None:
    wrapper: Any = connections["default"]
    wrapper.ensure_connection()
    with swapped(wrapper, "transaction_mode", "IMMEDIATE"):
        assert found()["/atomic/", "GET"].verdict == "guest"
        assert wrapper.transaction_mode == "IMMEDIATE"


@pytest.mark.django_db(transaction=True)
def test_views_in_a_transaction_of_their_own_are_judged_alike() -> None:
    before = {key: f.verdict for key, f in found().items()}
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        assert {key: f.verdict for key, f in found().items()} == before
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False


def test_a_question_to_the_database_costs_no_more_than_the_guards_ask(
    django_assert_max_num_queries: Any,
) -> None:
    with django_assert_max_num_queries(0):
        audit(database=False)


# --- middleware


def test_django_s_login_required_middleware_is_asked(settings: Settings) -> None:
    name = "django.contrib.auth.middleware.LoginRequiredMiddleware"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, name]
    findings = found()

    assert findings["/open/", "GET"].verdict == "guest"
    assert findings["/class/", "POST"].verdict == "guest"
    assert findings["/not-required/", "GET"].verdict == "visitor"
    assert findings["/rest/", "GET"].verdict == "visitor"  # REST framework exempts its views
    assert findings["/permanent/", "GET"].verdict == "permanent"


def test_our_stricter_middleware_is_asked(settings: Settings) -> None:
    name = "anonauth.middleware.PermanentUserRequiredMiddleware"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, name]
    findings = found()

    assert findings["/open/", "GET"].verdict == "permanent"
    assert findings["/login/", "GET"].verdict == "permanent"
    assert findings["/marked/", "GET"].verdict == "guest"
    assert findings["/guest/", "GET"].verdict == "guest"
    assert findings["/not-required/", "GET"].verdict == "visitor"


@pytest.mark.parametrize("hosts", [["shop.example"], [".shop.example"], ["*"], []])
def test_a_project_that_forces_https_and_knows_its_hosts_is_judged_alike(
    settings: Settings, hosts: list[str]
) -> None:
    settings.ALLOWED_HOSTS = hosts
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.DEBUG = not hosts

    assert found()["/login/", "GET"].verdict == "guest"


# --- what is said beside the verdict


def test_a_body_that_tells_people_apart_is_pointed_out(findings: Any) -> None:
    assert findings["/class-body/", "GET"].body == ()
    assert findings["/class-body/", "POST"].body == ("PermissionDenied",)


def test_a_decision_for_guests_is_reported_with_its_reason(findings: Any) -> None:
    assert findings["/marked/", "GET"].allowed == "guests_allowed"
    assert findings["/guest/", "GET"].allowed == "guest_required"
    assert findings["/login/", "GET"].allowed is None
    others = once("tests.access.libraries")
    assert others["/auth/user/", "GET"].allowed == "anonauth's own endpoint"
    assert others["/auth/merge/offer/", "POST"].allowed == "anonauth's own endpoint"
    assert "allauth" in others["/accounts/email/", "GET"].allowed  # type: ignore[operator]


def test_the_reason_names_who_was_stopped_and_how(findings: Any) -> None:
    assert findings["/login/", "GET"].reason == "visitor: sent to /accounts/login/"
    assert findings["/wraps/", "GET"].reason == "guest: PermissionDenied"
    assert findings["/rest-permanent/", "GET"].reason == "guest: 403"
    assert "a wrapper in tests.access.lab" in findings["/no-clue/", "GET"].reason
    assert findings["/hidden/", "GET"].reason == "guest: a 404 before the view"


def test_of_a_function_only_methods_that_differ_are_listed(findings: Any) -> None:
    assert [m for url, m in findings if url == "/login/"] == ["GET", "POST"]


def test_a_suffix_for_the_format_is_no_other_door() -> None:
    urls = {url for url, _ in once("tests.access.libraries")}
    assert "/api/notes/" in urls
    assert not [url for url in urls if "format" in url and url.startswith("/api/notes")]

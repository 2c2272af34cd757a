"""What the audit log says, of whom, and how much of it under attack."""

from __future__ import annotations

import logging
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core import mail

from anonauth import audit
from anonauth.flows.merge import merge
from anonauth.flows.purge import purge_guest
from anonauth.refusals import on_request_finished
from tests.client import Api

User: Any = get_user_model()
ADA = "ada.lovelace@example.org"
PASSWORD = "correct horse battery staple"


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Any:
    """Return the facts of the records so far."""
    caplog.set_level(logging.INFO, logger="anonauth.audit")
    return lambda: [
        vars(record)["anonauth"] for record in caplog.records if record.name == "anonauth.audit"
    ]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set the clock that windows are measured by, in seconds."""

    def set_to(seconds: float) -> None:
        monkeypatch.setattr(time, "monotonic", lambda: 1_000_000 + seconds)

    set_to(0)
    return set_to


def test_a_flood_of_one_code_is_ten_records_and_then_a_number(log: Any, clock: Any) -> None:
    for number in range(5000):
        clock(number / 100)
        audit.refused("rate_limited", route="auth/anonymous/")

    refusal = {"event": "refused", "code": "rate_limited", "route": "auth/anonymous/"}
    assert log() == [refusal] * 10

    clock(60)
    audit.refused("rate_limited", route="auth/anonymous/")

    summary = {
        "event": "refusals_suppressed",
        "code": "rate_limited",
        "suppressed": 4990,
        "seconds": 60,
    }
    assert log()[10:] == [summary, refusal]


def test_a_flood_of_one_code_hides_no_record_of_another(log: Any, clock: Any) -> None:
    for _ in range(100):
        audit.refused("rate_limited", route="auth/anonymous/")
    audit.refused("captcha_failed", route="auth/anonymous/")

    assert Counter(facts["code"] for facts in log()) == {"rate_limited": 10, "captcha_failed": 1}


def test_a_few_refusals_are_all_logged_and_nothing_is_summarized(log: Any, clock: Any) -> None:
    for minute in range(3):
        clock(minute * 60)
        for _ in range(10):
            audit.refused("rate_limited", route="auth/anonymous/")
    clock(200)
    on_request_finished()

    assert Counter(facts["event"] for facts in log()) == {"refused": 30}


def test_the_number_is_told_when_the_flood_is_over_by_the_next_request(
    log: Any, clock: Any
) -> None:
    for _ in range(25):
        audit.refused("rate_limited", route="auth/anonymous/")
    on_request_finished()
    assert len(log()) == 10

    clock(61)
    on_request_finished()
    on_request_finished()

    assert [facts.get("suppressed") for facts in log()[10:]] == [15]


def test_any_number_of_codes_of_a_project_fills_neither_disk_nor_memory(
    log: Any, clock: Any
) -> None:
    for number in range(3000):
        audit.refused(f"code-{number}", route="")

    assert len(log()) == 100 + 10
    assert len(audit._windows) == 101


def test_where_nobody_listens_nothing_is_kept(clock: Any) -> None:
    logging.getLogger("anonauth.audit").setLevel(logging.WARNING)
    try:
        audit.refused("rate_limited", route="")
    finally:
        logging.getLogger("anonauth.audit").setLevel(logging.NOTSET)

    assert audit._windows == {}


@pytest.mark.django_db(transaction=True)
def test_a_life_is_one_record_an_event_and_names_nobody(log: Any) -> None:
    api, other = Api(), Api()
    user = api.sign_in()
    api.post("upgrade/email/", {"email": ADA, "password": PASSWORD, "name": "Ada Lovelace"})
    code = re.findall(r"^[A-Z]{4}-[A-Z]{4}$", str(mail.outbox[-1].body), re.MULTILINE)[0]
    api.post("upgrade/email/verify/", {"code": "WRNG-WRNG"})
    answer = api.post("upgrade/email/verify/", {"code": code})
    assert answer.status_code == 200, answer.content
    gone = other.sign_in()
    purge_guest(user_id=gone["id"])
    joins = Api().sign_in()
    account = User.objects.get(pk=user["id"])
    merge(guest=User.objects.get(pk=joins["id"]), into=account, method="password")
    leaves = Api()
    left = leaves.sign_in()
    leaves.post("sign-out/", {"lose_data": True})
    Api().post("upgrade/social/ada.lovelace/token/", {"id_token": "secret-token"})

    told = [(facts["event"], facts.get("user_id")) for facts in log()]
    assert [event for event in told if event[0] != "refused"] == [
        ("guest_created", user["id"]),
        ("guest_upgraded", user["id"]),
        ("guest_created", gone["id"]),
        ("guest_purged", gone["id"]),
        ("guest_created", joins["id"]),
        ("guest_merged", joins["id"]),
        ("guest_created", left["id"]),
        ("signed_out_everywhere", left["id"]),
    ]
    assert [facts["code"] for facts in log() if facts["event"] == "refused"] == [
        "code_incorrect",
        "not_authenticated",
    ]
    text = str(log()).lower()
    personal = (ADA, "lovelace", code.lower(), "wrng", "127.0.0.1", "secret", PASSWORD)
    assert [word for word in personal if word in text] == []


def test_every_event_in_the_code_was_looked_at_here() -> None:
    """A new event needs a line in the test above, and here."""
    root = Path(audit.__file__).parent
    sources = "\n".join(path.read_text("utf-8") for path in root.rglob("*.py"))
    calls = re.findall(r'\brecord\(\s*"(\w+)"(.*?)\)\n', sources, re.DOTALL)
    fields = {event: set(re.findall(r"(\w+)=", arguments)) for event, arguments in calls}

    assert fields == {
        "guest_created": {"user_id", "credentials"},
        "guest_merged": {"user_id", "account_id", "method"},
        "guest_purged": {"user_id"},
        "guest_upgraded": {"user_id", "method"},
        "refused": {"code", "route"},
        "refusals_suppressed": {"code", "suppressed", "seconds"},
        "signed_out_everywhere": {"user_id"},
    }

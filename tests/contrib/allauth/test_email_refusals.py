"""What the upgrade by e-mail refuses, and what a mail server that fails costs."""

from __future__ import annotations

import smtplib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import get_user_model
from django.core import mail
from django.db import connection

from anonauth.models import PendingUpgrade
from tests.client import Api
from tests.contrib.allauth.by_code import (
    ADA,
    PASSWORD,
    new_guest,
    owner,
    sent_code,
    start,
    verify,
    wait,
)

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db(transaction=True)
User = get_user_model()


@pytest.fixture(autouse=True)
def no_waiting(settings: Settings) -> None:
    """Most tests ask for several codes; those of the spacing set their own."""
    settings.ANONAUTH_CODE_INTERVAL = timedelta(0)


@pytest.fixture
def guest() -> Api:
    return new_guest()


@pytest.mark.parametrize(
    "path", ["upgrade/email/", "upgrade/email/verify/", "upgrade/email/resend/"]
)
def test_only_guests_are_let_in(path: str, guest: Api) -> None:
    permanent = Api()
    permanent.http.force_login(User.objects.create_user("ann"))
    permanent.get("user/")
    body = {"email": ADA} if path == "upgrade/email/" else {}

    visitor = Api().post(path, body)
    member = permanent.post(path, body, X_CSRFToken="")

    assert (visitor.status_code, visitor.json()["code"]) == (401, "not_authenticated")
    assert member.status_code == 403
    permanent.http.handler.enforce_csrf_checks = False
    assert permanent.post(path, body).json()["code"] == "not_anonymous"
    assert mail.outbox == []


def test_a_session_needs_its_csrf_token() -> None:
    api = new_guest(credentials="session")

    answer = api.post("upgrade/email/", {"email": ADA}, X_CSRFToken="")

    assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")
    assert mail.outbox == []


def test_a_banned_guest_is_shut_out_at_every_step(guest: Api) -> None:
    code = start(guest)
    User.objects.update(is_active=False)

    for path, body in (
        ("upgrade/email/", {"email": ADA}),
        ("upgrade/email/verify/", {"code": code}),
        ("upgrade/email/resend/", {}),
    ):
        answer = guest.post(path, body)
        assert (answer.status_code, answer.json()["code"]) == (401, "user_inactive")
    assert User.objects.get().is_guest


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "email"),
        ({"email": "ada"}, "email"),
        ({"email": "a" * 250 + "@example.org"}, "email"),
        ({"email": "ada@example.org\nBcc: all@example.org"}, "email"),
        ({"email": ADA, "password": "12345"}, "password"),
        ({"email": ADA, "password": "guestguest", "name": "guestguest"}, "password"),
        ({"email": ADA, "password": ADA}, "password"),
        ({"email": ADA, "is_guest": False}, "is_guest"),
        ({"email": ADA, "name": "x" * 151}, "name"),
    ],
)
def test_what_is_not_acceptable_is_refused_at_the_start(
    body: Any, field: str, guest: Api, settings: Settings
) -> None:
    validators = "django.contrib.auth.password_validation"
    settings.AUTH_PASSWORD_VALIDATORS = [
        {"NAME": f"{validators}.MinimumLengthValidator"},
        {"NAME": f"{validators}.UserAttributeSimilarityValidator"},
    ]

    answer = guest.post("upgrade/email/", body)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert field in answer.json()["fields"]
    assert mail.outbox == []
    assert not PendingUpgrade.objects.exists()


def test_no_upgrade_where_sign_up_is_closed(guest: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    from allauth.account.adapter import get_adapter

    adapter = type(get_adapter())
    monkeypatch.setattr(adapter, "is_open_for_signup", lambda self, request: False)

    answer = guest.post("upgrade/email/", {"email": ADA})

    assert (answer.status_code, answer.json()["code"]) == (403, "signup_closed")
    assert mail.outbox == []


@pytest.mark.parametrize("path", ["upgrade/email/verify/", "upgrade/email/resend/"])
def test_nothing_can_be_proved_before_it_was_asked_for(path: str, guest: Api) -> None:
    answer = guest.post(path, {"code": "AAAA-AAAA"} if "verify" in path else {})

    assert (answer.status_code, answer.json()["code"]) == (409, "no_pending_upgrade")


def test_a_code_expires(guest: Api, settings: Settings) -> None:
    settings.ANONAUTH_CODE_LIFETIME = timedelta(minutes=10)
    code = start(guest)
    wait(minutes=10)

    assert verify(guest, code).json()["code"] == "no_pending_upgrade"
    assert guest.post("upgrade/email/resend/").json()["code"] == "no_pending_upgrade"
    assert verify(guest, start(guest)).status_code == 200


def test_the_number_of_attempts_is_told_and_ends(guest: Api) -> None:
    code = start(guest)

    answers = [verify(guest, "BBBB-BBBB").json() for _ in range(3)]

    assert [(a["code"], a["attempts_left"]) for a in answers] == [
        ("code_incorrect", 2),
        ("code_incorrect", 1),
        ("code_incorrect", 0),
    ]
    assert verify(guest, code).json()["code"] == "no_pending_upgrade"
    assert User.objects.get().is_guest


def test_the_last_attempt_may_be_the_right_one(guest: Api) -> None:
    code = start(guest)
    verify(guest, "BBBB-BBBB")
    verify(guest, "BBBB-BBBB")

    assert verify(guest, code).status_code == 200


@pytest.mark.parametrize("code", ["-", "----", " - ", "\u00ad", "AAAA-AAAÄ"])
def test_strange_codes_are_just_wrong(code: str, guest: Api) -> None:
    start(guest)

    assert verify(guest, code).json()["code"] == "code_incorrect"


@pytest.mark.parametrize("path", ["upgrade/email/", "upgrade/email/resend/"])
def test_codes_are_spaced(path: str, guest: Api, settings: Settings) -> None:
    settings.ANONAUTH_CODE_INTERVAL = timedelta(seconds=60)
    code = start(guest)

    answer = guest.post(path, {"email": "bob@example.org"} if path == "upgrade/email/" else {})

    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert 58 <= int(answer["Retry-After"]) <= 60
    assert len(mail.outbox) == 1
    wait(seconds=60)
    assert guest.post(path, {"email": ADA} if path == "upgrade/email/" else {}).status_code == 202
    assert len(mail.outbox) == 2
    assert sent_code() != code


def test_a_network_asks_for_so_many_codes_only(settings: Settings) -> None:
    settings.ANONAUTH_CODE_RATE_LIMITS = ("2/h",)
    for number in range(2):
        start(new_guest(), f"user{number}@example.org")

    answer = new_guest().post("upgrade/email/", {"email": ADA})

    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert "Retry-After" in answer
    assert len(mail.outbox) == 2


def test_a_network_tries_so_many_codes_only(guest: Api, settings: Settings) -> None:
    settings.ANONAUTH_VERIFY_RATE_LIMITS = ("1/h",)
    code = start(guest)
    verify(guest, "BBBB-BBBB")

    assert verify(guest, code).json()["code"] == "rate_limited"
    assert User.objects.get().is_guest


def test_an_abandoned_upgrade_leaves_nothing_on_the_user(guest: Api) -> None:
    before = User.objects.values().get()
    start(guest, password=PASSWORD, name="Ada")
    verify(guest, "BBBB-BBBB")
    owner("bob@example.org")
    start(guest, "bob@example.org")
    verify(guest, "BBBB-BBBB")

    assert User.objects.filter(pk=before["id"]).values().get() == before
    assert not EmailAddress.objects.filter(user_id=before["id"]).exists()


def test_a_guest_who_is_erased_takes_his_pending_with_him(guest: Api) -> None:
    start(guest)

    assert guest.delete("user/").status_code == 204
    assert not PendingUpgrade.objects.exists()


@pytest.fixture
def broken_smtp(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the mail server fail while the fixture's value is a list with an error in it."""
    from django.core.mail.backends.locmem import EmailBackend

    errors: list[Exception] = []
    real = EmailBackend.send_messages

    def send_messages(self: Any, messages: Any) -> Any:
        assert not connection.in_atomic_block
        if errors:
            raise errors[0]
        return real(self, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", send_messages)
    return errors


@pytest.mark.parametrize(
    "error", [smtplib.SMTPServerDisconnected("gone"), TimeoutError(), ConnectionRefusedError()]
)
def test_a_mail_that_cannot_be_sent_loses_nothing(
    error: Exception, guest: Api, broken_smtp: Any, settings: Settings
) -> None:
    settings.ANONAUTH_CODE_INTERVAL = timedelta(seconds=60)
    broken_smtp.append(error)

    answer = guest.post("upgrade/email/", {"email": ADA})

    assert (answer.status_code, answer.json()["code"]) == (503, "delivery_failed")
    assert not PendingUpgrade.objects.exists()
    broken_smtp.clear()
    # At once: what was not sent does not count as sent.
    assert verify(guest, start(guest)).status_code == 200


def test_a_second_mail_that_cannot_be_sent_leaves_the_first_code_good(
    guest: Api, broken_smtp: Any
) -> None:
    code = start(guest, password=PASSWORD)
    verify(guest, "BBBB-BBBB")
    before = PendingUpgrade.objects.values().get()
    broken_smtp.append(smtplib.SMTPDataError(451, b"later"))

    assert guest.post("upgrade/email/", {"email": "bob@example.org"}).status_code == 503

    assert PendingUpgrade.objects.values().get() == before
    assert verify(guest, code).status_code == 200
    assert User.objects.get().check_password(PASSWORD)


def test_a_fault_of_the_project_is_not_called_a_delivery_failure(
    guest: Api, broken_smtp: Any
) -> None:
    broken_smtp.append(TypeError("a bug"))

    with pytest.raises(TypeError):
        guest.post("upgrade/email/", {"email": ADA})

    assert not PendingUpgrade.objects.exists()


def test_codes_and_addresses_are_not_logged(
    guest: Api, broken_smtp: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="anonauth")
    caplog.set_level("DEBUG", logger="anonauth.audit")
    code = start(guest, password=PASSWORD)
    verify(guest, "BBBB-BBBB")
    broken_smtp.append(smtplib.SMTPRecipientsRefused({ADA: (550, code.encode())}))
    guest.post("upgrade/email/resend/")
    broken_smtp.clear()
    verify(guest, start(guest))

    text = "".join(str(vars(record)) for record in caplog.records if "anonauth" in record.name)
    assert "delivery_failed" in text
    assert "guest_upgraded" in text
    for secret in (code, sent_code(), "BBBB", PASSWORD, ADA):
        assert secret not in text

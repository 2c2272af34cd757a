"""A guest proves an e-mail address by a code and is permanent."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from allauth.account.models import EmailAddress
from allauth.account.signals import email_added, email_confirmed, user_signed_up
from django.contrib.auth import get_user_model
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext

from anonauth.models import DailyTally, PendingUpgrade
from anonauth.signals import guest_upgraded
from tests.client import Api
from tests.contrib.allauth.by_code import (
    ADA,
    PASSWORD,
    is_statement,
    new_guest,
    sent_code,
    start,
    verb_and_table,
    verify,
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


def test_a_guest_who_types_the_code_is_permanent_and_the_same_row(guest: Api) -> None:
    before = guest.get("user/").json()

    answer = verify(guest, start(guest))

    assert answer.status_code == 200
    body = answer.json()
    assert body["user"]["id"] == before["id"]
    assert body["user"]["is_anonymous"] is False
    assert body["user"]["email"] == ADA
    assert body["user"]["purge_at"] is None
    assert (body["credentials"], body["token_type"]) == ("jwt", "Bearer")
    assert "no-store" in answer["Cache-Control"]
    user = User.objects.get()
    assert (str(user.pk), user.email, user.is_guest) == (before["id"], ADA, False)
    assert not user.has_usable_password()
    row = EmailAddress.objects.get()
    assert (row.user_id, row.email, row.verified, row.primary) == (user.pk, ADA, True, True)
    assert not PendingUpgrade.objects.exists()
    tally = DailyTally.objects.get(event="upgraded")
    assert (tally.event, tally.label, tally.count) == ("upgraded", "email", 1)


def test_the_identity_is_listed_afterwards(guest: Api) -> None:
    guest.tokens = verify(guest, start(guest)).json()

    assert guest.get("user/").json()["identities"] == [
        {"type": "email", "email": ADA, "primary": True}
    ]


def test_asking_for_a_code_is_answered_with_nothing_but_times(guest: Api) -> None:
    answer = guest.post("upgrade/email/", {"email": ADA})

    assert answer.status_code == 202
    assert answer.json() == {"expires_in": 900, "resend_after": 0}
    assert "no-store" in answer["Cache-Control"]
    (message,) = mail.outbox
    assert message.to == [ADA]


def test_settings_list_the_method(guest: Api) -> None:
    assert "email" in guest.get("settings/").json()["upgrade_methods"]
    assert "email" in guest.get("user/").json()["upgrade_methods"]


def test_a_session_goes_on_under_a_new_key_with_its_data() -> None:
    api = new_guest(credentials="session")
    session = api.http.session
    session["cart"] = [1, 2]
    session.save()
    planted = api.http.cookies["sessionid"].value

    answer = verify(api, start(api))

    assert answer.json()["credentials"] == "session"
    assert "access" not in answer.json()
    assert api.http.cookies["sessionid"].value != planted
    assert api.http.session["cart"] == [1, 2]
    assert api.get("user/").json()["is_anonymous"] is False
    thief = Api()
    thief.http.cookies["sessionid"] = planted
    assert thief.get("user/").status_code == 401


def test_tokens_from_before_the_upgrade_are_dead(guest: Api) -> None:
    fresh = verify(guest, start(guest)).json()

    assert guest.get("user/").json()["code"] == "token_revoked"
    assert guest.refresh().json()["code"] == "token_revoked"
    assert verify(guest, "AAAA-AAAA").status_code == 401
    guest.tokens = fresh
    assert guest.get("user/").status_code == 200
    assert guest.refresh().status_code == 200


def test_password_and_name_come_with_the_address(guest: Api, settings: Settings) -> None:
    settings.ACCOUNT_LOGIN_METHODS = {"email", "username"}
    code = start(guest, password=PASSWORD, name="Ada King Lovelace")
    user = User.objects.get()
    assert (user.has_usable_password(), user.get_full_name(), user.email) == (False, "", "")

    fresh = verify(guest, code).json()

    user = User.objects.get()
    assert user.check_password(PASSWORD)
    assert user.get_full_name() == "Ada King Lovelace"
    guest.tokens = fresh
    assert guest.get("user/").status_code == 200
    assert Api().post("token/", {"email": ADA, "password": PASSWORD}).status_code == 200


def test_the_password_is_kept_as_a_hash_and_the_code_is_not_kept(guest: Api) -> None:
    code = start(guest, password=PASSWORD)

    row = PendingUpgrade.objects.values().get()

    assert PASSWORD not in str(row)
    assert code not in str(row)
    assert code.replace("-", "").lower() not in str(row).lower()


def test_a_code_may_be_typed_in_small_letters_and_without_the_dash(guest: Api) -> None:
    code = start(guest)

    assert verify(guest, f" {code.replace('-', '').lower()} ").status_code == 200


def test_an_address_has_one_spelling(guest: Api) -> None:
    code = start(guest, "ADA@Example.ORG")

    assert verify(guest, code).json()["user"]["email"] == ADA
    assert EmailAddress.objects.get().email == ADA


def test_another_code_can_be_asked_for_and_the_first_is_void(guest: Api) -> None:
    first = start(guest, password=PASSWORD, name="Ada")
    again = guest.post("upgrade/email/resend/")

    assert again.status_code == 202
    assert verify(guest, first).json()["code"] == "code_incorrect"
    assert verify(guest, sent_code()).status_code == 200
    assert User.objects.get().check_password(PASSWORD)
    assert User.objects.get().first_name == "Ada"


def test_a_wrongly_typed_address_can_be_corrected(guest: Api) -> None:
    wrong = start(guest, "adda@example.org", password=PASSWORD)
    right = start(guest)

    assert verify(guest, wrong).json()["code"] == "code_incorrect"
    assert verify(guest, right).status_code == 200
    user = User.objects.get()
    assert user.email == ADA
    # The password belonged to what was asked for then.
    assert not user.has_usable_password()


def test_receivers_of_allauth_and_ours_hear_of_it(guest: Api) -> None:
    heard: list[str] = []

    def receiver(signal: Any, **kwargs: Any) -> None:
        assert User.objects.get().is_guest is False
        user = kwargs.get("user") or kwargs["email_address"].user
        assert user.email == ADA
        heard.append({email_added: "added", email_confirmed: "confirmed"}.get(signal, "upgraded"))

    signals = (email_added, email_confirmed, guest_upgraded, user_signed_up)
    for signal in signals:
        signal.connect(receiver)
    try:
        verify(guest, start(guest))
    finally:
        for signal in signals:
            signal.disconnect(receiver)

    assert sorted(heard) == ["added", "confirmed", "upgraded"]


def test_verifying_is_seventeen_statements(guest: Api) -> None:
    DailyTally.objects.add("upgraded", "email")
    DailyTally.objects.add("departed", "upgraded")
    code = start(guest)
    with CaptureQueriesContext(connection) as queries:
        assert verify(guest, code).status_code == 200

    assert [verb_and_table(q["sql"]) for q in queries if is_statement(q["sql"])] == [
        "SELECT testapp_user",  # who is it
        "UPDATE anonauth_pendingupgrade",  # the attempt
        "SELECT anonauth_pendingupgrade",
        "SELECT testapp_user",  # locked
        "DELETE anonauth_pendingupgrade",  # used up
        "SELECT account_emailaddress",  # whose address
        "SELECT testapp_user",
        "SELECT account_emailaddress",  # leftovers of the guest
        "INSERT account_emailaddress",
        "UPDATE testapp_user",
        "SELECT testapp_user",  # the upgrade itself, five
        "UPDATE testapp_user",
        "DELETE anonauth_pendingupgrade",
        "UPDATE anonauth_dailytally",
        "UPDATE anonauth_dailytally",
        "SELECT account_emailaddress",  # the answer
        "SELECT socialaccount_socialaccount",
    ]


def test_an_app_of_the_headless_api_keeps_its_session_under_a_new_token(settings: Settings) -> None:
    settings.ANONAUTH_CREDENTIALS = ("headless",)
    api = Api()
    before = api.post("anonymous/").json()["session_token"]

    def send(path: str, body: Any, token: str) -> Any:
        return api.post(path, body, X_Session_Token=token)

    assert send("upgrade/email/", {"email": ADA}, before).status_code == 202
    answer = send("upgrade/email/verify/", {"code": sent_code()}, before)

    assert (answer.status_code, answer.json()["credentials"]) == (200, "headless")
    token = answer.json()["session_token"]
    assert token != before
    assert api.get("user/", X_Session_Token=token).json()["is_anonymous"] is False
    assert api.get("user/", X_Session_Token=before).status_code == 401
    # And so does the first password.
    renewed = send("user/password/", {"password": PASSWORD}, token).json()["session_token"]
    assert api.get("user/", X_Session_Token=renewed).status_code == 200
    assert api.get("user/", X_Session_Token=token).status_code == 401

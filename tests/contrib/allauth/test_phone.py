"""A guest proves a phone number by a code, through the phone methods of the project's account adapter."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext

from anonauth.models import DailyTally, PendingUpgrade
from anonauth.tickets import read_merge_ticket
from tests.client import Api
from tests.contrib.allauth.by_code import PASSWORD, is_statement, new_guest, verb_and_table, wait
from tests.testapp.adapters import AccountAdapter, sms

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db(transaction=True)
User = get_user_model()
NUMBER = "+4930123456"


@pytest.fixture(autouse=True)
def no_waiting(settings: Settings) -> None:
    """Most tests ask for several codes; those of the spacing set their own."""
    settings.ANONAUTH_CODE_INTERVAL = timedelta(0)
    sms.clear()


@pytest.fixture
def guest() -> Api:
    return new_guest()


def start(api: Api, phone: str = NUMBER, **more: Any) -> str:
    answer = api.post("upgrade/phone/", {"phone": phone, **more})
    assert answer.status_code == 202, answer.content
    return sms[-1][1]


def verify(api: Api, code: str) -> Any:
    return api.post("upgrade/phone/verify/", {"code": code})


def test_a_guest_who_types_the_code_is_permanent_and_the_same_row(guest: Api) -> None:
    key = guest.get("user/").json()["id"]

    answer = verify(guest, start(guest, password=PASSWORD, name="Ada Lovelace"))

    assert answer.status_code == 200
    assert (answer.json()["user"]["id"], answer.json()["user"]["is_anonymous"]) == (key, False)
    assert answer.json()["user"]["identities"] == [{"type": "phone", "phone": NUMBER}]
    assert [number for number, _ in sms] == [NUMBER]
    user = User.objects.get()
    assert (user.phone, user.phone_verified, user.is_guest) == (NUMBER, True, False)
    assert user.check_password(PASSWORD)
    assert user.get_full_name() == "Ada Lovelace"
    assert not PendingUpgrade.objects.exists()
    tally = DailyTally.objects.get(event="upgraded")
    assert (tally.event, tally.label, tally.count) == ("upgraded", "phone", 1)
    assert guest.get("user/").json()["code"] == "token_revoked"
    guest.tokens = answer.json()
    assert guest.get("user/").json()["identities"] == [{"type": "phone", "phone": NUMBER}]


def test_a_session_goes_on(guest: Api) -> None:
    api = new_guest(credentials="session")
    before = api.http.cookies["sessionid"].value

    assert verify(api, start(api)).json()["credentials"] == "session"

    assert api.http.cookies["sessionid"].value != before
    assert api.get("user/").json()["is_anonymous"] is False


def test_settings_list_the_method(guest: Api) -> None:
    assert "phone" in guest.get("settings/").json()["upgrade_methods"]


@pytest.mark.parametrize(
    "path", ["upgrade/phone/", "upgrade/phone/verify/", "upgrade/phone/resend/"]
)
def test_without_text_messages_the_method_is_neither_listed_nor_there(
    path: str, guest: Api, settings: Settings
) -> None:
    settings.ACCOUNT_ADAPTER = "anonauth.contrib.allauth.adapters.AccountAdapter"
    settings.ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
    body = {
        "upgrade/phone/": {"phone": NUMBER},
        "upgrade/phone/verify/": {"code": "1"},
        "upgrade/phone/resend/": {},
    }

    answer = guest.post(path, body[path])

    assert (answer.status_code, answer.json()["code"]) == (404, "method_unavailable")
    assert "phone" not in guest.get("settings/").json()["upgrade_methods"]


@pytest.mark.parametrize("phone", ["030123456", "+49", "abc", "+4930123456; drop", ""])
def test_a_number_without_country_code_is_refused(phone: str, guest: Api) -> None:
    answer = guest.post("upgrade/phone/", {"phone": phone})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert list(answer.json()["fields"]) == ["phone"]
    assert sms == []


def test_a_free_and_a_taken_number_cannot_be_told_apart(guest: Api) -> None:
    User.objects.create_user("owner", phone=NUMBER, phone_verified=True)
    other = new_guest()
    asked = []
    for api, phone in ((guest, "+4930999999"), (other, NUMBER)):
        with CaptureQueriesContext(connection) as queries:
            answer = api.post("upgrade/phone/", {"phone": phone})
        statements = [verb_and_table(q["sql"]) for q in queries if is_statement(q["sql"])]
        asked.append((answer.status_code, answer.content, answer.headers, statements))

    assert asked[0] == asked[1]
    assert [number for number, code in sms if code] == ["+4930999999", NUMBER]


def test_who_proves_a_taken_number_gets_a_ticket_and_stays_a_guest(guest: Api) -> None:
    account = User.objects.create_user("owner", phone=NUMBER, phone_verified=True)
    code = start(guest, password=PASSWORD, name="Mallory")

    answer = verify(guest, code)

    assert (answer.status_code, answer.json()["code"]) == (409, "phone_taken")
    ticket = read_merge_ticket(answer.json()["merge_ticket"], lifetime=timedelta(minutes=1))
    me = User.objects.get(is_guest=True)
    assert ticket is not None
    assert ticket.is_current(guest=me, account=account)
    assert (me.phone, me.has_usable_password(), me.first_name) == (None, False, "")
    assert verify(guest, code).json()["code"] == "no_pending_upgrade"


def test_a_number_that_a_unique_column_holds_is_taken_also_if_it_was_never_proved(
    guest: Api,
) -> None:
    User.objects.create_user("squatter", phone=NUMBER)

    assert verify(guest, start(guest)).json()["code"] == "phone_taken"
    me = User.objects.get(is_guest=True)
    assert (me.phone, me.first_name, me.has_usable_password()) == (None, "", False)
    assert guest.get("user/").json()["is_anonymous"] is True


def test_another_code_can_be_asked_for_and_the_first_is_void(guest: Api) -> None:
    first = start(guest)

    assert guest.post("upgrade/phone/resend/").status_code == 202
    assert verify(guest, first).json()["code"] == "code_incorrect"
    assert verify(guest, sms[-1][1]).status_code == 200


def test_codes_are_spaced_and_counted(guest: Api, settings: Settings) -> None:
    settings.ANONAUTH_CODE_INTERVAL = timedelta(seconds=60)
    code = start(guest)

    assert guest.post("upgrade/phone/resend/").json()["code"] == "rate_limited"
    for _ in range(3):
        verify(guest, "1")
    assert verify(guest, code).json()["code"] == "no_pending_upgrade"
    wait(minutes=15)
    assert verify(guest, start(guest)).status_code == 200


def test_an_email_code_does_not_prove_a_number(guest: Api) -> None:
    from tests.contrib.allauth import by_code

    code = by_code.start(guest)
    start(guest)

    assert verify(guest, code).json()["code"] == "code_incorrect"


def test_a_provider_that_fails_loses_nothing(guest: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    class ProviderDown(Exception):
        pass

    def fail(self: Any, **kwargs: Any) -> None:
        assert not connection.in_atomic_block
        raise ProviderDown

    with monkeypatch.context() as patch:
        patch.setattr(AccountAdapter, "send_verification_code_sms", fail)
        answer = guest.post("upgrade/phone/", {"phone": NUMBER})

    assert (answer.status_code, answer.json()["code"]) == (503, "delivery_failed")
    assert not PendingUpgrade.objects.exists()
    assert verify(guest, start(guest)).status_code == 200


def test_only_guests_are_let_in(client: Any) -> None:
    client.force_login(User.objects.create_user("ann"))

    answer = client.post("/auth/upgrade/phone/", {"phone": NUMBER}, "application/json")

    assert (answer.status_code, answer.json()["code"]) == (403, "not_anonymous")
    assert Api().post("upgrade/phone/", {"phone": NUMBER}).status_code == 401

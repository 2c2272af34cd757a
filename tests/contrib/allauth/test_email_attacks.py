"""What attackers try with the upgrade by e-mail: taken addresses, guesses, codes of others, planted passwords."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import get_user_model
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from anonauth.flows.pending import forget_expired
from anonauth.models import PendingUpgrade
from anonauth.tickets import read_merge_ticket
from tests.client import Api
from tests.contrib.allauth.by_code import (
    ADA,
    PASSWORD,
    is_statement,
    new_guest,
    owner,
    sent_code,
    start,
    verb_and_table,
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


# --- whose address is it -------------------------------------------------------------------------------------------


def test_a_free_and_a_taken_address_cannot_be_told_apart(guest: Api, settings: Settings) -> None:
    owner()
    other = new_guest()
    asked = {}
    for name, api, email in (("free", guest, "bob@example.org"), ("taken", other, ADA)):
        mail.outbox.clear()
        with CaptureQueriesContext(connection) as queries:
            answer = api.post("upgrade/email/", {"email": email, "password": PASSWORD})
        statements = [verb_and_table(q["sql"]) for q in queries if is_statement(q["sql"])]
        asked[name] = (answer.status_code, answer.content, answer.headers, statements)
        assert [message.to for message in mail.outbox] == [[email]]

    assert asked["free"] == asked["taken"]


def test_a_wrong_code_tells_nothing_of_the_address(guest: Api) -> None:
    owner()
    other = new_guest()
    start(guest, "bob@example.org")
    start(other, ADA)

    answers = [verify(api, "BBBB-BBBB") for api in (guest, other)]

    assert answers[0].content == answers[1].content


def test_the_owner_of_a_taken_address_is_told_what_happened(guest: Api) -> None:
    owner()
    start(guest)

    (message,) = mail.outbox
    assert "You have an account already" in message.subject
    assert "There is one already." in message.body
    assert sent_code() in message.body


def test_the_mail_speaks_the_language_of_the_request(guest: Api, settings: Settings) -> None:
    from django.utils.translation import override

    owner()
    with override("de"):
        guest.post("upgrade/email/", {"email": ADA})

    assert "Sie haben schon ein Konto" in mail.outbox[0].subject


def test_who_proves_a_taken_address_gets_a_ticket_and_stays_a_guest(guest: Api) -> None:
    account = owner()
    row = User.objects.filter(pk=account.pk).values().get()
    code = start(guest, password="another good password", name="Mallory")

    answer = verify(guest, code)

    assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")
    ticket = read_merge_ticket(answer.json()["merge_ticket"], lifetime=timedelta(minutes=1))
    me = User.objects.get(is_guest=True)
    assert ticket is not None
    assert ticket.is_current(guest=me, account=account)
    assert ticket.method == "email"
    assert (me.email, me.has_usable_password(), me.first_name) == ("", False, "")
    assert User.objects.filter(pk=account.pk).values().get() == row
    assert guest.get("user/").json()["is_anonymous"] is True
    assert verify(guest, code).json()["code"] == "no_pending_upgrade"
    # He can go on with another address.
    assert verify(guest, start(guest, "bob@example.org")).status_code == 200


def test_an_address_known_to_the_user_model_alone_is_taken(guest: Api) -> None:
    User.objects.create_user("admin", ADA, PASSWORD, is_staff=True)

    assert verify(guest, start(guest)).json()["code"] == "email_taken"


def test_an_account_that_never_proved_the_address_does_not_keep_it(guest: Api) -> None:
    squatter = User.objects.create_user("squatter", ADA, PASSWORD)
    EmailAddress.objects.create(user=squatter, email=ADA, verified=False, primary=True)

    assert verify(guest, start(guest)).status_code == 200
    assert EmailAddress.objects.get(verified=True).user.email == ADA


def test_where_nothing_is_ever_proved_the_account_that_has_the_address_keeps_it(
    guest: Api, settings: Settings
) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = False
    settings.ACCOUNT_EMAIL_VERIFICATION = "none"
    user = User.objects.create_user("ada", ADA, PASSWORD)
    EmailAddress.objects.create(user=user, email=ADA, verified=False, primary=True)

    assert verify(guest, start(guest)).json()["code"] == "email_taken"


def test_accounts_may_share_an_address_where_the_project_says_so(
    guest: Api, settings: Settings
) -> None:
    # The constraint in the database is made when the tables are; an address of the user model alone has none.
    settings.ACCOUNT_UNIQUE_EMAIL = False
    User.objects.create_user("ada", ADA, PASSWORD)

    assert verify(guest, start(guest)).status_code == 200


@pytest.mark.parametrize("spelling", ["ADA@EXAMPLE.ORG", "ada@\uff45xample.org"])
def test_a_spelling_of_a_taken_address_is_taken(spelling: str, guest: Api) -> None:
    owner()
    guest.post("upgrade/email/", {"email": spelling})

    assert [message.to for message in mail.outbox] == [[ADA]]
    assert verify(guest, sent_code()).json()["code"] == "email_taken"


def test_a_pending_address_reserves_nothing(guest: Api) -> None:
    code = start(guest, password="the attacker's own password")
    victim = new_guest()

    # The victim is not hindered, and is not told of the attacker.
    assert verify(victim, start(victim)).status_code == 200
    late = verify(guest, code)

    assert (late.status_code, late.json()["code"]) == (409, "email_taken")
    assert not User.objects.get(email=ADA).has_usable_password()
    assert guest.get("user/").json()["is_anonymous"] is True


def test_a_pending_address_does_not_hinder_allauths_own_sign_up(guest: Api, client: Any) -> None:
    code = start(guest, password="the attacker's own password")
    mail.outbox.clear()

    client.post("/accounts/signup/", {"email": ADA, "password1": PASSWORD, "password2": PASSWORD})
    client.post("/accounts/confirm-email/", {"code": sent_code()})

    victim = User.objects.get(email=ADA)
    assert (victim.is_guest, victim.check_password(PASSWORD)) == (False, True)
    assert EmailAddress.objects.get().verified
    assert verify(guest, code).json()["code"] == "email_taken"


def test_of_two_guests_at_one_address_the_first_to_prove_it_wins(guest: Api) -> None:
    other = new_guest()
    first, second = start(guest), start(other)

    assert verify(other, second).status_code == 200
    assert verify(guest, first).json()["code"] == "email_taken"
    assert EmailAddress.objects.get().user.email == ADA


# --- codes ---------------------------------------------------------------------------------------------------------


def test_the_code_of_another_guest_does_not_work(guest: Api) -> None:
    other = new_guest()
    start(other)
    code = start(guest)

    assert verify(other, code).json()["code"] == "code_incorrect"
    assert User.objects.guests().count() == 2


def test_a_code_is_bound_to_its_address(guest: Api) -> None:
    code = start(guest)
    # Somebody who can write to the table, e.g. through a hole, exchanges the address for one that he cannot read.
    PendingUpgrade.objects.update(target="admin@example.org")

    assert verify(guest, code).json()["code"] == "code_incorrect"


def test_a_used_code_is_used_up(guest: Api) -> None:
    code = start(guest)
    guest.tokens = verify(guest, code).json()

    again = verify(guest, code)

    assert (again.status_code, again.json()["code"]) == (403, "not_anonymous")


def test_wrong_codes_stay_counted_when_a_new_code_is_asked_for(guest: Api) -> None:
    start(guest)
    verify(guest, "BBBB-BBBB")
    start(guest, "bob@example.org")
    verify(guest, "BBBB-BBBB")
    code = start(guest)

    assert verify(guest, "BBBB-BBBB").json()["attempts_left"] == 0
    assert verify(guest, code).json()["code"] == "no_pending_upgrade"
    for path, body in (("upgrade/email/", {"email": ADA}), ("upgrade/email/resend/", {})):
        answer = guest.post(path, body)
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
        assert 890 <= int(answer["Retry-After"]) <= 900
    wait(minutes=15)
    assert verify(guest, start(guest)).status_code == 200


def test_so_many_guests_wait_at_one_address_only(settings: Settings) -> None:
    settings.ANONAUTH_CODES_PER_ADDRESS = 2
    start(new_guest())
    start(new_guest())
    late = new_guest()

    answer = late.post("upgrade/email/", {"email": "Ada@example.org"})

    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert 890 <= int(answer["Retry-After"]) <= 900
    assert len(mail.outbox) == 2
    assert PendingUpgrade.objects.count() == 2
    assert late.post("upgrade/email/", {"email": "bob@example.org"}).status_code == 202
    wait(minutes=15)
    start(late)


def test_so_many_mails_are_sent_to_one_address_also_if_the_guests_erase_themselves(
    settings: Settings,
) -> None:
    settings.ANONAUTH_ADDRESS_RATE_LIMITS = ("2/h",)
    for _ in range(2):
        api = new_guest()
        start(api)
        api.delete("user/")

    answer = new_guest().post("upgrade/email/", {"email": ADA})

    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert len(mail.outbox) == 2


@pytest.mark.parametrize("credentials", ["jwt", "session"])
def test_a_transaction_around_each_request_does_not_forget_wrong_codes(
    credentials: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    guest = new_guest(credentials=credentials)
    code = start(guest)
    for _ in range(3):
        verify(guest, "BBBB-BBBB")

    assert PendingUpgrade.objects.get().attempts == 3
    assert verify(guest, code).json()["code"] == "no_pending_upgrade"


def test_a_password_planted_on_the_guest_does_not_survive_the_proof() -> None:
    api = new_guest(credentials="session")
    code = start(api)
    user = User.objects.get()
    user.set_password("known to the attacker")
    user.save()
    session = api.http.session
    session["_auth_user_hash"] = user.get_session_auth_hash()
    session.save()
    EmailAddress.objects.create(user=user, email="mallory@example.org", primary=True)

    assert verify(api, code).status_code == 200

    assert not User.objects.get().has_usable_password()
    assert EmailAddress.objects.get().email == ADA


def test_what_expired_can_be_forgotten(guest: Api) -> None:
    start(guest)
    start(new_guest(), "bob@example.org")
    PendingUpgrade.objects.filter(target=ADA).update(expires_at=timezone.now() - timedelta(days=1))

    assert forget_expired(before=timezone.now() - timedelta(hours=1)) == 1
    assert PendingUpgrade.objects.get().target == "bob@example.org"

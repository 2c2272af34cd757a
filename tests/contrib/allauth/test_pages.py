"""allauth's pages, used by a guest as if he were a visitor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import get_user_model
from django.core import mail

from anonauth.models import DailyTally
from tests.contrib.allauth.people import (
    ASKED,
    PASSWORD,
    Guest,
    Person,
    account,
    assert_upgraded,
    code_in_mail,
    code_in_sms,
    link_in_mail,
)
from tests.testapp.adapters import AccountAdapter, sms
from tests.testapp.models import Note

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db
User = get_user_model()
NEW = "new@example.com"


def sign_up(person: Person, email: str = NEW, **more: Any) -> Any:
    answer = person.post("/accounts/signup/", email=email, password1=PASSWORD, **more)
    assert answer.status_code == 302, answer.context["form"].errors
    return answer


def add_email(person: Person, email: str = NEW) -> Any:
    return person.post("/accounts/email/", action_add="", email=email)


# --- sign-up


@pytest.mark.parametrize(
    "page",
    ["login/", "signup/", "signup/passkey/", "login/code/", "password/reset/"],
)
def test_the_entrance_pages_serve_a_guest(guest: Guest, page: str) -> None:
    assert guest.get(f"/accounts/{page}").status_code == 200
    assert guest.is_still_a_guest


@pytest.mark.parametrize("page", ["email/", "3rdparty/", "password/set/", "phone/change/", "2fa/"])
def test_the_pages_for_users_serve_a_guest_as_himself(guest: Guest, page: str) -> None:
    assert guest.get(f"/accounts/{page}").status_code == 200


@pytest.mark.parametrize("page", ["login/", "signup/", "login/code/"])
def test_a_permanent_user_is_sent_on_from_the_entrance_pages_as_ever(
    visitor: Person, page: str
) -> None:
    visitor.http.force_login(
        account(), backend="allauth.account.auth_backends.AuthenticationBackend"
    )
    assert visitor.get(f"/accounts/{page}").status_code == 302


def test_a_guest_signs_up_by_code_and_stays_the_same_row(guest: Guest) -> None:
    assert sign_up(guest)["Location"] == "/accounts/confirm-email/"
    assert guest.is_still_a_guest
    assert guest.get("/accounts/confirm-email/").status_code == 200

    answer = guest.post("/accounts/confirm-email/", code=code_in_mail())

    assert answer["Location"] == "/"
    row = assert_upgraded(guest)
    assert row.email == NEW
    assert row.check_password(PASSWORD)
    assert not row.username.startswith("guest-")


@pytest.mark.django_db(transaction=True)
def test_an_upgrade_by_sign_up_is_announced_once(guest: Guest) -> None:
    sign_up(guest)
    guest.post("/accounts/confirm-email/", code=code_in_mail())

    tally = DailyTally.objects.filter(event="upgraded")
    assert list(tally.values_list("label", "count")) == [("email", 1)]


def test_a_guest_signs_up_by_link_and_stays_the_same_row(guest: Guest, links: None) -> None:
    sign_up(guest)
    assert guest.is_still_a_guest

    answer = guest.post(link_in_mail())

    assert answer.status_code == 302
    row = assert_upgraded(guest)
    assert row.check_password(PASSWORD)
    assert guest.get(answer["Location"]).status_code in {200, 302}


def test_the_link_logs_in_where_the_project_says_so(
    guest: Guest, links: None, settings: Settings
) -> None:
    settings.ACCOUNT_LOGIN_ON_EMAIL_CONFIRMATION = True
    sign_up(guest)

    assert guest.post(link_in_mail())["Location"] == "/"

    assert_upgraded(guest)


def test_without_mandatory_verification_the_form_is_enough(guest: Guest, unverified: None) -> None:
    sign_up(guest)

    row = assert_upgraded(guest)
    assert row.check_password(PASSWORD)
    assert not EmailAddress.objects.get().verified


def test_a_guest_who_abandons_the_verification_stays_a_guest_with_all_pages(guest: Guest) -> None:
    sign_up(guest)

    assert guest.is_still_a_guest
    for page in ("email/", "3rdparty/", "password/change/", "phone/change/"):
        assert guest.get(f"/accounts/{page}").status_code == 200
    # The entrance shows him the code page, as it does a visitor; there is no loop.
    assert guest.http.get("/accounts/signup/", follow=True).status_code == 200


def test_a_guest_who_mistyped_his_address_signs_up_again(guest: Guest, links: None) -> None:
    sign_up(guest, "typo@example.com")
    assert guest.get("/accounts/signup/").status_code == 200

    sign_up(guest, "right@example.com")

    assert list(EmailAddress.objects.values_list("email", flat=True)) == ["right@example.com"]
    guest.post(link_in_mail())
    assert assert_upgraded(guest).email == "right@example.com"


def test_a_guest_changes_his_address_while_the_code_is_awaited(
    guest: Guest, settings: Settings
) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_CHANGE = True
    sign_up(guest, "typo@example.com")
    assert guest.get("/accounts/confirm-email/").context["can_change"] is True

    guest.post("/accounts/confirm-email/", action="change", email="right@example.com")
    guest.post("/accounts/confirm-email/", code=code_in_mail())

    assert assert_upgraded(guest).email == "right@example.com"


def test_a_taken_address_is_not_revealed_and_the_guest_keeps_everything(guest: Guest) -> None:
    account()

    answer = sign_up(guest, "ann@example.com")

    assert answer["Location"] == "/accounts/confirm-email/"
    assert guest.get("/accounts/confirm-email/").status_code == 200
    assert "Already Exists" in mail.outbox[-1].subject
    assert guest.is_still_a_guest
    assert not guest.row.has_usable_password()
    assert User.objects.count() == 2


def test_a_form_with_faults_changes_nothing(guest: Guest) -> None:
    answer = guest.post("/accounts/signup/", email="no address", password1=PASSWORD)

    assert answer.status_code == 200
    assert guest.is_still_a_guest
    assert guest.row.username.startswith("guest-")


def test_a_closed_sign_up_is_closed_to_guests_and_costs_them_nothing(
    guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AccountAdapter, "is_open_for_signup", lambda self, request: False)

    answer = guest.post("/accounts/signup/", email=NEW, password1=PASSWORD)

    assert b"Sign Up Closed" in answer.content
    assert guest.is_still_a_guest


def test_a_visitor_signs_up_as_ever(visitor: Person) -> None:
    sign_up(visitor)
    visitor.post("/accounts/confirm-email/", code=code_in_mail())

    row = User.objects.get()
    assert visitor.here == str(row.pk)
    assert (row.is_guest, row.upgraded_at) == (False, None)


def test_a_guest_who_was_purged_meanwhile_signs_up_as_a_new_user(guest: Guest) -> None:
    assert guest.get("/accounts/signup/").status_code == 200
    User.objects.all().delete()

    sign_up(guest)
    guest.post("/accounts/confirm-email/", code=code_in_mail())

    row = User.objects.get()
    assert str(row.pk) != guest.id
    assert not row.is_guest


@pytest.mark.parametrize("headless", [False, True], ids=["page", "headless"])
@pytest.mark.parametrize("asked", ["email", "phone"])
def test_a_closed_sign_up_is_closed_to_guests_who_would_prove_something(
    guest: Guest, monkeypatch: pytest.MonkeyPatch, asked: str, headless: bool
) -> None:
    monkeypatch.setattr(AccountAdapter, "is_open_for_signup", lambda self, request: False)
    value = NEW if asked == "email" else "+31612345678"

    if headless:
        path = f"/_allauth/browser/v1/account/{asked}"
        answer = guest.http.post(path, {asked: value}, content_type="application/json")
        assert (answer.status_code, answer.json()) == (403, {"status": 403})
    elif asked == "email":
        assert b"Sign Up Closed" in add_email(guest).content
    else:
        answer = guest.post("/accounts/phone/change/", phone=value)
        assert b"Sign Up Closed" in answer.content

    assert guest.is_still_a_guest
    assert not mail.outbox
    assert not sms


def test_a_link_that_confirms_on_get_upgrades_its_guest_and_logs_no_other_one_out(
    guest: Guest, links: None, settings: Settings
) -> None:
    settings.ACCOUNT_CONFIRM_EMAIL_ON_GET = True
    add_email(guest)
    own = link_in_mail()
    other = Guest()
    add_email(other, "other@example.com")

    guest.get(link_in_mail())
    assert guest.is_still_a_guest
    guest.get(own)

    assert not guest.row.is_guest
    assert guest.here == guest.id


# --- login to an account


def test_a_guest_who_logs_in_to_an_account_is_logged_in_and_asked(guest: Guest) -> None:
    ann = account()

    answer = guest.post("/accounts/login/", login="ann@example.com", password=PASSWORD)

    assert answer["Location"] == ASKED
    assert guest.here == str(ann.pk)
    assert guest.http.session.session_key != guest.key
    assert guest.row.is_guest
    assert Note.objects.get().owner == guest.row


def test_a_failed_login_leaves_the_guest_signed_in(guest: Guest) -> None:
    answer = guest.post("/accounts/login/", login="no@example.com", password="wrong")

    assert answer.status_code == 200
    assert guest.is_still_a_guest


def test_a_guest_logs_in_by_code(guest: Guest) -> None:
    ann = account()
    answer = guest.post("/accounts/login/code/", email="ann@example.com")
    assert answer["Location"] == "/accounts/login/code/confirm/"
    assert guest.is_still_a_guest

    answer = guest.post("/accounts/login/code/confirm/", code=code_in_mail())

    assert answer["Location"] == ASKED
    assert guest.here == str(ann.pk)


def test_a_code_for_an_unknown_address_leaves_the_guest_signed_in(guest: Guest) -> None:
    answer = guest.post("/accounts/login/code/", email="no@example.com")
    assert answer["Location"] == "/accounts/login/code/confirm/"
    guest.post("/accounts/login/code/confirm/", code="AAAA-AAAA")

    assert guest.is_still_a_guest


def test_a_guest_who_abandons_a_login_by_code_can_still_prove_an_address_of_his_own(
    guest: Guest,
) -> None:
    account()
    guest.post("/accounts/login/code/", email="ann@example.com")

    answer = add_email(guest)
    assert answer["Location"] == "/accounts/confirm-email/"
    guest.post("/accounts/confirm-email/", code=code_in_mail())

    assert not guest.row.is_guest
    assert guest.row.email == NEW


def test_a_guest_logs_in_by_a_code_sent_to_a_phone(guest: Guest) -> None:
    ann = account(phone="+31612345678")
    guest.post("/accounts/login/code/", phone="+31612345678")

    guest.post("/accounts/login/code/confirm/", code=code_in_sms("+31612345678"))

    assert guest.here == str(ann.pk)


def test_a_guest_resets_the_password_of_his_account_and_logs_in(
    guest: Guest, settings: Settings
) -> None:
    settings.ACCOUNT_LOGIN_ON_PASSWORD_RESET = True
    ann = account()
    guest.post("/accounts/password/reset/", email="ann@example.com")

    form = guest.http.get(link_in_mail(), follow=True).redirect_chain[-1][0]
    answer = guest.post(form, password1="Other!pw77", password2="Other!pw77")

    assert answer.status_code == 302
    assert guest.here == str(ann.pk)


# --- e-mail, password, phone


def test_a_guest_proves_an_address_by_code(guest: Guest) -> None:
    assert add_email(guest)["Location"] == "/accounts/confirm-email/"
    assert not EmailAddress.objects.exists()
    assert guest.get("/accounts/confirm-email/").status_code == 200

    answer = guest.post("/accounts/confirm-email/", code=code_in_mail())

    assert answer.status_code == 302
    assert assert_upgraded(guest).email == NEW


def test_a_guest_proves_an_address_by_link(guest: Guest, links: None) -> None:
    add_email(guest)
    assert guest.is_still_a_guest

    guest.post(link_in_mail())

    row = assert_upgraded(guest)
    assert row.email == NEW
    assert EmailAddress.objects.get().primary


def test_a_wrong_code_leaves_the_guest_a_guest(guest: Guest) -> None:
    add_email(guest)

    guest.post("/accounts/confirm-email/", code="WRNG-CODE")

    assert guest.is_still_a_guest


def test_a_guest_who_changes_his_mind_proves_the_second_address(
    guest: Guest, links: None, settings: Settings
) -> None:
    settings.ACCOUNT_CHANGE_EMAIL = True
    add_email(guest, "first@example.com")
    add_email(guest, "second@example.com")
    assert list(EmailAddress.objects.values_list("email", flat=True)) == ["second@example.com"]

    guest.post(link_in_mail())

    assert assert_upgraded(guest).email == "second@example.com"


def test_a_guest_sets_a_password_after_he_proved_an_address(guest: Guest) -> None:
    add_email(guest)
    guest.post("/accounts/confirm-email/", code=code_in_mail())

    answer = guest.post("/accounts/password/set/", password1=PASSWORD, password2=PASSWORD)

    assert answer.status_code == 302
    assert guest.here == guest.id
    assert guest.row.check_password(PASSWORD)


def test_a_password_alone_opens_nothing_and_upgrades_nobody(guest: Guest) -> None:
    guest.post("/accounts/password/set/", password1=PASSWORD, password2=PASSWORD)

    assert guest.is_still_a_guest
    assert guest.row.check_password(PASSWORD)
    assert guest.http.session["cart"] == [1, 2]


def test_a_password_that_was_set_first_survives_the_proof_of_the_address(guest: Guest) -> None:
    guest.post("/accounts/password/set/", password1=PASSWORD, password2=PASSWORD)
    add_email(guest)
    guest.post("/accounts/confirm-email/", code=code_in_mail())

    assert assert_upgraded(guest).check_password(PASSWORD)


def test_a_password_upgrades_where_name_and_password_are_enough(
    guest: Guest, unverified: None, settings: Settings
) -> None:
    settings.ACCOUNT_LOGIN_METHODS = {"username"}

    guest.post("/accounts/password/set/", password1=PASSWORD, password2=PASSWORD)

    assert_upgraded(guest)


def test_a_guest_proves_a_phone_number(guest: Guest) -> None:
    assert guest.get("/accounts/phone/change/").status_code == 200
    answer = guest.post("/accounts/phone/change/", phone="+31612345678")
    assert answer["Location"] == "/accounts/phone/verify/"

    guest.post("/accounts/phone/verify/", code=code_in_sms("+31612345678"))

    row = assert_upgraded(guest)
    assert (row.phone, row.phone_verified) == ("+31612345678", True)


def test_a_taken_phone_number_is_no_way_in(guest: Guest) -> None:
    account(phone="+31612345678")
    guest.post("/accounts/phone/change/", phone="+31612345678")

    # Whoever reads this message is the owner: allauth refuses the number at the code, not before.
    guest.post("/accounts/phone/verify/", code=code_in_sms("+31612345678"))

    assert guest.is_still_a_guest
    assert guest.row.phone is None


def test_at_sign_up_the_phone_does_not_stand_in_for_a_mandatory_address(guest: Guest) -> None:
    answer = sign_up(guest, phone="+31612345678")
    assert answer["Location"] == "/accounts/phone/verify/"

    answer = guest.post("/accounts/phone/verify/", code=code_in_sms("+31612345678"))

    assert answer["Location"] == "/accounts/confirm-email/"
    assert guest.is_still_a_guest
    guest.post("/accounts/confirm-email/", code=code_in_mail())
    row = assert_upgraded(guest)
    assert (row.email, row.phone_verified) == (NEW, True)


def test_a_guest_who_abandoned_his_sign_up_can_prove_a_phone_number_instead(guest: Guest) -> None:
    sign_up(guest)
    guest.post("/accounts/phone/change/", phone="+31612345678")
    answer = guest.post("/accounts/phone/verify/", code=code_in_sms("+31612345678"))

    assert answer.status_code == 302
    assert not guest.row.is_guest
    assert guest.here == guest.id


def test_cancelling_the_verification_ends_the_sign_up_and_not_the_guest(guest: Guest) -> None:
    sign_up(guest)
    page = guest.get("/accounts/confirm-email/").content.decode()
    assert 'form="logout-from-stage"' in page

    guest.post("/accounts/logout/", next="/accounts/login/")

    assert guest.is_still_a_guest
    assert guest.here == guest.id
    assert "password1" in guest.get("/accounts/signup/").content.decode()


def test_a_guest_who_abandoned_a_sign_up_can_log_out(guest: Guest) -> None:
    sign_up(guest)

    guest.post("/accounts/logout/")

    assert guest.here is None


def test_cancelling_a_password_reset_keeps_the_guest(guest: Guest) -> None:
    guest.post("/accounts/password/reset/", email=account().email)
    page = guest.http.get(link_in_mail(), follow=True)
    assert 'id="logout-from-stage"' in page.content.decode()

    guest.post("/accounts/logout/", next="/accounts/login/")

    assert guest.is_still_a_guest
    assert guest.here == guest.id


def test_logging_out_is_the_guests_own_decision(guest: Guest) -> None:
    assert guest.get("/accounts/logout/").status_code == 200
    assert guest.is_still_a_guest

    guest.post("/accounts/logout/")

    assert guest.here is None
    assert guest.row.is_guest

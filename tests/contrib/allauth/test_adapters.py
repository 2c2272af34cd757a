"""The mixins for a project's adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.core import context
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user, get_user_model
from django.core import mail
from django.test import RequestFactory

from anonauth.contrib.allauth import adapters, masking
from anonauth.contrib.allauth.door import upgrade
from anonauth.exceptions import AlreadyPermanent, UserNotFound
from tests.contrib.allauth.people import Guest, account, assert_upgraded, code_in_mail
from tests.testapp.adapters import AccountAdapter, sms

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db
User = get_user_model()


class Form:
    """As much of a sign-up form as the adapter reads."""

    cleaned_data = {"email": "new@example.com", "password1": "Zq9!kkdj2"}


def request_of(guest: Guest, path: str = "/accounts/signup/") -> Any:
    request = RequestFactory().post(path)
    request.session = guest.http.session
    with context.request_context(request):
        request.user = get_user(request)
    return request


def test_a_new_user_is_the_guest_only_where_the_guest_is_hidden(guest: Guest) -> None:
    for path, same in (("/accounts/signup/", True), ("/accounts/email/", False)):
        request = request_of(guest, path)
        with context.request_context(request):
            user = AccountAdapter(request).new_user(request)
        assert (str(user.pk) == guest.id) is same


def test_a_sign_up_does_not_overwrite_who_became_permanent_meanwhile(guest: Guest) -> None:
    request = request_of(guest)
    with context.request_context(request):
        adapter = AccountAdapter(request)
        user = adapter.new_user(request)
        upgrade(guest.row, method="social")

        with pytest.raises(AlreadyPermanent):
            adapter.save_user(request, user, Form())

    assert guest.row.email == ""
    assert not guest.row.has_usable_password()


def test_a_sign_up_does_not_bring_back_who_was_purged_meanwhile(guest: Guest) -> None:
    request = request_of(guest)
    with context.request_context(request):
        adapter = AccountAdapter(request)
        user = adapter.new_user(request)
        User.objects.all().delete()

        with pytest.raises(UserNotFound):
            adapter.save_user(request, user, Form())

    assert not User.objects.exists()


def test_an_address_that_somebody_else_proves_in_this_moment_upgrades_nobody(
    guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    account()
    address = EmailAddress.objects.create(user=guest.row, email="ann@example.com")
    # What the check before the write sees while the other transaction is open.
    monkeypatch.setattr(EmailAddress, "can_set_verified", lambda self: True)
    request = request_of(guest, "/accounts/email/")

    with context.request_context(request):
        assert AccountAdapter(request).confirm_email(request, address) is False

    assert guest.is_still_a_guest
    assert not EmailAddress.objects.get(pk=address.pk).verified


def test_the_plain_adapter_has_no_phone_numbers() -> None:
    assert adapters.AccountAdapter(None)._has_phone_impl is False
    assert AccountAdapter(None)._has_phone_impl is True


class PhonesBelow(DefaultAccountAdapter):  # type: ignore[misc]
    """A project's adapter from before it had guests."""

    def set_phone_verified(self, user: Any, phone: str) -> None:
        User.objects.filter(pk=user.pk).update(phone=phone, phone_verified=True)


class MixinInFront(adapters.AccountAdapterMixin, PhonesBelow):
    """As the documentation shows it."""


class MethodOfItsOwn(adapters.AccountAdapterMixin):
    """The other way."""

    set_phone_verified = PhonesBelow.set_phone_verified


class Further(MethodOfItsOwn):
    """One that builds on it."""

    def set_phone_verified(self, user: Any, phone: str) -> None:
        super().set_phone_verified(user, phone)


@pytest.mark.parametrize("kind", [MixinInFront, MethodOfItsOwn, Further])
def test_a_proved_number_upgrades_wherever_the_project_has_its_method(
    guest: Guest, kind: type[Any]
) -> None:
    request = request_of(guest, "/accounts/phone/verify/")
    with context.request_context(request):
        kind(request).set_phone_verified(guest.row, "+31612345678")

    row = guest.row
    assert (row.is_guest, row.phone, row.phone_verified) == (False, "+31612345678", True)


def test_no_mail_goes_to_the_stand_in_for_an_address(guest: Guest) -> None:
    request = request_of(guest)
    with context.request_context(request):
        AccountAdapter(request).send_mail("account/email/login_code", "guest-1@guest.invalid", {})

    assert not mail.outbox


def test_hiding_the_user_holds_for_async_views_too(guest: Guest) -> None:
    request = request_of(guest, "/")
    assert request.user.is_authenticated

    masking.mask(request)

    assert not request.user.is_authenticated
    assert not async_to_sync(request.auser)().is_authenticated


def test_allauths_limits_by_network_hold_for_fresh_guests(settings: Settings) -> None:
    settings.ACCOUNT_RATE_LIMITS = {"signup": "2/m/ip"}
    codes = [
        Guest()
        .post("/accounts/signup/", email=f"{n}@example.com", password1="Zq9!kkdj2")
        .status_code
        for n in range(3)
    ]

    assert codes == [302, 302, 429]


@pytest.mark.parametrize("page", ["page", "headless"])
def test_mails_that_fresh_guests_ask_for_are_limited_by_network(
    settings: Settings, page: str
) -> None:
    # allauth counts them by user, and a fresh guest is free.
    settings.ANONAUTH_CODE_RATE_LIMITS = ("2/h",)
    for number in range(3):
        guest, email = Guest(), f"{number}@example.com"
        if page == "page":
            guest.post("/accounts/email/", action_add="", email=email)
        else:
            path = "/_allauth/browser/v1/account/email"
            guest.http.post(path, {"email": email}, content_type="application/json")

    assert len(mail.outbox) == 2


@pytest.mark.parametrize("page", ["page", "headless"])
def test_messages_that_fresh_guests_ask_for_are_limited_by_network(
    settings: Settings, page: str
) -> None:
    settings.ANONAUTH_CODE_RATE_LIMITS = ("2/h",)
    for number in range(3):
        guest, phone = Guest(), f"+3161234567{number}"
        if page == "page":
            guest.post("/accounts/phone/change/", phone=phone)
        else:
            path = "/_allauth/browser/v1/account/phone"
            guest.http.post(path, {"phone": phone}, content_type="application/json")

    assert len(sms) == 2


def test_a_permanent_user_is_not_counted(guest: Guest, settings: Settings) -> None:
    guest.post("/accounts/email/", action_add="", email="new@example.com")
    guest.post("/accounts/confirm-email/", code=code_in_mail())
    assert_upgraded(guest)
    settings.ANONAUTH_CODE_RATE_LIMITS = ("1/h",)

    for number in range(2):
        guest.post("/accounts/email/", action_add="", email=f"{number}@example.com")

    assert len(mail.outbox) == 3


@pytest.mark.parametrize("prevent", [False, True, "strict"])
@pytest.mark.parametrize("by_code", [False, True])
def test_a_taken_address_is_never_a_guests(
    guest: Guest, settings: Settings, prevent: bool | str, by_code: bool
) -> None:
    settings.ACCOUNT_PREVENT_ENUMERATION = prevent
    settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = by_code
    ann = account()

    answer = guest.post("/accounts/email/", action_add="", email="ann@example.com")

    assert answer.status_code == (302 if prevent else 200)
    if prevent and by_code:
        guest.post("/accounts/confirm-email/", code=code_in_mail())
    assert guest.is_still_a_guest
    assert EmailAddress.objects.get(verified=True).user == ann


def test_the_row_of_a_guest_with_a_stand_in_for_an_address_takes_the_real_one(
    guest: Guest,
) -> None:
    User.objects.update(email="guest-1@guest.invalid")

    guest.post("/accounts/signup/", email="new@example.com", password1="Zq9!kkdj2")
    guest.post("/accounts/confirm-email/", code=code_in_mail())

    assert assert_upgraded(guest).email == "new@example.com"
    assert EmailAddress.objects.count() == 1


def test_a_sign_up_that_another_tab_overtook_makes_no_second_row(guest: Guest) -> None:
    request = request_of(guest)
    upgrade(guest.row, method="social")

    with context.request_context(request), pytest.raises(AlreadyPermanent):
        AccountAdapter(request).new_user(request)

    assert User.objects.count() == 1
    # The session is the other tab's too, and goes on.
    assert request.session["cart"] == [1, 2]

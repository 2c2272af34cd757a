"""A guest's row is handed to one sign-up at a time."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password

from anonauth.contrib.allauth.adoption import adopt, still_a_guest
from anonauth.exceptions import AlreadyPermanent
from anonauth.flows.upgrade import upgrade

pytestmark = pytest.mark.django_db
User = get_user_model()


@pytest.fixture
def guest() -> Any:
    user = User.objects.create_user("guest-1", is_guest=True)
    return adopt(User.objects.get(pk=user.pk))


def test_a_sign_up_gives_up_what_an_earlier_one_claimed(guest: Any) -> None:
    EmailAddress.objects.create(user=guest, email="old@example.com")

    with still_a_guest(guest):
        assert not EmailAddress.objects.exists()


def test_a_form_that_is_sent_twice_does_not_overwrite_the_first_sign_up(guest: Any) -> None:
    User.objects.update(password=make_password("of the first one"))
    EmailAddress.objects.create(user=guest, email="first@example.com")

    with pytest.raises(AlreadyPermanent), still_a_guest(guest):
        raise AssertionError("the second sign-up got in")

    assert EmailAddress.objects.get().email == "first@example.com"
    assert User.objects.get().check_password("of the first one")


def test_a_tab_that_was_slower_does_not_overwrite_the_account(guest: Any) -> None:
    upgrade(User.objects.get(), method="email")

    with pytest.raises(AlreadyPermanent), still_a_guest(guest):
        raise AssertionError("the second sign-up got in")

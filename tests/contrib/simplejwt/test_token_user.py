"""Requests authenticated by the token alone."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from rest_framework_simplejwt.tokens import RefreshToken as StockRefreshToken

from anonauth.contrib.simplejwt.token_user import TokenUser
from anonauth.contrib.simplejwt.tokens import issue
from anonauth.models import is_guest, is_permanent

pytestmark = pytest.mark.django_db
User = get_user_model()


def test_a_stateless_user_knows_that_he_is_a_guest() -> None:
    guest = User.objects.create_user("guest-1", is_guest=True)
    user = TokenUser(issue(guest).access_token)

    assert is_guest(user)
    assert not is_permanent(user)
    assert user.is_anonymous is False


def test_a_stateless_permanent_user_is_permanent() -> None:
    user = TokenUser(issue(User.objects.create_user("ann")).access_token)

    assert is_permanent(user)


def test_a_token_that_does_not_say_has_only_a_guests_rights() -> None:
    stock = StockRefreshToken.for_user(User.objects.create_user("ann"))

    assert is_guest(TokenUser(stock.access_token))

"""What the API says of a user's identities, and of the ways to upgrade."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialApp
from django.apps import apps
from django.contrib.auth import get_user_model
from django.test import Client

from anonauth.adapter import get_adapter
from anonauth.contrib.allauth.identities import identities
from tests.client import Api
from tests.services.oidc import OIDCProvider, settings_for

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries, Settings

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann() -> Any:
    user = get_user_model().objects.create_user("ann", phone="+4915112345678", phone_verified=True)
    for email, verified, primary in (
        ("ann@example.com", True, False),
        ("new@example.com", False, False),
        ("work@example.com", True, True),
    ):
        EmailAddress.objects.create(user=user, email=email, verified=verified, primary=primary)
    for provider in ("google", "apple"):
        SocialAccount.objects.create(user=user, provider=provider, uid="7")
    return user


def test_what_was_proved_is_listed_with_two_queries(
    ann: Any, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(2):
        found = identities(ann)

    assert found == [
        {"type": "email", "email": "work@example.com", "primary": True},
        {"type": "email", "email": "ann@example.com", "primary": False},
        {"type": "phone", "phone": "+4915112345678"},
        {"type": "social", "provider": "apple", "uid": "7"},
        {"type": "social", "provider": "google", "uid": "7"},
    ]


def test_a_number_that_was_not_verified_is_not_listed(ann: Any) -> None:
    ann.phone_verified = False

    assert "phone" not in {identity["type"] for identity in identities(ann)}


def test_a_user_sees_his_own(ann: Any) -> None:
    browser = Client()
    browser.force_login(ann)

    assert browser.get("/auth/user/").json()["identities"] == identities(ann)


def test_a_guest_has_none(api: Api) -> None:
    assert api.sign_in()["identities"] == []


def test_an_app_that_is_made_ready_twice_lists_everything_once(ann: Any) -> None:
    apps.get_app_config("anonauth_allauth").ready()

    assert get_adapter().identities(ann) == identities(ann)


def test_each_provider_is_a_way_to_upgrade(oidc: OIDCProvider, settings: Settings) -> None:
    methods = get_adapter().upgrade_methods
    assert {"social:dummy", "social:fake"} <= set(methods())

    settings.SOCIALACCOUNT_PROVIDERS = settings_for(oidc, name="other")
    assert "social:fake" not in methods()
    assert "social:other" in methods()


def test_a_provider_in_the_database_is_noticed(oidc: OIDCProvider) -> None:
    methods = get_adapter().upgrade_methods
    assert "social:late" not in methods()
    row = SocialApp.objects.create(
        provider="openid_connect", provider_id="late", name="Late", client_id="x"
    )
    assert "social:late" in methods()
    row.delete()
    assert "social:late" not in methods()


def test_a_hidden_provider_is_not_listed(oidc: OIDCProvider, settings: Settings) -> None:
    settings.SOCIALACCOUNT_PROVIDERS = settings_for(oidc, hidden=True)

    assert "social:fake" not in get_adapter().upgrade_methods()


def test_who_asks_again_costs_no_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    get_adapter().upgrade_methods()

    with django_assert_num_queries(0):
        get_adapter().upgrade_methods()

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from django.urls import get_resolver

from tests.contrib.allauth.fixtures import oidc, oidc_server
from tests.contrib.allauth.people import Guest, Headless, Person
from tests.fixtures import api, simple_jwt
from tests.testapp.adapters import sms

if TYPE_CHECKING:
    from pytest_django import Settings

__all__ = ["api", "oidc", "oidc_server", "simple_jwt"]


@pytest.fixture(scope="session", autouse=True)
def routes() -> None:
    """Load allauth's URLconf under the settings of the project: what routes there are depends on them."""
    assert get_resolver().reverse_dict


@pytest.fixture(autouse=True)
def no_sms() -> None:
    sms.clear()


@pytest.fixture
def guest(db: None) -> Guest:
    return Guest()


@pytest.fixture
def visitor(db: None) -> Person:
    return Person()


@pytest.fixture
def headless(db: None, settings: Settings) -> Callable[[str], Headless]:
    """Make guests of the headless API; call it with the kind of the client."""
    settings.ANONAUTH_CREDENTIALS = ["session", "headless"]
    return Headless


@pytest.fixture
def links(settings: Settings) -> None:
    """Prove addresses by links instead of codes, which stay mandatory at sign-up."""
    settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = False


@pytest.fixture
def unverified(links: None, settings: Settings) -> None:
    """Let people in without having proved an address."""
    settings.ACCOUNT_EMAIL_VERIFICATION = "optional"

"""The tests on ``docs/testing.md`` pass in a project, and the forms of a project's own do what the pages say."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import path

from anonauth.credentials import session_backend
from anonauth.flows.sign_in import SignInFacts, sign_in
from tests.docs.pages import blocks, read, section
from tests.testapp.models import Note

PAGE = read("testing")
PASSWORD = "saffron-and-salt"
User: Any = get_user_model()
pytestmark = pytest.mark.django_db


def snippets_of(heading: str) -> dict[str, Any]:
    """Return what the snippets of a section define."""
    names: dict[str, Any] = {}
    for block in blocks(section(PAGE, heading), "python"):
        exec(compile(block, heading, "exec"), names)
    return names


def test_a_visitor_becomes_a_guest_as_the_page_says(client: Client, db: None) -> None:
    snippets_of("Over HTTP")["test_a_visitor_becomes_a_guest_with_a_token"](client, db)
    assert User.objects.guests().count() == 1


def test_a_guest_proves_an_address_as_the_page_says(client: Client, db: None) -> None:
    (code,) = (b for b in blocks(section(PAGE, "An upgrade"), "python") if "mail.outbox" in b)
    names: dict[str, Any] = {}
    exec(compile(code, "upgrade", "exec"), names)
    names["test_a_guest_proves_an_address"](client, db)
    assert User.objects.permanent().get().email == "ada@example.org"


def test_the_signal_is_sent_as_the_page_says(
    client: Client, db: None, django_capture_on_commit_callbacks: Any
) -> None:
    names = snippets_of("Settings of the tests")
    (test,) = (value for name, value in names.items() if name.startswith("test_"))
    test(client, db, django_capture_on_commit_callbacks)
    assert User.objects.guests().count() == 1


def test_a_guest_who_is_logged_in_as_the_page_says_sees_allauths_pages(client: Client) -> None:
    guest = sign_in(facts=SignInFacts()).user
    assert "client.force_login(guest, backend=session_backend())" in section(PAGE, "A guest")
    client.force_login(guest, backend=session_backend())
    assert client.get("/accounts/signup/").status_code == 200
    client.force_login(guest, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get("/accounts/signup/").status_code == 302


@pytest.fixture
def own_views(settings: Any) -> Iterator[None]:
    """Put the login and the sign-up of the pages in front of the project's URLs."""
    module = ModuleType("snippets_urls")
    names: dict[str, Any] = {"__name__": module.__name__}
    for page, heading, name in (
        ("merge", "A login page of your own", "class Login"),
        ("upgrade", "From your own code", "def sign_up"),
    ):
        (code,) = (b for b in blocks(section(read(page), heading), "python") if name in b)
        exec(compile(code, page, "exec"), names)
    module.urlpatterns = [  # type: ignore[attr-defined]
        path("own/login/", names["Login"].as_view()),
        path("own/sign-up/", names["sign_up"]),
    ]
    sys.modules[module.__name__] = module
    settings.ROOT_URLCONF = module.__name__
    settings.LOGIN_REDIRECT_URL = "/"
    yield
    del sys.modules[module.__name__]


@pytest.fixture
def guest(client: Client) -> Any:
    guest = sign_in(facts=SignInFacts()).user
    Note.objects.create(owner=guest, text="mine")
    client.force_login(guest, backend=session_backend())
    return guest


@pytest.mark.usefixtures("own_views")
def test_a_login_page_of_ones_own_takes_the_guests_rows_along(client: Client, guest: Any) -> None:
    account = User.objects.create_user("ada", "ada@example.org", PASSWORD)
    answer = client.post("/own/login/", {"username": "ada", "password": PASSWORD})
    assert answer.status_code == 302
    assert Note.objects.get().owner == account
    assert client.session["_auth_user_id"] == str(account.pk)
    assert not User.objects.filter(pk=guest.pk).exists()


@pytest.mark.usefixtures("own_views")
def test_a_sign_up_form_of_ones_own_upgrades_the_guest(client: Client, guest: Any) -> None:
    form = {"username": "ada", "password1": PASSWORD, "password2": PASSWORD}
    assert client.post("/own/sign-up/", form).status_code == 302
    user = User.objects.get()
    assert (user.pk, user.is_guest, user.username) == (guest.pk, False, "ada")
    assert user.check_password(PASSWORD)
    assert Note.objects.get().owner == user
    assert client.session["_auth_user_id"] == str(user.pk)


@pytest.mark.usefixtures("own_views")
def test_a_sign_up_form_of_ones_own_makes_a_visitor_an_account(client: Client) -> None:
    form = {"username": "ada", "password1": PASSWORD, "password2": PASSWORD}
    assert client.post("/own/sign-up/", form).status_code == 302
    assert client.session["_auth_user_id"] == str(User.objects.permanent().get().pk)

"""Social upgrades in parallel, on PostgreSQL."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth import get_user_model
from django.test import Client

from anonauth.models import DailyTally
from tests.client import Api
from tests.contrib.allauth.fixtures import oidc, oidc_server
from tests.contrib.allauth.social import App, told, travel, visit_provider
from tests.races.threads import together
from tests.services.oidc import OIDCProvider

if TYPE_CHECKING:
    from pytest_django import Settings

__all__ = ["oidc", "oidc_server"]

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
User = get_user_model()


def make_app() -> App:
    api = Api()
    api.sign_in()
    return App(api)


def twin(api: Api) -> Api:
    """Return another client with the same tokens."""
    other = Api()
    other.tokens = dict(api.tokens)
    return other


def test_of_many_parallel_visits_one_uses_the_ticket(oidc: OIDCProvider) -> None:
    url = make_app().ticket_url()

    codes = together(*[lambda: Client().get(url).status_code for _ in range(6)])

    assert Counter(codes) == {302: 1, 400: 5}


def test_of_many_parallel_callbacks_one_gets_a_code(oidc: OIDCProvider) -> None:
    app, browser = make_app(), Client()
    callback = visit_provider(browser, app.ticket_url())

    def come_back() -> Any:
        copy = Client()
        copy.cookies = browser.cookies
        answer = copy.get(callback)
        return told(answer).get("code") if answer.has_header("Location") else None

    codes = [code for code in together(*[come_back] * 6) if code]

    assert len(codes) == 1
    assert app.finish(codes[0]).status_code == 200


def test_of_many_parallel_redemptions_one_succeeds(oidc: OIDCProvider) -> None:
    app = make_app()
    code = travel(Client(), app.ticket_url())["code"]

    def finish() -> Any:
        clone = App(twin(app.api))
        clone.verifier = app.verifier
        return clone.finish(code).status_code

    codes = Counter(together(*[finish] * 6))

    # The others find no code, or, a moment later, that their token has ended with the upgrade.
    assert codes[200] == 1
    assert set(codes) <= {200, 400, 401}
    assert SocialAccount.objects.count() == 1
    assert DailyTally.objects.get(event="upgraded").count == 1


def test_of_many_guests_with_one_identity_the_first_has_it(oidc: OIDCProvider) -> None:
    apps = [make_app() for _ in range(5)]

    def act(app: App) -> Any:
        body = {"id_token": oidc.id_token()}
        return app.api.post("upgrade/social/fake/token/", body).json().get("code", "joined")

    codes = together(*[lambda app=app: act(app) for app in apps])

    assert Counter(codes) == {"joined": 1, "identity_taken": 4}
    account = SocialAccount.objects.get()
    assert User.objects.filter(is_guest=False).get().pk == account.user_id
    assert EmailAddress.objects.get().user_id == account.user_id


def test_of_many_guests_with_one_address_the_first_has_it_and_all_are_permanent(
    oidc: OIDCProvider, settings: Settings
) -> None:
    apps = [make_app() for _ in range(5)]

    def act(number: int, app: App) -> Any:
        body = {"id_token": oidc.id_token(sub=f"u{number}")}
        return app.api.post("upgrade/social/fake/token/", body).status_code

    codes = together(*[lambda n=n, app=app: act(n, app) for n, app in enumerate(apps)])

    assert codes == [200] * 5
    assert SocialAccount.objects.count() == 5
    address = EmailAddress.objects.get()
    assert address.verified
    assert User.objects.get(email="zoe@example.com").pk == address.user_id


def test_one_guest_with_one_identity_twice_is_one_upgrade(oidc: OIDCProvider) -> None:
    app = make_app()

    def act() -> Any:
        body = {"id_token": oidc.id_token()}
        return twin(app.api).post("upgrade/social/fake/token/", body).status_code

    codes = Counter(together(*[act] * 5))

    assert set(codes) <= {200, 401}  # 401: came after the upgrade ended the token
    assert codes[200] >= 1
    assert SocialAccount.objects.count() == 1
    assert DailyTally.objects.get(event="upgraded").count == 1


def test_parallel_starts_leave_one_ticket_that_works(oidc: OIDCProvider) -> None:
    app = make_app()

    def start() -> Any:
        clone = App(twin(app.api))
        clone.verifier = app.verifier
        return clone.start().json()["url"].removeprefix("http://testserver")

    urls = together(*[start] * 5)

    assert Counter(Client().get(url).status_code for url in urls) == {302: 1, 400: 4}

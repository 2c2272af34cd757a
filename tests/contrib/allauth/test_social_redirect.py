"""A guest of an app goes to a provider and back, in a browser that knows nothing of him."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.utils import timezone

from anonauth.contrib.allauth.flows.social_redirect import challenge_of
from anonauth.contrib.allauth.models import SocialTicket
from anonauth.flows.upgrade import upgrade
from tests.client import Api
from tests.contrib.allauth.social import (
    APP,
    WEB,
    App,
    guest_of,
    keep_tokens,
    make_owner,
    told,
    travel,
    visit_provider,
)
from tests.services.oidc import OIDCProvider

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db
User = get_user_model()


@pytest.fixture
def app(api: Api, oidc: OIDCProvider) -> App:
    api.sign_in()
    return App(api)


@pytest.fixture
def browser() -> Client:
    return Client(enforce_csrf_checks=True)


def everything() -> list[Any]:
    models: tuple[Any, ...] = (User, SocialAccount, SocialToken, EmailAddress)
    return [list(model.objects.order_by("pk").values()) for model in models]


def test_a_guest_goes_to_the_provider_and_comes_back_permanent(app: App, browser: Client) -> None:
    guest = guest_of(app.api)

    answer = browser.get(visit_provider(browser, app.ticket_url()))
    assert User.objects.get().is_guest  # the browser alone upgrades nobody
    assert answer["Location"].startswith(f"{APP}?code=")
    assert "no-store" in answer["Cache-Control"]
    body = keep_tokens(app.api, app.finish(told(answer)["code"]))

    row = User.objects.get()
    assert (row.pk, row.is_guest, row.email) == (guest.pk, False, "zoe@example.com")
    assert body["user"]["id"] == str(guest.pk)
    assert SocialAccount.objects.get().user_id == guest.pk
    assert app.api.get("user/").json()["is_anonymous"] is False
    assert not SocialTicket.objects.exists()


def test_the_parameters_of_the_address_are_kept(
    api: Api, oidc: OIDCProvider, browser: Client
) -> None:
    api.sign_in()
    app = App(api, redirect_uri=WEB)

    answer = browser.get(visit_provider(browser, app.ticket_url()))

    assert answer["Location"].startswith(f"{WEB}&code=")
    keep_tokens(api, app.finish(told(answer)["code"]))


def test_the_browser_is_signed_in_as_nobody(app: App, browser: Client) -> None:
    travel(browser, app.ticket_url())

    assert SESSION_KEY not in browser.session
    assert browser.get("/auth/user/").status_code == 401
    assert all(SESSION_KEY not in session.get_decoded() for session in Session.objects.all())


def test_an_account_that_is_signed_in_in_the_browser_is_neither_used_nor_signed_out(
    app: App, browser: Client
) -> None:
    ann = make_owner(uid=None)
    browser.force_login(ann)
    key = browser.session.session_key
    guest = guest_of(app.api)

    keep_tokens(app.api, app.finish(travel(browser, app.ticket_url())["code"]))

    assert SocialAccount.objects.get().user_id == guest.pk
    assert (browser.session.session_key, browser.session[SESSION_KEY]) == (key, str(ann.pk))
    assert browser.get("/auth/user/").json()["id"] == str(ann.pk)


def test_the_guests_own_browser_stays_his(api: Api, oidc: OIDCProvider) -> None:
    """A page that holds a session may go the same way, in the same browser."""
    api.sign_in(credentials="session")
    session = api.http.session
    session["cart"] = [1]
    session.save()
    app = App(api, redirect_uri=WEB)

    code = travel(api.http, app.ticket_url())["code"]
    answer = app.finish(code)

    assert (answer.status_code, answer.json()["credentials"]) == (200, "session")
    assert api.http.session["cart"] == [1]
    assert api.get("user/").json()["is_anonymous"] is False


def test_the_identity_of_somebody_else_is_a_conflict_and_nothing_changes(
    app: App, browser: Client, settings: Settings
) -> None:
    settings.SOCIALACCOUNT_STORE_TOKENS = True
    owner = make_owner()
    SocialToken.objects.create(account=SocialAccount.objects.get(), token="the owner's")
    before = everything()

    code = travel(browser, app.ticket_url())["code"]
    assert everything() == before
    kept = SocialTicket.objects.get().identity
    answer = app.finish(code)

    assert (answer.status_code, answer.json()["code"]) == (409, "identity_taken")
    assert answer.json()["merge_ticket"]
    assert everything() == before
    assert app.api.get("user/").json()["is_anonymous"] is True
    # Not allauth's serialized login, which holds a whole user, here with his password hash.
    assert owner.password not in json.dumps(kept)
    assert set(kept) == {"client_id", "provider", "uid", "extra_data", "emails", "phone", "token"}


def test_the_providers_tokens_are_stored_where_the_project_wants_them(
    app: App, browser: Client, settings: Settings
) -> None:
    settings.SOCIALACCOUNT_STORE_TOKENS = True

    keep_tokens(app.api, app.finish(travel(browser, app.ticket_url())["code"]))

    assert SocialToken.objects.get().account == SocialAccount.objects.get()


def test_an_app_in_the_database_works_too(
    app: App, browser: Client, oidc: OIDCProvider, settings: Settings
) -> None:
    (config,) = settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"]
    settings.SOCIALACCOUNT_PROVIDERS = {}
    settings.SOCIALACCOUNT_STORE_TOKENS = True
    row = SocialApp.objects.create(provider="openid_connect", **config)

    keep_tokens(app.api, app.finish(travel(browser, app.ticket_url())["code"]))

    assert SocialToken.objects.get().app == row
    assert "social:fake" in app.api.get("settings/").json()["upgrade_methods"]


# What may be sent


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/callback",
        "//shop.example/callback?from=provider",
        "https:\\\\shop.example\\callback?from=provider",
        "https://shop.example@evil.example/callback?from=provider",
        "https://evil.example/https://shop.example/callback?from=provider",
        "https://SHOP.example/callback?from=provider",
        "HTTPS://shop.example/callback?from=provider",
        "https://shop.example/callback?from=provider&more",
        "https://shop.example/callback?from=provider#fragment",
        "https://shop.example/callback",
        "https://shop.example/callback/?from=provider",
        "https://shop.example/callback/../evil?from=provider",
        "https://shop.example:443/callback?from=provider",
        "http://shop.example/callback?from=provider",
        " https://shop.example/callback?from=provider",
        "https://shop.example/callback?from=provider\n",
        "com.example.shop:/callback/more",
        "com.example.shop://callback",
        "com.evil.shop:/callback",
        "javascript:alert(1)",
        "data:text/html,x",
    ],
)
def test_an_address_that_is_not_listed_to_the_letter_is_refused(app: App, uri: str) -> None:
    answer = app.start(redirect_uri=uri)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert answer.json()["fields"]["redirect_uri"][0]["code"] == "not_allowed"
    assert not SocialTicket.objects.exists()


def test_without_listed_addresses_there_is_no_way_through_the_browser(
    app: App, settings: Settings
) -> None:
    settings.ANONAUTH_REDIRECT_URIS = ()

    answer = app.start()

    assert (answer.status_code, answer.json()["code"]) == (404, "method_unavailable")


@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge": ""},
        {"code_challenge": "too-short"},
        {"code_challenge": "x" * 44},
        {"code_challenge": "+" * 43},
        {"code_challenge_method": "plain"},
        {"redirect_uri": None},
        {"next": "https://evil.example/"},
    ],
)
def test_a_start_without_a_proper_challenge_is_refused(app: App, changes: Any) -> None:
    answer = app.start(**changes)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_a_visitor_cannot_start(oidc: OIDCProvider) -> None:
    assert App(Api()).start().status_code == 401


def test_a_permanent_user_cannot_start(app: App) -> None:
    token = json.dumps({"id": 5})
    keep_tokens(app.api, app.api.post("upgrade/social/dummy/token/", {"id_token": token}))

    answer = app.start()

    assert (answer.status_code, answer.json()["code"]) == (403, "not_anonymous")


def test_only_hashes_of_the_secrets_are_stored(app: App, browser: Client) -> None:
    url = app.ticket_url()
    ticket = url.partition("ticket=")[2]
    at_start = json.dumps(list(SocialTicket.objects.values()), default=str)
    code = travel(browser, url)["code"]
    at_the_end = json.dumps(list(SocialTicket.objects.values()), default=str)

    assert len(ticket) >= 43
    assert len(code) >= 43
    assert ticket not in at_start
    assert code not in at_the_end
    assert app.verifier not in at_start + at_the_end


# The attack: the ticket's link is sent to a victim


def test_a_victim_who_follows_an_attackers_link_gives_him_nothing(
    app: App, browser: Client
) -> None:
    """The code goes to the victim's device, not to the attacker: he cannot finish without it."""
    attacker = app
    code = travel(browser, attacker.ticket_url())["code"]

    # All that the attacker has: his guest, his verifier, the ticket's link.
    for guess in ("", "0" * 43, attacker.verifier):
        assert attacker.finish(guess).status_code == 400
    assert not SocialAccount.objects.exists()

    # The victim's own app is woken up by a code that it did not ask for.
    victim = App(Api())
    victim.api.sign_in()
    answer = victim.finish(code)
    assert (answer.status_code, answer.json()["code"]) == (400, "ticket_invalid")
    assert not SocialAccount.objects.exists()
    assert User.objects.filter(is_guest=True).count() == 2


def test_an_attackers_code_in_a_victims_app_joins_nothing_to_the_victim(
    app: App, browser: Client
) -> None:
    """The other way round: the victim would go on in an account that the attacker can enter."""
    victim = App(Api())
    victim.api.sign_in()
    victim.ticket_url()
    code = travel(browser, app.ticket_url())["code"]

    assert victim.finish(code).json()["code"] == "ticket_invalid"
    # And it has not used up the code of the one whose it is.
    keep_tokens(app.api, app.finish(code))


def test_what_protects_is_that_the_code_stays_with_the_app(app: App, browser: Client) -> None:
    """The limit: who starts, and also reads the code on the victim's device, can finish.

    PKCE protects the one who starts, not the one who is sent a link. So the addresses on the list must be ones that
    only the project's app receives: claimed https links rather than schemes that any app can register.
    """
    code = travel(browser, app.ticket_url())["code"]

    assert app.finish(code).status_code == 200


# Once, in order, in time, and by the same guest


def test_a_ticket_opens_the_provider_once(app: App, browser: Client) -> None:
    url = app.ticket_url()
    visit_provider(browser, url)

    for visitor in (browser, Client()):
        answer = visitor.get(url)
        assert answer.status_code == 400
        assert "expired or was used" in answer.content.decode()
        assert "Location" not in answer


@pytest.mark.parametrize("ticket", ["", "x", "%00", "é"])
def test_a_ticket_that_was_never_given_out_is_refused(
    app: App, browser: Client, ticket: str
) -> None:
    app.ticket_url()

    assert browser.get(f"/auth/upgrade/social/fake/go/?ticket={ticket}").status_code == 400


def test_a_ticket_is_for_its_provider(app: App, browser: Client) -> None:
    url = app.ticket_url().replace("/fake/", "/dummy/")

    assert browser.get(url).status_code == 400


def test_a_prefetch_does_not_use_up_the_ticket(app: App, browser: Client) -> None:
    url = app.ticket_url()

    assert browser.get(url, headers={"Sec-Purpose": "prefetch"}).status_code == 403
    assert "code" in travel(browser, url)


def test_a_ticket_is_opened_with_get_alone(app: App) -> None:
    assert Client().post(app.ticket_url()).status_code == 405


def test_a_new_start_ends_the_one_before(app: App, browser: Client) -> None:
    first = app.ticket_url()
    second = app.ticket_url()

    assert browser.get(first).status_code == 400
    keep_tokens(app.api, app.finish(travel(browser, second)["code"]))


def test_a_callback_that_is_repeated_gives_no_second_code(app: App, browser: Client) -> None:
    callback = visit_provider(browser, app.ticket_url())
    code = told(browser.get(callback))["code"]

    again = browser.get(callback)

    assert "Location" not in again
    keep_tokens(app.api, app.finish(code))


def test_a_callback_in_another_browser_is_not_believed(app: App, browser: Client) -> None:
    """An attacker who was sent to the provider hands his callback to a victim, or takes a victim's."""
    callback = visit_provider(browser, app.ticket_url())

    answer = Client().get(callback)

    assert "Location" not in answer
    assert SocialTicket.objects.get().step == SocialTicket.Step.AT_PROVIDER


def test_a_code_is_good_once(app: App, browser: Client) -> None:
    code = travel(browser, app.ticket_url())["code"]
    keep_tokens(app.api, app.finish(code))

    answer = app.finish(code)

    assert (answer.status_code, answer.json()["code"]) == (400, "ticket_invalid")


@pytest.mark.parametrize("verifier", ["x" * 43, "é" * 43])
def test_a_wrong_verifier_uses_up_the_code(app: App, browser: Client, verifier: str) -> None:
    code = travel(browser, app.ticket_url())["code"]

    wrong = app.finish(code, code_verifier=verifier)
    right = app.finish(code)

    for answer in (wrong, right):
        assert (answer.status_code, answer.json()["code"]) == (400, "ticket_invalid")
    assert User.objects.get().is_guest


def test_the_challenge_itself_is_no_verifier(app: App, browser: Client) -> None:
    """Whoever reads the request that started (a log, a proxy) cannot finish."""
    code = travel(browser, app.ticket_url())["code"]

    assert app.finish(code, code_verifier=challenge_of(app.verifier)).status_code == 400


def test_a_code_is_for_its_provider(app: App, browser: Client) -> None:
    code = travel(browser, app.ticket_url())["code"]
    body = {"code": code, "code_verifier": app.verifier}

    assert app.api.post("upgrade/social/dummy/finish/", body).status_code == 400


def test_a_ticket_or_a_secret_in_between_is_no_code(app: App, browser: Client) -> None:
    url = app.ticket_url()
    ticket = url.partition("ticket=")[2]
    assert app.finish(ticket).status_code == 400
    callback = visit_provider(browser, url)
    (state,) = browser.session["socialaccount_states"].values()

    assert app.finish(state[0]["anonauth"]).status_code == 400
    assert "code" in told(browser.get(callback))


@pytest.mark.parametrize("leg", ["ticket", "provider", "code"])
def test_each_leg_ends_in_time(app: App, browser: Client, leg: str) -> None:
    url = app.ticket_url()
    past = {"expires_at": timezone.now() - timedelta(seconds=1)}
    if leg == "ticket":
        SocialTicket.objects.update(**past)
        assert browser.get(url).status_code == 400
        return
    callback = visit_provider(browser, url)
    if leg == "provider":
        SocialTicket.objects.update(**past)
        assert told(browser.get(callback)) == {"error": "ticket_invalid"}
        return
    code = told(browser.get(callback))["code"]
    row = SocialTicket.objects.get()
    assert row.expires_at <= timezone.now() + timedelta(minutes=2)
    SocialTicket.objects.update(**past)
    assert app.finish(code).json()["code"] == "ticket_invalid"


def test_what_has_expired_is_deleted_at_the_next_start(app: App) -> None:
    app.ticket_url()
    SocialTicket.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    other = App(Api())
    other.api.sign_in()

    other.ticket_url()

    assert SocialTicket.objects.get().user == guest_of(other.api)


# The guest in the meantime


def leave(user: Any, how: str) -> None:
    if how == "purged":
        user.delete()
    elif how == "banned":
        User.objects.filter(pk=user.pk).update(is_active=False)
    else:
        upgrade(user, method="email")


@pytest.mark.parametrize("how", ["purged", "banned", "upgraded"])
def test_a_guest_who_is_none_any_more_when_the_link_is_opened(
    app: App, browser: Client, how: str
) -> None:
    url = app.ticket_url()
    leave(guest_of(app.api), how)

    answer = browser.get(url)

    if how == "purged":
        assert answer.status_code == 400
    else:
        error = {"banned": "user_inactive", "upgraded": "not_anonymous"}[how]
        assert (answer.status_code, told(answer)) == (302, {"error": error})


@pytest.mark.parametrize("how", ["purged", "banned", "upgraded"])
def test_a_guest_who_is_none_any_more_when_the_person_comes_back(
    app: App, browser: Client, how: str
) -> None:
    callback = visit_provider(browser, app.ticket_url())
    leave(guest_of(app.api), how)

    answer = browser.get(callback)

    errors = {"banned": "user_inactive", "upgraded": "not_anonymous", "purged": "ticket_invalid"}
    assert (answer.status_code, told(answer)) == (302, {"error": errors[how]})
    assert not SocialAccount.objects.exists()
    assert not SocialTicket.objects.exists()


@pytest.mark.parametrize("how", ["purged", "banned", "upgraded"])
def test_a_guest_who_is_none_any_more_when_the_app_finishes(
    app: App, browser: Client, how: str
) -> None:
    code = travel(browser, app.ticket_url())["code"]
    leave(guest_of(app.api), how)

    answer = app.finish(code)

    codes = {"banned": "user_inactive", "upgraded": "token_revoked", "purged": "user_not_found"}
    assert (answer.status_code, answer.json()["code"]) == (401, codes[how])
    assert not SocialAccount.objects.exists()


def test_a_guest_who_upgraded_elsewhere_adds_nothing_with_his_new_token(
    app: App, browser: Client
) -> None:
    code = travel(browser, app.ticket_url())["code"]
    token = json.dumps({"id": 5})
    keep_tokens(app.api, app.api.post("upgrade/social/dummy/token/", {"id_token": token}))

    answer = app.finish(code)

    assert (answer.status_code, answer.json()["code"]) == (403, "not_anonymous")
    assert SocialAccount.objects.get().provider == "dummy"


# What goes wrong at the provider


def test_a_person_who_cancels_comes_back_to_the_app(
    app: App, browser: Client, oidc: OIDCProvider
) -> None:
    oidc.mode = "deny"

    assert travel(browser, app.ticket_url()) == {"error": "cancelled"}
    assert User.objects.get().is_guest
    assert not SocialTicket.objects.exists()


def test_a_provider_that_gives_no_token_sends_back_to_the_app(
    app: App, browser: Client, oidc: OIDCProvider
) -> None:
    oidc.mode = "no token"

    assert travel(browser, app.ticket_url()) == {"error": "provider_error"}


def test_a_provider_that_is_down_sends_back_to_the_app(
    app: App, browser: Client, oidc: OIDCProvider
) -> None:
    url = app.ticket_url()
    oidc.mode = "down"

    assert told(browser.get(url)) == {"error": "provider_unavailable"}


def test_the_dummy_provider_goes_the_same_way(app: App, browser: Client) -> None:
    body = {"redirect_uri": APP, "code_challenge": challenge_of(app.verifier)}
    browser = Client()
    for cancel in (True, False):
        url = app.api.post("upgrade/social/dummy/start/", body).json()["url"]
        page = browser.get(url.removeprefix("http://testserver"))["Location"]
        form = {"action": "cancel"} if cancel else {"id": 7}
        back = told(browser.post(page, form))
        assert back == {"error": "cancelled"} if cancel else "code" in back

    finish = {"code": back["code"], "code_verifier": app.verifier}
    keep_tokens(app.api, app.api.post("upgrade/social/dummy/finish/", finish))
    assert SocialAccount.objects.get().uid == "7"


def test_an_address_that_was_taken_off_the_list_gets_no_code(
    app: App, browser: Client, settings: Settings
) -> None:
    callback = visit_provider(browser, app.ticket_url())
    settings.ANONAUTH_REDIRECT_URIS = (WEB,)

    answer = browser.get(callback)

    assert answer.status_code == 400
    assert "Location" not in answer


# allauth's own pages


def connect_in_pages(browser: Client) -> Any:
    """Connect the account at the provider with the user of a browser's session, as allauth's button does."""
    browser.handler.enforce_csrf_checks = False  # the button is in a page
    page = browser.post("/accounts/oidc/fake/login/?process=connect")
    there = requests.get(page["Location"], allow_redirects=False, timeout=10)
    return browser.get(there.headers["Location"].removeprefix("http://testserver"))


def test_connecting_in_allauths_pages_upgrades_and_takes_the_address(
    api: Api, oidc: OIDCProvider
) -> None:
    api.sign_in(credentials="session")

    connect_in_pages(api.http)

    body = api.get("user/").json()
    assert (body["is_anonymous"], body["email"]) == (False, "zoe@example.com")
    assert User.objects.count() == 1


def test_connecting_in_allauths_pages_does_not_overwrite_the_owners_data(
    api: Api, oidc: OIDCProvider, settings: Settings
) -> None:
    settings.SOCIALACCOUNT_STORE_TOKENS = True
    make_owner()
    SocialToken.objects.create(account=SocialAccount.objects.get(), token="the owner's")
    api.sign_in(credentials="session")
    before = everything()

    assert connect_in_pages(api.http).status_code == 302

    assert everything() == before
    assert api.get("user/").json()["is_anonymous"] is True


def test_a_permanent_user_connects_as_ever(oidc: OIDCProvider, browser: Client) -> None:
    ann = make_owner()
    browser.force_login(ann)

    connect_in_pages(browser)

    assert SocialAccount.objects.get().extra_data != {"kept": "as it is"}


@pytest.mark.django_db(transaction=True)
def test_a_refusal_under_atomic_requests_uses_up_the_code_all_the_same(
    app: App, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    code = travel(browser, app.ticket_url())["code"]

    assert app.finish(code, code_verifier="x" * 43).status_code == 400
    assert app.finish(code).status_code == 400

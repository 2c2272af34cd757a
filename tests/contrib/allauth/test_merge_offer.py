"""A guest logs in to an account through each of allauth's doors: he is asked, and merged if he wants to be."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.template import Context, RequestContext, Template
from django.test import RequestFactory
from django.urls import ResolverMatch
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from anonauth.adapter import Adapter
from anonauth.contrib.allauth.flows.merge_offer import may_merge_at_once
from anonauth.flows.sign_out import sign_out_everywhere
from anonauth.merge_rules import MergeRule
from anonauth.models import MergeRecord
from anonauth.offers import KEY
from tests.belongings.models import CartItem
from tests.client import Api
from tests.contrib.allauth.people import (
    ASKED,
    PASSWORD,
    Guest,
    Headless,
    Person,
    account,
    code_in_mail,
    code_in_sms,
    link_in_mail,
)
from tests.contrib.allauth.social import make_owner
from tests.contrib.allauth.test_pages_mfa import totp_code
from tests.parties import cart_of, put_into_cart, refused
from tests.services.oidc import OIDCProvider
from tests.testapp.models import Note

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db
User = get_user_model()
NUMBER = "+31612345678"
Make = Callable[[str], Headless]


class RulelessAdapter(Adapter):
    """Leaves it open what becomes of two cart items of one product."""

    def merge_rules(self) -> list[MergeRule]:
        return [MergeRule("belongings.CartItem.user")]


class FailingAdapter(Adapter):
    def merge_user(self, guest: Any, account: Any) -> None:
        raise ValueError("a bug in a rule")


class BrokenAdapter(Adapter):
    def merge_rules(self) -> list[MergeRule]:
        return [MergeRule("no.Such.relation")]


@pytest.fixture
def ann() -> Any:
    return account(uid=5, phone=NUMBER)


def by_password(guest: Person) -> Any:
    return guest.post("/accounts/login/", login="ann@example.com", password=PASSWORD)


def by_code(guest: Person) -> Any:
    guest.post("/accounts/login/code/", email="ann@example.com")
    return guest.post("/accounts/login/code/confirm/", code=code_in_mail())


def by_phone(guest: Person) -> Any:
    guest.post("/accounts/login/code/", phone=NUMBER)
    return guest.post("/accounts/login/code/confirm/", code=code_in_sms(NUMBER))


def by_social_account(guest: Person) -> Any:
    return guest.dummy("login", 5)


def by_reset(guest: Person) -> Any:
    guest.post("/accounts/password/reset/", email="ann@example.com")
    form = guest.http.get(link_in_mail(), follow=True).redirect_chain[-1][0]
    return guest.post(form, password1="Other!pw77", password2="Other!pw77")


DOORS = {
    "password": by_password,
    "code": by_code,
    "phone": by_phone,
    "social account": by_social_account,
    "password reset": by_reset,
}
EACH_DOOR = pytest.mark.parametrize("door", DOORS)


@pytest.fixture(autouse=True)
def reset_logs_in(settings: Settings) -> None:
    settings.ACCOUNT_LOGIN_ON_PASSWORD_RESET = True


def press(guest: Person, account: Any, action: str, **fields: Any) -> Any:
    body = {"account": str(account.pk), "action": action, "next": "/", **fields}
    return guest.http.post("/auth/merge/offer/", body)


def assert_merged(guest: Guest, ann: Any) -> None:
    assert guest.here == str(ann.pk)
    assert not User.objects.filter(pk=guest.id).exists()
    assert Note.objects.get().owner == ann
    record = MergeRecord.objects.get()
    assert (record.guest_id, record.account, record.method) == (guest.id, ann, "login")


def assert_waiting(guest: Guest, ann: Any) -> None:
    """Check that he is logged in, that nothing has been done, and that he can still say what he wants."""
    assert guest.here == str(ann.pk)
    assert guest.row.is_guest
    assert Note.objects.get().owner == guest.row
    assert guest.get("/auth/user/").json()["merge_offer"] is True
    assert guest.get("/auth/merge/offer/").status_code == 200


# --- ask


@EACH_DOOR
def test_a_guest_who_logs_in_is_asked_and_takes_his_things_along(
    guest: Guest, ann: Any, door: str
) -> None:
    answer = DOORS[door](guest)

    assert answer["Location"].startswith("/auth/merge/offer/?next=%2F")
    assert_waiting(guest, ann)
    assert press(guest, ann, "merge")["Location"] == "/"
    assert_merged(guest, ann)
    assert "merge_offer" not in guest.get("/auth/user/").json()


def test_a_template_leads_back_to_the_question_as_long_as_it_is_open(
    guest: Guest, ann: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(**user: Any) -> str:
        request: Any = RequestFactory().get("/cart/?a=1")
        request.session, request.user = guest.http.session, user.get("user", ann)
        template = Template("{% load anonauth %}{% merge_offer_url %}")
        return template.render(RequestContext(request, {"request": request}))

    assert link(user=guest.row) == ""
    by_password(guest)
    assert link() == "/auth/merge/offer/?next=%2Fcart%2F%3Fa%3D1"
    assert link(user=AnonymousUser()) == link(user=User.objects.create_user("bob")) == ""
    assert Template("{% load anonauth %}{% merge_offer_url %}").render(Context()) == ""
    with monkeypatch.context() as without_the_page:
        without_the_page.setattr("anonauth.offers.PAGE", "no_such_page")
        assert link() == ""
    settings.ANONAUTH_MERGE_OFFER_LIFETIME = timedelta(seconds=0)
    assert link() == ""
    settings.ANONAUTH_MERGE_OFFER_LIFETIME = timedelta(hours=1)
    press(guest, ann, "merge")
    assert link() == ""


@pytest.mark.parametrize("door", ["password", "social account", "code"])
def test_nothing_is_offered_before_the_second_factor(guest: Guest, ann: Any, door: str) -> None:
    secret = generate_totp_secret()
    TOTP.activate(ann, secret)

    answer = DOORS[door](guest)

    assert answer["Location"] == "/accounts/2fa/authenticate/"
    assert guest.is_still_a_guest
    assert KEY not in guest.http.session
    assert guest.get("/auth/merge/offer/").status_code == 302
    assert press(guest, ann, "merge").status_code == 302
    assert guest.row.is_guest
    answer = guest.post("/accounts/2fa/authenticate/", code=totp_code(secret))
    assert answer["Location"] == ASKED
    assert_waiting(guest, ann)
    press(guest, ann, "merge")
    assert_merged(guest, ann)


def test_the_way_on_is_the_one_that_the_login_would_have_taken(guest: Guest, ann: Any) -> None:
    answer = guest.post(
        "/accounts/login/?next=/%3Fa%3D1%26b", login="ann@example.com", password=PASSWORD
    )

    assert answer["Location"] == "/auth/merge/offer/?next=%2F%3Fa%3D1%26b"
    assert press(guest, ann, "merge", next="/?a=1&b")["Location"] == "/?a=1&b"


def test_a_guest_who_has_nothing_is_not_asked(guest: Guest, ann: Any) -> None:
    Note.objects.all().delete()

    assert by_password(guest)["Location"] == "/"

    assert KEY not in guest.http.session
    assert "merge_offer" not in guest.get("/auth/user/").json()
    assert guest.row.is_guest


def test_a_visitor_who_logs_in_is_not_asked(visitor: Person, ann: Any) -> None:
    assert by_password(visitor)["Location"] == "/"
    assert KEY not in visitor.http.session


def test_a_guest_who_signs_up_is_not_asked(guest: Guest) -> None:
    guest.post("/accounts/signup/", email="new@example.com", password1=PASSWORD)
    answer = guest.post("/accounts/confirm-email/", code=code_in_mail())

    assert answer["Location"] == "/"
    assert KEY not in guest.http.session


def test_a_permanent_user_is_never_offered(visitor: Person, ann: Any) -> None:
    bob = account("bob@example.com")
    visitor.http.force_login(bob, backend="allauth.account.auth_backends.AuthenticationBackend")

    visitor.dummy("login", 5)

    assert visitor.here == str(ann.pk)
    assert KEY not in visitor.http.session
    assert User.objects.filter(pk=bob.pk).exists()


def test_a_guest_whose_session_was_revoked_is_not_offered(guest: Guest, ann: Any) -> None:
    sign_out_everywhere(guest.row)

    assert by_password(guest)["Location"] == "/"
    assert KEY not in guest.http.session


def test_who_declines_is_not_asked_again_and_keeps_nothing_of_the_guest(
    guest: Guest, ann: Any
) -> None:
    by_password(guest)

    assert press(guest, ann, "decline")["Location"] == "/"

    assert guest.here == str(ann.pk)
    assert guest.row.is_guest
    assert Note.objects.get().owner == guest.row
    assert guest.get("/auth/merge/offer/").status_code == 302
    assert "merge_offer" not in guest.get("/auth/user/").json()
    assert not MergeRecord.objects.exists()


def test_the_offer_ends_after_its_time(
    guest: Guest, ann: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_password(guest)
    later = timezone.now() + timedelta(hours=1, seconds=1)
    monkeypatch.setattr("anonauth.offers.timezone.now", lambda: later)

    assert guest.get("/auth/merge/offer/").status_code == 302
    assert "merge_offer" not in guest.get("/auth/user/").json()
    press(guest, ann, "merge")
    assert guest.row.is_guest


def test_the_offer_ends_with_the_session(guest: Guest, ann: Any) -> None:
    by_password(guest)
    guest.post("/accounts/logout/")

    by_password(guest)

    assert KEY not in guest.http.session


@pytest.mark.parametrize("what", ["upgraded", "banned", "signed out", "purged"])
def test_a_guest_who_is_another_one_since_the_login_is_not_merged(
    guest: Guest, ann: Any, what: str
) -> None:
    by_password(guest)
    rows = User.objects.filter(pk=guest.id)
    if what == "upgraded":
        rows.update(is_guest=False)
    elif what == "banned":
        rows.update(is_active=False)
    elif what == "signed out":
        sign_out_everywhere(rows.get())
    else:
        rows.delete()

    assert press(guest, ann, "merge")["Location"] == "/"

    assert not MergeRecord.objects.exists()
    assert not Note.objects.filter(owner=ann).exists()
    csrf = Api()
    csrf.http.cookies = guest.http.cookies
    assert refused(csrf.post("merge/", {})) == (404, "no_merge_offer")


# --- clients of the JSON API


@pytest.mark.parametrize("kind", ["browser", "app"])
def test_a_client_of_the_headless_api_reads_the_offer_and_merges(
    kind: str, ann: Any, headless: Make
) -> None:
    guest = headless(kind)
    put_into_cart(guest.row, p1=3)
    put_into_cart(ann, p1=2)
    body = {"email": "ann@example.com", "password": PASSWORD}

    assert guest.call("POST", "auth/login", body).status_code == 200

    me = call(guest, "GET", "user/").json()
    assert (me["id"], me["merge_offer"]) == (str(ann.pk), True)
    preview = call(guest, "POST", "merge/preview/")
    assert preview.status_code == 200
    assert preview.json()["guest_id"] == guest.id
    choices = {"choices": {"belongings.CartItem.user": "keep_anonymous"}}
    done, again = (call(guest, "POST", "merge/", choices) for _ in range(2))
    assert done.status_code == 200
    assert done.json() == again.json()
    assert cart_of(ann) == {1: 3}
    assert_merged(guest, ann)
    assert "merge_offer" not in call(guest, "GET", "user/").json()


def call(guest: Headless, method: str, path: str, body: Any = None) -> Any:
    headers = {"X-Session-Token": guest.token} if guest.token else {}
    return guest.http.generic(
        method, f"/auth/{path}", json.dumps(body or {}), "application/json", headers=headers
    )


@pytest.mark.parametrize("kind", ["browser", "app"])
def test_a_client_of_the_headless_api_is_offered_nothing_before_the_second_factor(
    kind: str, ann: Any, headless: Make
) -> None:
    secret = generate_totp_secret()
    TOTP.activate(ann, secret)
    guest = headless(kind)
    body = {"email": "ann@example.com", "password": PASSWORD}
    assert guest.call("POST", "auth/login", body).status_code == 401
    assert refused(call(guest, "POST", "merge/")) == (403, "permanent_user_required")

    code = {"code": totp_code(secret)}
    assert guest.call("POST", "auth/2fa/authenticate", code).status_code == 200

    assert call(guest, "POST", "merge/").status_code == 200
    assert_merged(guest, ann)


def test_a_page_with_a_script_merges_with_the_session_and_its_csrf_token(
    guest: Guest, ann: Any
) -> None:
    by_password(guest)
    api = Api()
    api.http.cookies = guest.http.cookies

    assert refused(api.post("merge/", {}, X_CSRFToken="forged")) == (403, "csrf_failed")
    assert api.post("merge/", {}).status_code == 200
    assert_merged(guest, ann)


def test_tokens_of_the_account_know_nothing_of_what_its_sessions_remember(
    guest: Guest, ann: Any
) -> None:
    by_password(guest)
    api = Api()
    api.http.cookies = guest.http.cookies
    api.tokens = api.post("token/", {"email": ann.email, "password": PASSWORD}).json()

    assert refused(api.post("merge/", {})) == (404, "no_merge_offer")
    assert "merge_offer" not in api.get("user/").json()
    assert_waiting(guest, ann)


# --- always


@pytest.mark.parametrize("door", ["password", "code", "phone"])
def test_always_merges_at_once(guest: Guest, ann: Any, door: str, settings: Settings) -> None:
    settings.ANONAUTH_MERGE_ON_LOGIN = "always"

    assert DOORS[door](guest)["Location"] == "/"

    assert_merged(guest, ann)


def test_always_asks_when_the_browser_comes_back_from_a_provider(
    guest: Guest, oidc: OIDCProvider, settings: Settings
) -> None:
    settings.ANONAUTH_MERGE_ON_LOGIN = "always"
    ann = make_owner()
    there = guest.http.post("/accounts/oidc/fake/login/?process=login&next=/")["Location"]
    back = urlsplit(requests.get(there, allow_redirects=False, timeout=10).headers["Location"])

    # SECURITY: this is the request that a forged link can cause.
    answer = guest.get(f"{back.path}?{back.query}")

    assert answer["Location"] == ASKED
    assert_waiting(guest, ann)


def test_always_asks_after_a_password_reset(guest: Guest, ann: Any, settings: Settings) -> None:
    settings.ANONAUTH_MERGE_ON_LOGIN = "always"

    assert by_reset(guest)["Location"].startswith("/auth/merge/offer/")

    assert_waiting(guest, ann)


@pytest.mark.parametrize(
    ("method", "protected", "at_once"),
    [("POST", True, True), ("POST", False, False), ("GET", True, False), ("HEAD", True, False)],
)
def test_a_post_that_another_site_may_send_is_no_better_than_a_link(
    method: str, protected: bool, at_once: bool, settings: Settings
) -> None:
    """Apple and SAML come back with a POST, which Django's CSRF check has to let through."""
    settings.ANONAUTH_MERGE_ON_LOGIN = "always"
    request = RequestFactory().generic(method, "/callback/")
    request.session = {}  # type: ignore[assignment]
    view = by_reset if protected else csrf_exempt(by_reset)
    request.resolver_match = ResolverMatch(view, (), {})

    assert may_merge_at_once(request) is at_once


def test_always_merges_after_the_second_factor_and_not_before(
    guest: Guest, ann: Any, settings: Settings
) -> None:
    settings.ANONAUTH_MERGE_ON_LOGIN = "always"
    secret = generate_totp_secret()
    TOTP.activate(ann, secret)
    by_password(guest)
    assert guest.is_still_a_guest

    assert guest.post("/accounts/2fa/authenticate/", code=totp_code(secret))["Location"] == "/"

    assert_merged(guest, ann)


def test_always_asks_after_a_password_reset_with_a_second_factor_too(
    guest: Guest, ann: Any, settings: Settings
) -> None:
    settings.ANONAUTH_MERGE_ON_LOGIN = "always"
    secret = generate_totp_secret()
    TOTP.activate(ann, secret)
    by_reset(guest)

    answer = guest.post("/accounts/2fa/authenticate/", code=totp_code(secret))

    assert answer["Location"].startswith("/auth/merge/offer/")
    assert_waiting(guest, ann)


@pytest.mark.parametrize("kind", ["browser", "app"])
def test_always_merges_at_once_in_the_headless_api_too(
    kind: str, ann: Any, headless: Make, settings: Settings
) -> None:
    settings.ANONAUTH_MERGE_ON_LOGIN = "always"
    guest = headless(kind)
    body = {"email": "ann@example.com", "password": PASSWORD}

    assert guest.call("POST", "auth/login", body).status_code == 200

    assert_merged(guest, ann)


# --- never


@EACH_DOOR
def test_never_remembers_nobody(guest: Guest, ann: Any, door: str, settings: Settings) -> None:
    settings.ANONAUTH_MERGE_ON_LOGIN = "never"

    answer = DOORS[door](guest)

    assert not answer["Location"].startswith("/auth/")
    assert guest.here == str(ann.pk)
    assert KEY not in guest.http.session
    assert guest.row.is_guest
    assert "merge_offer" not in guest.get("/auth/user/").json()


# --- what goes wrong


@pytest.mark.parametrize("adapter", ["FailingAdapter", "RulelessAdapter"])
def test_a_merge_that_fails_leaves_the_login_the_guest_and_the_offer(
    guest: Guest, ann: Any, settings: Settings, adapter: str, caplog: Any
) -> None:
    settings.ANONAUTH_MERGE_ON_LOGIN = "always"
    settings.ANONAUTH_ADAPTER = f"{__name__}.{adapter}"
    for user in (guest.row, ann):
        CartItem.objects.create(user=user, product=1)

    answer = by_password(guest)

    assert answer["Location"] == ASKED
    assert_waiting(guest, ann)
    assert ("could not be merged" in caplog.text) is (adapter == "FailingAdapter")
    settings.ANONAUTH_ADAPTER = "anonauth.adapter.Adapter"
    press(guest, ann, "merge")
    assert_merged(guest, ann)


@pytest.mark.parametrize("policy", ["ask", "always"])
def test_rules_that_cannot_be_read_do_not_keep_anybody_from_logging_in(
    guest: Guest, ann: Any, settings: Settings, policy: str, caplog: Any
) -> None:
    settings.ANONAUTH_MERGE_ON_LOGIN = policy
    settings.ANONAUTH_ADAPTER = f"{__name__}.BrokenAdapter"

    assert by_password(guest)["Location"] == "/"

    assert guest.here == str(ann.pk)
    assert "names nothing" in caplog.text
    settings.ANONAUTH_ADAPTER = "anonauth.adapter.Adapter"
    assert_waiting(guest, ann)


def test_without_the_page_a_guest_is_logged_in_and_the_offer_waits(
    guest: Guest, ann: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anonauth.offers.PAGE", "no_such_page")

    assert by_password(guest)["Location"] == "/"

    assert_waiting(guest, ann)


def test_a_login_that_fails_at_the_last_stage_costs_the_guest_nothing(
    guest: Guest, ann: Any
) -> None:
    TOTP.activate(ann, generate_totp_secret())
    by_password(guest)

    assert guest.post("/accounts/2fa/authenticate/", code="000000").status_code == 200

    assert guest.is_still_a_guest
    assert guest.http.session["cart"] == [1, 2]


def test_a_guest_whose_address_another_one_proves_is_offered_to_that_one(
    guest: Guest, links: None, settings: Settings
) -> None:
    """Two guests in one browser: the second one's sign-up ends by the login of the row that was waiting."""
    settings.ACCOUNT_LOGIN_ON_EMAIL_CONFIRMATION = True
    other = Guest()
    other.post("/accounts/signup/", email="new@example.com", password1=PASSWORD)
    by_form = {"login": "new@example.com", "password": PASSWORD}
    assert guest.post("/accounts/login/", **by_form).status_code == 302
    EmailAddress.objects.update(verified=True)

    answer = guest.post("/accounts/login/", **by_form)

    assert answer["Location"] == ASKED
    assert guest.here == other.id
    assert not other.row.is_guest
    assert guest.get("/auth/user/").json()["merge_offer"] is True

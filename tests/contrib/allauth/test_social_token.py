"""A guest upgrades with what a provider's own SDK gave to the app."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.signals import social_account_added, social_account_updated
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from anonauth.contrib.allauth.flows import provider_token, social_redirect
from anonauth.contrib.allauth.models import SeenToken
from anonauth.tickets import read_merge_ticket
from tests.client import Api
from tests.contrib.allauth.by_code import is_statement, verb_and_table
from tests.contrib.allauth.social import App, guest_of, keep_tokens, make_owner
from tests.services.oidc import OIDCProvider, key
from tests.signals import connected

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db
User = get_user_model()
PATH = "upgrade/social/fake/token/"


@pytest.fixture
def guest(api: Api, oidc: OIDCProvider) -> Any:
    api.sign_in()
    return guest_of(api)


@pytest.fixture
def updates() -> Iterator[list[Any]]:
    heard: list[Any] = []

    def receiver(**kwargs: Any) -> None:
        heard.append(kwargs)

    social_account_updated.connect(receiver)
    yield heard
    social_account_updated.disconnect(receiver)


def test_a_guest_becomes_permanent_with_an_id_token(
    api: Api, guest: Any, oidc: OIDCProvider
) -> None:
    old = dict(api.tokens)

    body = keep_tokens(api, api.post(PATH, {"id_token": oidc.id_token()}))

    row = User.objects.get()
    assert (row.pk, row.is_guest, row.email) == (guest.pk, False, "zoe@example.com")
    account = SocialAccount.objects.get()
    assert (account.user_id, account.provider, account.uid) == (guest.pk, "fake", "u1")
    assert body["user"]["id"] == str(guest.pk)
    assert body["user"]["is_anonymous"] is False
    assert body["user"]["identities"] == [
        {"type": "email", "email": "zoe@example.com", "primary": True},
        {"type": "social", "provider": "fake", "uid": "u1"},
    ]
    assert api.get("user/").json() == body["user"]
    assert (
        api.get("user/", Authorization=f"Bearer {old['access']}").json()["code"] == "token_revoked"
    )


def test_a_guest_with_a_session_keeps_it_and_its_data(api: Api, oidc: OIDCProvider) -> None:
    api.sign_in(credentials="session")
    session = api.http.session
    session["cart"] = [1]
    session.save()
    before = session.session_key

    answer = api.post(PATH, {"id_token": oidc.id_token()})

    assert (answer.status_code, answer.json()["credentials"]) == (200, "session")
    assert api.http.session.session_key != before
    assert api.http.session["cart"] == [1]
    assert api.get("user/").json()["is_anonymous"] is False


def test_the_identity_of_somebody_else_is_a_conflict_and_the_guest_keeps_everything(
    api: Api, guest: Any, oidc: OIDCProvider, settings: Settings, updates: list[Any]
) -> None:
    settings.SOCIALACCOUNT_STORE_TOKENS = True
    owner = make_owner()
    SocialToken.objects.create(account=SocialAccount.objects.get(), token="the owner's")
    before = [list(model.objects.order_by("pk").values()) for model in (User, SocialAccount)]

    answer = api.post(PATH, {"id_token": oidc.id_token()})

    assert (answer.status_code, answer.json()["code"]) == (409, "identity_taken")
    assert before == [
        list(model.objects.order_by("pk").values()) for model in (User, SocialAccount)
    ]
    assert SocialToken.objects.get().token == "the owner's"
    assert updates == []
    ticket = read_merge_ticket(answer.json()["merge_ticket"], lifetime=timedelta(minutes=1))
    assert ticket is not None
    assert ticket.is_current(guest=guest, account=owner)
    assert (ticket.method, api.get("user/").json()["is_anonymous"]) == ("social", True)


def test_the_same_identity_again_is_answered_with_the_user(
    api: Api, guest: Any, oidc: OIDCProvider
) -> None:
    keep_tokens(api, api.post(PATH, {"id_token": oidc.id_token()}))
    before = list(User.objects.values()), list(EmailAddress.objects.values())

    body = keep_tokens(api, api.post(PATH, {"id_token": oidc.id_token()}))

    assert body["user"]["id"] == str(guest.pk)
    assert (list(User.objects.values()), list(EmailAddress.objects.values())) == before


@pytest.mark.parametrize("taken", [False, True])
def test_a_permanent_user_adds_no_further_identity_here(
    api: Api, guest: Any, oidc: OIDCProvider, taken: bool
) -> None:
    keep_tokens(api, api.post(PATH, {"id_token": oidc.id_token()}))
    if taken:
        make_owner(uid="u2")

    answer = api.post(PATH, {"id_token": oidc.id_token(sub="u2")})

    assert (answer.status_code, answer.json()["code"]) == (403, "not_anonymous")
    assert not guest.socialaccount_set.filter(uid="u2").exists()


WRONG: dict[str, dict[str, Any]] = {
    "for another app": {"aud": "another-app"},
    "expired": {"exp": 1},
    "of another issuer": {"iss": "https://evil.example"},
    "without a subject": {"sub": None},
    "unsigned": {"algorithm": "none"},
    "signed with the public key as a password": {"algorithm": "HS256-with-the-public-key"},
}


MALFORMED = {"garbage": "a.b.c", "without a key id": "eyJhbGciOiJSUzI1NiJ9.e30.c2ln"}


@pytest.mark.parametrize("how", [*WRONG, *MALFORMED, "signed with another key"])
def test_a_token_is_refused_that_is(api: Api, guest: Any, oidc: OIDCProvider, how: str) -> None:
    if how == "signed with another key":
        token = oidc.id_token(signer=key("another's"))
    else:
        token = MALFORMED.get(how) or oidc.id_token(**WRONG[how])

    answer = api.post(PATH, {"id_token": token})

    assert (answer.status_code, answer.json()["code"]) == (400, "provider_token_invalid")
    assert User.objects.get().is_guest
    assert not SocialAccount.objects.exists()
    assert not SeenToken.objects.exists()


def test_a_provider_that_is_down_is_not_taken_for_a_bad_token(
    api: Api, guest: Any, oidc: OIDCProvider
) -> None:
    token = oidc.id_token()
    oidc.mode = "down"

    answer = api.post(PATH, {"id_token": token})

    assert (answer.status_code, answer.json()["code"]) == (503, "provider_unavailable")


@pytest.mark.parametrize("form", ["as it is", "hashed"])
def test_the_nonce_of_the_app_is_found_in_the_token(
    api: Api, guest: Any, oidc: OIDCProvider, form: str
) -> None:
    claim = "n-1" if form == "as it is" else hashlib.sha256(b"n-1").hexdigest()
    keep_tokens(api, api.post(PATH, {"id_token": oidc.id_token(nonce=claim), "nonce": "n-1"}))


@pytest.mark.parametrize(
    ("claim", "sent"), [("n-1", {"nonce": "n-2"}), ("n-1", {}), (None, {"nonce": "n-1"})]
)
def test_a_token_with_another_nonce_than_the_app_sends_is_refused(
    api: Api, guest: Any, oidc: OIDCProvider, claim: str | None, sent: dict[str, str]
) -> None:
    answer = api.post(PATH, {"id_token": oidc.id_token(nonce=claim), **sent})

    assert (answer.status_code, answer.json()["code"]) == (400, "provider_token_invalid")
    assert User.objects.get().is_guest


@pytest.mark.parametrize("nonce", [None, "n-1"])
def test_a_token_that_another_guest_brought_is_refused(
    api: Api, guest: Any, oidc: OIDCProvider, nonce: str | None
) -> None:
    """A leaked id token gives neither the identity nor a ticket for the account."""
    body = {"id_token": oidc.id_token(nonce=nonce, jti=None)}
    body |= {"nonce": nonce} if nonce else {}
    keep_tokens(api, api.post(PATH, body))
    thief = Api()
    thief.sign_in()

    answer = thief.post(PATH, body)

    assert (answer.status_code, answer.json()["code"]) == (400, "provider_token_invalid")
    assert guest_of(thief).is_guest
    assert keep_tokens(api, api.post(PATH, body))["user"]["id"] == str(guest.pk)


@pytest.mark.parametrize("how", ["merged", "erased"])
def test_a_token_is_not_given_free_by_the_end_of_the_guest_who_brought_it(
    api: Api, guest: Any, oidc: OIDCProvider, how: str
) -> None:
    make_owner()
    body = {"id_token": oidc.id_token(jti=None)}
    conflict = api.post(PATH, body)
    assert conflict.json()["code"] == "identity_taken"
    if how == "merged":
        ticket = {"merge_ticket": conflict.json()["merge_ticket"]}
        assert api.post("merge/", ticket).status_code == 200
    else:
        assert api.delete("user/").status_code == 204
    thief = Api()
    thief.sign_in()

    answer = thief.post(PATH, body)

    assert (answer.status_code, answer.json()["code"]) == (400, "provider_token_invalid")


def test_a_token_is_the_same_however_its_signature_is_spelled(
    api: Api, guest: Any, oidc: OIDCProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the last letter some bits do not count; PyJWT before 2.14 takes it for the same signature."""
    token = oidc.id_token(jti=None)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    spelled = token[:-1] + letters[letters.index(token[-1]) ^ 1]
    assert base64.urlsafe_b64decode(f"{spelled.rpartition('.')[2]}==") == base64.urlsafe_b64decode(
        f"{token.rpartition('.')[2]}=="
    )
    verify = OpenIDConnectProvider.verify_token
    monkeypatch.setattr(
        OpenIDConnectProvider,
        "verify_token",
        lambda self, request, _token: verify(self, request, {"id_token": token}),
    )
    keep_tokens(api, api.post(PATH, {"id_token": token}))
    thief = Api()
    thief.sign_in()

    answer = thief.post(PATH, {"id_token": spelled})

    assert (answer.status_code, answer.json()["code"]) == (400, "provider_token_invalid")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("step", ["token", "start"])
def test_a_guest_who_is_erased_while_his_provider_is_asked_reads_that_he_is_gone(
    api: Api, guest: Any, oidc: OIDCProvider, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    flow = provider_token if step == "token" else social_redirect
    get_provider = flow.get_provider

    def late(*args: Any, **kwargs: Any) -> Any:
        User.objects.all().delete()
        return get_provider(*args, **kwargs)

    monkeypatch.setattr(flow, "get_provider", late)

    answer = api.post(PATH, {"id_token": oidc.id_token()}) if step == "token" else App(api).start()

    assert (answer.status_code, answer.json()["code"]) == (401, "user_not_found")


def test_tokens_that_have_expired_are_forgotten(api: Api, guest: Any, oidc: OIDCProvider) -> None:
    past = timezone.now() - timedelta(seconds=1)
    SeenToken.objects.create(token_hash="x", user=guest, expires_at=past)

    api.post(PATH, {"id_token": oidc.id_token()})

    assert not SeenToken.objects.filter(token_hash="x").exists()


@pytest.mark.parametrize("provider", ["nobody", "..", "%00", "dummy%00", "é"])
def test_a_provider_that_is_not_set_up_is_unavailable(api: Api, guest: Any, provider: str) -> None:
    for path, body in {
        "token/": {"id_token": "x"},
        "start/": {"redirect_uri": "https://a.example/", "code_challenge": "x" * 43},
    }.items():
        answer = api.post(f"upgrade/social/{provider}/{path}", body)
        assert answer.status_code == 404
        assert answer.json()["code"] == "method_unavailable"


def test_a_provider_without_tokens_is_unavailable(
    api: Api, guest: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider

    monkeypatch.setattr(OpenIDConnectProvider, "supports_token_authentication", False)

    answer = api.post(PATH, {"id_token": "x"})

    assert (answer.status_code, answer.json()["code"]) == (404, "method_unavailable")


def test_a_token_for_the_phones_app_of_the_provider_is_accepted_by_its_client_id(
    api: Api, guest: Any, oidc: OIDCProvider, settings: Settings
) -> None:
    (web,) = settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"]
    ios = {**web, "client_id": "ios", "settings": {**web["settings"], "hidden": True}}
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": [web, ios]}}
    token = oidc.id_token(aud="ios")

    unnamed = api.post(PATH, {"id_token": token})
    unknown = api.post(PATH, {"id_token": token, "client_id": "windows"})
    named = api.post(PATH, {"id_token": token, "client_id": "ios"})

    assert unnamed.json()["code"] == "provider_token_invalid"
    assert unknown.json()["code"] == "method_unavailable"
    assert named.status_code == 200, named.content


def test_of_several_visible_apps_the_client_has_to_name_one(
    api: Api, guest: Any, oidc: OIDCProvider, settings: Settings
) -> None:
    (web,) = settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"]
    apps = [web, {**web, "client_id": "ios"}]
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": apps}}

    answer = api.post(PATH, {"id_token": oidc.id_token()})

    assert answer.status_code == 400
    assert answer.json()["fields"]["client_id"][0]["code"] == "required"


@pytest.mark.parametrize("body", [{}, {"id_token": ""}, {"id_token": 5.5}, {"token": "x"}])
def test_a_body_without_a_token_is_refused(api: Api, guest: Any, body: Any) -> None:
    answer = api.post(PATH, body)

    assert answer.status_code == 400
    assert answer.json()["code"] in {"invalid", "provider_token_invalid"}


def test_a_visitor_is_not_let_in(oidc: OIDCProvider) -> None:
    assert Api().post(PATH, {"id_token": oidc.id_token()}).status_code == 401


def test_tries_are_limited_by_network(
    api: Api, guest: Any, oidc: OIDCProvider, settings: Settings
) -> None:
    settings.ANONAUTH_VERIFY_RATE_LIMITS = ("2/h",)

    answers = [api.post(PATH, {"id_token": "x"}).status_code for _ in range(3)]

    assert answers == [400, 400, 429]


def test_an_unverified_address_is_never_taken_over(
    api: Api, guest: Any, oidc: OIDCProvider
) -> None:
    keep_tokens(api, api.post(PATH, {"id_token": oidc.id_token(email_verified=False)}))

    assert User.objects.get().email == ""
    assert not EmailAddress.objects.exists()


def test_a_provider_without_addresses_is_enough(api: Api, guest: Any, oidc: OIDCProvider) -> None:
    keep_tokens(api, api.post(PATH, {"id_token": oidc.id_token(email=None)}))

    assert User.objects.values_list("is_guest", "email").get() == (False, "")


@pytest.mark.parametrize("where", ["verified", "unverified", "column"])
def test_another_accounts_address_stays_his_and_the_identity_is_joined(
    api: Api, guest: Any, oidc: OIDCProvider, where: str
) -> None:
    owner = make_owner(uid=None, email="zoe@example.com")
    if where == "unverified":
        EmailAddress.objects.update(verified=False)
    elif where == "column":
        EmailAddress.objects.all().delete()

    body = keep_tokens(api, api.post(PATH, {"id_token": oidc.id_token(email="Zoe@Example.com")}))

    row = User.objects.get(pk=guest.pk)
    assert (row.is_guest, row.email) == (False, "")
    assert body["user"]["identities"] == [{"type": "social", "provider": "fake", "uid": "u1"}]
    assert set(EmailAddress.objects.values_list("user_id", flat=True)) <= {owner.pk}


def test_another_guests_claim_to_the_address_does_not_stand_in_the_way(
    api: Api, guest: Any, oidc: OIDCProvider
) -> None:
    squatter = User.objects.create_user("guest-2", "zoe@example.com", is_guest=True)
    EmailAddress.objects.create(user=squatter, email="zoe@example.com", primary=True)

    keep_tokens(api, api.post(PATH, {"id_token": oidc.id_token()}))

    assert EmailAddress.objects.get(verified=True).user_id == guest.pk
    assert User.objects.get(pk=guest.pk).email == "zoe@example.com"


def test_where_the_project_lets_the_address_log_in_it_is_a_conflict(
    api: Api, guest: Any, oidc: OIDCProvider, settings: Settings
) -> None:
    """To such a project the provider's word is a login of the owner, whom merging will ask."""
    settings.SOCIALACCOUNT_EMAIL_AUTHENTICATION = True
    owner = make_owner(uid=None, email="zoe@example.com")

    answer = api.post(PATH, {"id_token": oidc.id_token()})

    assert (answer.status_code, answer.json()["code"]) == (409, "identity_taken")
    ticket = read_merge_ticket(answer.json()["merge_ticket"], lifetime=timedelta(minutes=1))
    assert ticket is not None
    assert ticket.account_id == str(owner.pk)
    assert guest_of(api).is_guest


def test_an_account_that_never_proved_the_address_is_not_handed_the_guest(
    api: Api, guest: Any, oidc: OIDCProvider, settings: Settings
) -> None:
    """Somebody has signed up with it and waits for its owner; allauth would void his password."""
    settings.SOCIALACCOUNT_EMAIL_AUTHENTICATION = True
    settings.ACCOUNT_EMAIL_VERIFICATION = "optional"
    squatter = User.objects.create_user("squatter", "zoe@example.com", "known to the attacker")
    EmailAddress.objects.create(user=squatter, email="zoe@example.com", primary=True)

    body = keep_tokens(api, api.post(PATH, {"id_token": oidc.id_token()}))

    assert body["user"]["id"] == str(guest.pk)
    assert SocialAccount.objects.get().user_id == guest.pk


def test_a_closed_sign_up_leaves_the_guest_a_guest(
    api: Api, guest: Any, oidc: OIDCProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    from allauth.socialaccount.adapter import DefaultSocialAccountAdapter

    monkeypatch.setattr(DefaultSocialAccountAdapter, "is_open_for_signup", lambda *args: False)

    answer = api.post(PATH, {"id_token": oidc.id_token()})

    assert (answer.status_code, answer.json()["code"]) == (403, "signup_closed")
    assert User.objects.get().is_guest
    assert not SocialAccount.objects.exists()


def test_a_conflict_is_one_also_while_sign_up_is_closed(
    api: Api, guest: Any, oidc: OIDCProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To go on with an account that exists is no sign-up."""
    from allauth.socialaccount.adapter import DefaultSocialAccountAdapter

    monkeypatch.setattr(DefaultSocialAccountAdapter, "is_open_for_signup", lambda *args: False)
    make_owner()

    assert api.post(PATH, {"id_token": oidc.id_token()}).json()["code"] == "identity_taken"


def test_the_projects_own_rule_about_accounts_is_asked(
    api: Api, guest: Any, oidc: OIDCProvider
) -> None:
    from allauth.core.exceptions import ImmediateHttpResponse
    from allauth.socialaccount.signals import pre_social_login
    from django.http import HttpResponse

    def only_staff(sociallogin: Any, **kwargs: Any) -> None:
        raise ImmediateHttpResponse(HttpResponse("only example.org"))

    with connected(pre_social_login, only_staff):
        answer = api.post(PATH, {"id_token": oidc.id_token()})

    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert User.objects.get().is_guest


def test_a_receiver_that_fails_undoes_all_of_it(api: Api, guest: Any, oidc: OIDCProvider) -> None:
    def broken(**kwargs: Any) -> None:
        raise RuntimeError

    with connected(social_account_added, broken), pytest.raises(RuntimeError):
        api.post(PATH, {"id_token": oidc.id_token()})

    assert User.objects.get().is_guest
    assert not SocialAccount.objects.exists()
    assert not EmailAddress.objects.exists()


def test_a_token_of_the_provider_is_stored_where_the_project_wants_it(
    api: Api, guest: Any, settings: Settings
) -> None:
    token = json.dumps({"id": 5, "email": "zoe@example.com", "email_verified": True})

    keep_tokens(api, api.post("upgrade/social/dummy/token/", {"id_token": token}))

    assert SocialAccount.objects.get().provider == "dummy"
    assert not SeenToken.objects.exists()  # no id token in the sense of OpenID Connect
    assert not SocialApp.objects.exists()


@pytest.mark.parametrize(
    ("verified", "owner", "taken"),
    [(True, False, True), (False, False, False), (True, True, False)],
)
def test_a_number_of_the_provider_is_taken_only_if_it_is_verified_and_nobodys(
    api: Api, guest: Any, verified: bool, owner: bool, taken: bool
) -> None:
    number = "+4915112345678"
    if owner:
        User.objects.create_user("ann", phone=number, phone_verified=True)
    token = json.dumps({"id": 5, "phone": number, "phone_verified": verified})

    keep_tokens(api, api.post("upgrade/social/dummy/token/", {"id_token": token}))

    row = User.objects.get(pk=guest.pk)
    assert (row.phone, row.phone_verified) == ((number, True) if taken else (None, False))
    assert SocialAccount.objects.get().user_id == guest.pk


def test_the_user_is_told_by_mail_where_the_project_wants_it(
    api: Api,
    guest: Any,
    oidc: OIDCProvider,
    settings: Settings,
    mailoutbox: list[Any],
    django_capture_on_commit_callbacks: Any,
) -> None:
    settings.ACCOUNT_EMAIL_NOTIFICATIONS = True

    with django_capture_on_commit_callbacks(execute=True):
        api.post(PATH, {"id_token": oidc.id_token()})

    (mail,) = mailoutbox
    assert mail.to == ["zoe@example.com"]


def test_a_token_is_seventeen_statements(api: Api, guest: Any, oidc: OIDCProvider) -> None:
    token = oidc.id_token(email=None)
    with CaptureQueriesContext(connection) as queries:
        keep_tokens(api, api.post(PATH, {"id_token": token}))

    assert [verb_and_table(q["sql"]) for q in queries if is_statement(q["sql"])] == [
        "SELECT testapp_user",  # who is it
        "SELECT socialaccount_socialapp",  # allauth's: apps that are set up in the database
        "SELECT socialaccount_socialapp",
        "SELECT anonauth_allauth_seentoken",  # expired ones
        "SELECT anonauth_allauth_seentoken",
        "INSERT anonauth_allauth_seentoken",
        "SELECT socialaccount_socialaccount",  # for the rules of the project
        "SELECT testapp_user",
        "SELECT testapp_user",  # locked
        "SELECT socialaccount_socialaccount",  # whose account
        "UPDATE testapp_user",  # allauth's save()
        "INSERT socialaccount_socialaccount",
        "SELECT testapp_user",  # the upgrade itself, three here and the tally on commit
        "UPDATE testapp_user",
        "DELETE anonauth_pendingupgrade",
        "SELECT account_emailaddress",  # the answer
        "SELECT socialaccount_socialaccount",
    ]

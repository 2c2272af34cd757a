"""Merging with the ticket of a conflict: by the account's client, or by the guest's, who is then signed in to it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from allauth.account.models import EmailAddress
from allauth.account.stages import LoginStage
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpResponse
from django.utils import timezone

from anonauth.flows.sign_out import sign_out_everywhere
from anonauth.flows.upgrade import upgrade
from anonauth.models import MergeRecord
from tests.client import Api
from tests.contrib.allauth.by_code import start, verify
from tests.contrib.allauth.people import code_in_sms
from tests.parties import (
    cart_of,
    client_of,
    make_account,
    new_guest,
    put_into_cart,
    refused,
    session_of,
    ticket_for,
)
from tests.testapp.adapters import AccountAdapter

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db
User = get_user_model()
BOTH = pytest.mark.parametrize("path", ["merge/preview/", "merge/"])


class TermsStage(LoginStage):  # type: ignore[misc]
    """A stage of a project's own."""

    key = "terms"


@pytest.fixture
def ann() -> Any:
    account = make_account()
    put_into_cart(account, p1=2)
    return account


@pytest.fixture
def guest() -> tuple[Any, Api]:
    found = new_guest()
    put_into_cart(found[0], p1=3)
    return found


def still_there(guest: tuple[Any, Api]) -> bool:
    return bool(guest[1].get("user/").json()["is_anonymous"]) and cart_of(guest[0]) == {1: 3}


# --- the client of the account


def test_a_guest_who_proved_an_address_of_the_account_logs_in_and_takes_his_things_along(
    ann: Any, guest: Any
) -> None:
    conflict = verify(guest[1], start(guest[1], ann.email))
    assert refused(conflict) == (409, "email_taken")
    ticket = {"merge_ticket": conflict.json()["merge_ticket"]}
    api = client_of(ann)

    preview, done = api.post("merge/preview/", ticket), api.post("merge/", ticket)

    assert preview.status_code == 200
    assert done.status_code == 200
    assert {**done.json(), "merged_at": None} == preview.json()
    assert cart_of(ann) == {1: 5}
    assert MergeRecord.objects.get().method == "email"
    assert api.post("merge/", ticket).json() == done.json()
    assert MergeRecord.objects.count() == 1


@BOTH
def test_the_ticket_of_another_account_is_worth_nothing(ann: Any, guest: Any, path: str) -> None:
    ticket = {"merge_ticket": ticket_for(guest[0], ann)}

    for stranger in (client_of(make_account("bob")), session_of(make_account("cid"))):
        assert refused(stranger.post(path, ticket)) == (400, "ticket_invalid")
    assert still_there(guest)


@BOTH
def test_a_forged_or_expired_ticket_is_worth_nothing(
    ann: Any, guest: Any, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket, api = ticket_for(guest[0], ann), client_of(ann)

    for forged in ("x", ticket[:-1], f"{ticket}x", guest[1].tokens["refresh"]):
        assert refused(api.post(path, {"merge_ticket": forged})) == (400, "ticket_invalid")
    now = timezone.now().timestamp()
    monkeypatch.setattr("django.core.signing.time.time", lambda: now + 601)
    assert refused(api.post(path, {"merge_ticket": ticket})) == (400, "ticket_invalid")
    assert still_there(guest)


@BOTH
@pytest.mark.parametrize("what", ["upgraded", "banned", "signed out", "purged"])
def test_a_guest_of_whom_the_ticket_is_not_true_any_more_is_not_merged(
    ann: Any, guest: Any, path: str, what: str
) -> None:
    row, ticket = guest[0], {"merge_ticket": ticket_for(guest[0], ann)}
    if what == "upgraded":
        upgrade(row, method="phone")
    elif what == "banned":
        User.objects.filter(pk=row.pk).update(is_active=False)
    elif what == "signed out":
        sign_out_everywhere(row)
    else:
        guest[1].delete("user/")

    assert refused(client_of(ann).post(path, ticket)) == (400, "ticket_invalid")
    assert cart_of(ann) == {1: 2}
    assert not MergeRecord.objects.exists()


def test_a_new_password_of_the_account_ends_its_tickets(ann: Any, guest: Any) -> None:
    ticket = {"merge_ticket": ticket_for(guest[0], ann)}
    ann.set_password("another good password")
    ann.save()

    assert refused(client_of(ann).post("merge/", ticket)) == (400, "ticket_invalid")
    assert refused(guest[1].post("merge/", ticket)) == (400, "ticket_invalid")
    assert still_there(guest)


# --- the client of the guest


def test_the_guest_s_client_is_signed_in_to_the_account_by_the_merge(ann: Any, guest: Any) -> None:
    code = start(guest[1], ann.email)
    ticket = {"merge_ticket": verify(guest[1], code).json()["merge_ticket"]}
    assert guest[1].post("merge/preview/", ticket).status_code == 200
    old = dict(guest[1].tokens)

    done = guest[1].post("merge/", ticket)

    assert done.status_code == 200, done.content
    body = done.json()
    assert (body["guest_id"], body["account_id"]) == (str(guest[0].pk), str(ann.pk))
    assert (body["user"]["id"], body["user"]["is_anonymous"]) == (str(ann.pk), False)
    assert body["credentials"] == "jwt"
    assert {"no-store", "private"} == set(done["Cache-Control"].split(", "))
    assert refused(guest[1].get("user/")) == (401, "user_not_found")
    guest[1].tokens = {"access": body["access"], "refresh": body["refresh"]}
    assert guest[1].get("user/").json()["id"] == str(ann.pk)
    assert guest[1].refresh().status_code == 200
    assert cart_of(ann) == {1: 5}
    assert old["refresh"] != body["refresh"]


def test_the_guest_s_browser_is_signed_in_under_a_new_key_without_the_guest_s_data(
    ann: Any, api: Api
) -> None:
    guest = User.objects.get(pk=api.sign_in(credentials="session")["id"])
    session = api.http.session
    session["secret"] = "the guest's"
    session.save()
    old, token = session.session_key, api.http.cookies["csrftoken"].value
    ticket = {"merge_ticket": ticket_for(guest, ann)}
    assert refused(api.post("merge/", ticket, X_CSRFToken="")) == (403, "csrf_failed")

    done = api.post("merge/", ticket)

    assert done.status_code == 200, done.content
    assert done.json()["credentials"] == "session"
    assert "access" not in done.json()
    assert api.http.session.session_key != old
    assert "secret" not in api.http.session
    assert api.http.session[SESSION_KEY] == str(ann.pk)
    assert not SessionStore().exists(str(old))
    assert api.http.cookies["csrftoken"].value != token
    assert api.get("user/").json()["id"] == str(ann.pk)
    # Its owner can see it in the list of his sessions, and end it.
    listed = UserSession.objects.get()
    assert (listed.user, listed.session_key) == (ann, api.http.session.session_key)


def test_the_guest_s_app_gets_a_session_token_of_the_account(
    ann: Any, api: Api, settings: Settings
) -> None:
    settings.ANONAUTH_CREDENTIALS = ["headless"]
    body = api.post("anonymous/").json()
    guest, old = User.objects.get(pk=body["user"]["id"]), body["session_token"]
    ticket = {"merge_ticket": ticket_for(guest, ann)}

    done = api.post("merge/", ticket, X_Session_Token=old).json()

    assert done["credentials"] == "headless"
    assert done["session_token"] != old
    assert not SessionStore().exists(old)
    assert api.get("user/", X_Session_Token=done["session_token"]).json()["id"] == str(ann.pk)
    assert refused(api.get("user/", X_Session_Token=old)) == (401, "token_not_valid")
    listed = UserSession.objects.get()
    assert (listed.user, listed.session_key) == (ann, done["session_token"])


def test_a_client_whose_answer_was_lost_learns_it_and_goes_on_after_a_login(
    ann: Any, guest: Any
) -> None:
    ticket = {"merge_ticket": ticket_for(guest[0], ann)}
    lost = guest[1].post("merge/", ticket).json()

    assert refused(guest[1].post("merge/", ticket)) == (401, "user_not_found")
    assert refused(guest[1].refresh()) == (401, "user_not_found")
    found = client_of(ann).post("merge/", ticket).json()
    assert found == {name: lost[name] for name in found}


@BOTH
def test_the_ticket_of_another_guest_opens_nothing(ann: Any, guest: Any, path: str) -> None:
    ticket = {"merge_ticket": ticket_for(guest[0], ann)}

    for thief in (new_guest()[1], new_guest(credentials="session")[1]):
        assert refused(thief.post(path, ticket)) == (400, "ticket_invalid")
    assert refused(Api().post(path, ticket)) == (401, "not_authenticated")
    assert still_there(guest)


@BOTH
def test_what_only_the_account_can_refuse_is_refused_before_anything_is_told(
    ann: Any, guest: Any, path: str
) -> None:
    ticket = {"merge_ticket": ticket_for(guest[0], ann)}
    User.objects.filter(pk=ann.pk).update(is_active=False)

    # Not "user_inactive": a client forgets its credentials at that, and this guest's are good.
    assert refused(guest[1].post(path, ticket)) == (403, "login_required")
    assert still_there(guest)


def test_a_ticket_into_a_guest_is_none(guest: Any) -> None:
    other = new_guest()[0]

    answer = guest[1].post("merge/", {"merge_ticket": ticket_for(guest[0], other)})

    assert refused(answer) == (403, "login_required")
    assert still_there(guest)


def test_a_proof_of_a_project_s_own_is_no_login_unless_it_says_so(ann: Any, guest: Any) -> None:
    ticket = {"merge_ticket": ticket_for(guest[0], ann, "till")}

    assert refused(guest[1].post("merge/", ticket)) == (403, "login_required")
    assert client_of(ann).post("merge/", ticket).status_code == 200
    assert MergeRecord.objects.get().method == "till"


# --- whether a proof alone is a login


def answers(guest: tuple[Any, Api], ann: Any, method: str) -> set[tuple[int, str]]:
    ticket = {"merge_ticket": ticket_for(guest[0], ann, method)}
    found = {refused(guest[1].post(path, ticket)) for path in ("merge/preview/", "merge/")}
    assert still_there(guest)
    # With the account's credentials, that is after a login with all its stages, the same ticket is good.
    assert client_of(ann).post("merge/preview/", ticket).status_code == 200
    return found


METHODS = pytest.mark.parametrize("method", ["email", "phone", "social"])


@METHODS
def test_each_proof_is_a_login_with_the_settings_of_the_documentation(
    ann: Any, guest: Any, method: str
) -> None:
    User.objects.filter(pk=ann.pk).update(phone="+31612345678", phone_verified=True)

    answer = guest[1].post("merge/", {"merge_ticket": ticket_for(guest[0], ann, method)})

    assert answer.status_code == 200, answer.content
    assert answer.json()["user"]["id"] == str(ann.pk)


def test_the_number_of_an_account_is_proved_and_merged(ann: Any, guest: Any) -> None:
    number = "+31612345678"
    User.objects.filter(pk=ann.pk).update(phone=number, phone_verified=True)
    guest[1].post("upgrade/phone/", {"phone": number})
    conflict = guest[1].post("upgrade/phone/verify/", {"code": code_in_sms(number)})
    assert refused(conflict) == (409, "phone_taken")

    done = guest[1].post("merge/", {"merge_ticket": conflict.json()["merge_ticket"]})

    assert done.json()["user"]["id"] == str(ann.pk)
    assert MergeRecord.objects.get().method == "phone"


@METHODS
@pytest.mark.parametrize("kind", ["totp", "webauthn"])
def test_the_second_factor_of_the_account_is_not_skipped(
    ann: Any, guest: Any, method: str, kind: str
) -> None:
    Authenticator.objects.create(user=ann, type=kind, data={"secret": "x"})

    assert answers(guest, ann, method) == {(403, "mfa_required")}


def test_a_code_is_no_login_where_nobody_logs_in_by_code(
    ann: Any, guest: Any, settings: Settings
) -> None:
    settings.ACCOUNT_LOGIN_BY_CODE_ENABLED = False

    assert answers(guest, ann, "email") == {(403, "login_required")}
    assert answers(guest, ann, "phone") == {(403, "login_required")}
    assert (
        guest[1].post("merge/", {"merge_ticket": ticket_for(guest[0], ann, "social")}).status_code
        == 200
    )


@pytest.mark.parametrize(
    ("methods", "email", "phone"),
    [
        ({"email"}, 200, 403),
        ({"phone"}, 403, 200),
        ({"username"}, 200, 403),
        ({"email", "phone"}, 200, 200),
    ],
)
def test_a_code_is_a_login_only_where_it_is_sent_to_such_an_address(
    ann: Any, guest: Any, settings: Settings, methods: set[str], email: int, phone: int
) -> None:
    settings.ACCOUNT_LOGIN_METHODS = methods

    for method, status in (("email", email), ("phone", phone)):
        ticket = {"merge_ticket": ticket_for(guest[0], ann, method)}
        assert guest[1].post("merge/preview/", ticket).status_code == status


def test_where_a_code_is_asked_after_the_login_a_social_account_alone_is_none(
    ann: Any, guest: Any, settings: Settings
) -> None:
    settings.ACCOUNT_LOGIN_BY_CODE_REQUIRED = True

    assert answers(guest, ann, "social") == {(403, "mfa_required")}
    ticket = {"merge_ticket": ticket_for(guest[0], ann, "email")}
    assert guest[1].post("merge/preview/", ticket).status_code == 200


@METHODS
def test_who_has_to_verify_an_address_before_he_is_let_in_is_not_let_in(
    ann: Any, guest: Any, method: str
) -> None:
    EmailAddress.objects.filter(user=ann).update(verified=False)

    assert answers(guest, ann, method) == {(403, "email_not_verified")}


@METHODS
def test_where_no_address_has_to_be_verified_it_is_not_asked_for(
    ann: Any, guest: Any, method: str, unverified: None
) -> None:
    EmailAddress.objects.filter(user=ann).update(verified=False)

    ticket = {"merge_ticket": ticket_for(guest[0], ann, method)}
    assert guest[1].post("merge/", ticket).status_code == 200


@METHODS
def test_who_has_to_verify_a_number_before_he_is_let_in_is_not_let_in(
    ann: Any, guest: Any, method: str
) -> None:
    User.objects.filter(pk=ann.pk).update(phone="+31612345678", phone_verified=False)

    assert answers(guest, ann, method) == {(403, "login_required")}


@METHODS
def test_a_stage_of_the_project_s_is_not_skipped(
    ann: Any, guest: Any, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = AccountAdapter.get_login_stages
    mine = f"{__name__}.TermsStage"
    monkeypatch.setattr(AccountAdapter, "get_login_stages", lambda self: [*stages(self), mine])

    assert answers(guest, ann, method) == {(403, "login_required")}


@METHODS
@pytest.mark.parametrize("how", ["answer", "raise"])
def test_a_project_that_turns_the_account_away_is_heard(
    ann: Any, guest: Any, method: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def turn_away(self: Any, request: Any, user: Any, **kwargs: Any) -> HttpResponse:
        assert user == ann
        if how == "raise":
            raise ImmediateHttpResponse(HttpResponse("no"))
        return HttpResponse("no")

    monkeypatch.setattr(AccountAdapter, "pre_login", turn_away)

    assert answers(guest, ann, method) == {(403, "login_required")}


def test_the_code_proves_nothing_for_an_account_that_took_the_address_later(
    ann: Any, guest: Any
) -> None:
    ticket = {"merge_ticket": ticket_for(guest[0], ann)}
    EmailAddress.objects.filter(user=ann).delete()
    bob = make_account("bob")
    EmailAddress.objects.create(user=bob, email=ann.email, verified=True)

    assert refused(client_of(bob).post("merge/", ticket)) == (400, "ticket_invalid")
    assert refused(guest[1].post("merge/", ticket)) == (403, "email_not_verified")


def test_a_ticket_lives_as_long_as_the_setting_says(
    ann: Any, guest: Any, settings: Settings
) -> None:
    settings.ANONAUTH_TICKET_LIFETIME = timedelta(seconds=-1)

    ticket = {"merge_ticket": ticket_for(guest[0], ann)}
    assert refused(client_of(ann).post("merge/", ticket)) == (400, "ticket_invalid")


def test_nobody_is_sent_a_code_by_a_merge(ann: Any, guest: Any, mailoutbox: list[Any]) -> None:
    guest[1].post("merge/", {"merge_ticket": ticket_for(guest[0], ann)})

    assert mailoutbox == []

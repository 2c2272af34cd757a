"""What holds for every user model; run inside each of the projects by ``test_projects.py``."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth import authenticate, get_user_model
from django.core import mail
from django.core.management import call_command
from django.test import Client, override_settings
from django.utils import timezone

from anonauth.adapter import get_adapter
from anonauth.flows.merge import merge, preview_merge
from anonauth.flows.upgrade import upgrade
from tests.projects.things.models import Label, Thing

pytestmark = pytest.mark.django_db

User: Any = get_user_model()


def sign_in(client: Client, credentials: str) -> dict[str, Any]:
    response = client.post(
        "/auth/anonymous/", {"credentials": credentials}, content_type="application/json"
    )
    assert response.status_code == 201, response.content
    body: dict[str, Any] = response.json()
    return body


def bearer(body: dict[str, Any]) -> dict[str, str]:
    return {"authorization": f"Bearer {body['access']}"}


@pytest.mark.parametrize("credentials", ["jwt", "session"])
def test_a_visitor_becomes_a_guest_who_knows_himself(credentials: str) -> None:
    client = Client()
    body = sign_in(client, credentials)
    headers = bearer(body) if credentials == "jwt" else {}
    me = client.get("/auth/user/", headers=headers)
    assert me.status_code == 200
    user = User.objects.get()
    assert user.is_guest
    assert str(user.pk) == body["user"]["id"] == me.json()["id"]
    assert me.json()["is_anonymous"] is True
    assert me.json()["email"] is None


@pytest.mark.parametrize("credentials", ["jwt", "session"])
def test_many_guests_have_room_beside_each_other(credentials: str) -> None:
    ids = {sign_in(Client(), credentials)["user"]["id"] for _ in range(5)}
    assert len(ids) == 5
    assert User.objects.guests().count() == 5


def test_a_refresh_token_gives_an_access_token_that_works() -> None:
    client = Client()
    body = sign_in(client, "jwt")
    fresh = client.post(
        "/auth/token/refresh/", {"refresh": body["refresh"]}, content_type="application/json"
    )
    assert fresh.status_code == 200, fresh.content
    me = client.get("/auth/user/", headers=bearer(fresh.json()))
    assert me.json()["id"] == body["user"]["id"]


def test_a_guest_has_no_password_and_no_address_that_can_get_mail() -> None:
    sign_in(Client(), "jwt")
    user = User.objects.get()
    assert not user.has_usable_password()
    email = getattr(user, "email", None)
    assert not email or email.endswith(".invalid")


@pytest.mark.parametrize("password", ["", None, "!", "anonymous"])
def test_nobody_signs_in_as_a_guest_by_name(password: str | None) -> None:
    sign_in(Client(), "jwt")
    name = User.objects.get().get_username()
    # None where the username may be NULL; "" and "None" are what a form would make of it.
    for username in {name, name or "", str(name)}:
        assert authenticate(username=username, password=password) is None
        assert authenticate(**{User.USERNAME_FIELD: username}, password=password) is None


@pytest.mark.parametrize("credentials", ["jwt", "session"])
def test_a_guest_can_erase_himself(credentials: str) -> None:
    client = Client()
    body = sign_in(client, credentials)
    headers = bearer(body) if credentials == "jwt" else {}
    assert client.delete("/auth/user/", headers=headers).status_code == 204
    assert not User.objects.exists()
    assert client.get("/auth/user/", headers=headers).status_code == 401


def test_a_guest_can_be_printed() -> None:
    sign_in(Client(), "jwt")
    assert str(User.objects.get())


def test_system_checks_find_nothing() -> None:
    out, err = StringIO(), StringIO()
    call_command("check", stdout=out, stderr=err, fail_level="WARNING")
    assert "no issues" in out.getvalue()
    assert not err.getvalue()


def test_no_migration_of_anonauth_is_missing() -> None:
    out = StringIO()
    call_command("makemigrations", "anonauth", check=True, dry_run=True, stdout=out)
    assert "No changes detected" in out.getvalue()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("credentials", ["jwt", "session"])
def test_a_guest_proves_an_address_and_logs_in_with_it(credentials: str) -> None:
    client = Client()
    body = sign_in(client, credentials)
    headers = bearer(body) if credentials == "jwt" else {}

    def post(path: str, data: dict[str, Any]) -> Any:
        return client.post(f"/auth/{path}", data, "application/json", headers=headers)

    password = "correct horse battery staple"
    asked = post(
        "upgrade/email/", {"email": "ada@example.org", "password": password, "name": "Ada"}
    )
    assert asked.status_code == 202, asked.content
    code = re.findall(r"^[A-Z]{4}-[A-Z]{4}$", str(mail.outbox[0].body), re.MULTILINE)[0]
    proved = post("upgrade/email/verify/", {"code": code})

    assert proved.status_code == 200, proved.content
    assert proved.json()["user"]["id"] == body["user"]["id"]
    user = User.objects.get()
    assert (user.is_guest, user.check_password(password)) == (False, True)
    login = {"email": "ada@example.org", "password": password}
    assert Client().post("/auth/token/", login, "application/json").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_an_address_of_an_account_is_not_taken_from_it() -> None:
    for _ in range(2):
        client = Client()
        headers = bearer(sign_in(client, "jwt"))

        def post(path: str, data: dict[str, Any], c: Client = client, h: Any = headers) -> Any:
            return c.post(f"/auth/{path}", data, "application/json", headers=h)

        post("upgrade/email/", {"email": "ada@example.org"})
        code = re.findall(r"^[A-Z]{4}-[A-Z]{4}$", str(mail.outbox[-1].body), re.MULTILINE)[0]
        last = post("upgrade/email/verify/", {"code": code})

    assert (last.status_code, last.json()["code"]) == (409, "email_taken")
    assert User.objects.guests().count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_guest_who_merely_claims_an_address_does_not_keep_it_from_who_proves_it() -> None:
    squatter = sign_in(Client(), "jwt")["user"]["id"]
    if column := getattr(settings, "ACCOUNT_USER_MODEL_EMAIL_FIELD", None):
        # As a sign-up on allauth's pages leaves it that is not finished; unique in some of the projects.
        User.objects.filter(pk=squatter).update(**{column: "ada@example.org"})
    EmailAddress.objects.create(user_id=squatter, email="ada@example.org", primary=True)
    client = Client()
    headers = bearer(sign_in(client, "jwt"))

    client.post(
        "/auth/upgrade/email/", {"email": "ada@example.org"}, "application/json", headers=headers
    )
    code = re.findall(r"^[A-Z]{4}-[A-Z]{4}$", str(mail.outbox[-1].body), re.MULTILINE)[0]
    proved = client.post(
        "/auth/upgrade/email/verify/", {"code": code}, "application/json", headers=headers
    )

    assert proved.status_code == 200, proved.content
    assert EmailAddress.objects.get(verified=True).user.is_guest is False
    assert User.objects.guests().count() == 1


@pytest.mark.django_db(transaction=True)
def test_an_account_that_never_proved_the_address_is_no_error() -> None:
    """It keeps who proves it from having it only where the column is unique, and is handed nothing."""
    squatter = get_adapter().new_guest()
    squatter.is_guest = False
    column = getattr(settings, "ACCOUNT_USER_MODEL_EMAIL_FIELD", None)
    if column:
        setattr(squatter, column, "ada@example.org")
    squatter.save()
    EmailAddress.objects.create(user=squatter, email="ada@example.org", primary=True)
    client = Client()
    headers = bearer(sign_in(client, "jwt"))

    def post(path: str, data: dict[str, Any]) -> Any:
        return client.post(f"/auth/{path}", data, "application/json", headers=headers)

    post("upgrade/email/", {"email": "ada@example.org"})
    code = re.findall(r"^[A-Z]{4}-[A-Z]{4}$", str(mail.outbox[-1].body), re.MULTILINE)[0]
    answer = post("upgrade/email/verify/", {"code": code})

    if not (column and User._meta.get_field(column).unique):
        assert answer.status_code == 200, answer.content
        return
    assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")
    with override_settings(
        ACCOUNT_LOGIN_BY_CODE_ENABLED=True, ACCOUNT_EMAIL_VERIFICATION="optional"
    ):
        merged = post("merge/", {"merge_ticket": answer.json()["merge_ticket"]})
    assert (merged.status_code, merged.json()["code"]) == (403, "login_required")


@pytest.mark.django_db(transaction=True)
def test_a_guest_who_brings_a_social_account_is_permanent_and_has_its_address() -> None:
    token = json.dumps({"id": 7, "email": "ada@example.org", "email_verified": True})
    answers = []
    for _ in range(2):
        client = Client()
        headers = bearer(sign_in(client, "jwt"))
        path, body = "/auth/upgrade/social/dummy/token/", {"id_token": token}
        answers.append(client.post(path, body, "application/json", headers=headers))

    first, second = answers
    assert first.status_code == 200, first.content
    user = EmailAddress.objects.get(email="ada@example.org", verified=True).user
    assert (str(user.pk), user.is_guest) == (first.json()["user"]["id"], False)
    if column := getattr(settings, "ACCOUNT_USER_MODEL_EMAIL_FIELD", None):
        assert getattr(user, column) == "ada@example.org"
    assert (second.status_code, second.json()["code"]) == (409, "identity_taken")
    assert User.objects.guests().count() == 1


@pytest.mark.parametrize("credentials", ["jwt", "session"])
def test_who_does_not_return_is_purged_with_what_is_his(credentials: str) -> None:
    client = Client()
    for _ in range(3):
        sign_in(Client(), credentials)
    body = sign_in(client, credentials)
    absent = User.objects.get(pk=body["user"]["id"])
    other = User.objects.exclude(pk=absent.pk).first()
    for owner in (absent, other):
        Thing._base_manager.create(owner=owner, number=1).shared_with.add(absent, other)
    User.objects.filter(pk=absent.pk).update(last_seen_at=timezone.now() - timedelta(days=31))

    call_command("purge_anonymous", stdout=StringIO())

    assert User.objects.guests().count() == 3
    assert Thing._base_manager.get().owner == other
    assert list(Thing._base_manager.get().shared_with.all()) == [other]
    headers = bearer(body) if credentials == "jwt" else {}
    assert client.get("/auth/user/", headers=headers).status_code == 401


def test_a_guest_is_merged_into_an_account() -> None:
    guest, account = (get_adapter().new_guest() for _ in range(2))
    guest.save()
    account.save()
    upgrade(account, method="email")
    for user, number in ((guest, 1), (guest, 2), (account, 1)):
        Thing._base_manager.create(owner=user, number=number).shared_with.add(user)
    Label._base_manager.create(about=guest)
    foretold = preview_merge(guest=guest, into=account)

    report = merge(guest=guest, into=account)

    assert foretold.can_merge
    assert report.relations == foretold.relations
    assert (report.guest_id, report.account_id) == (str(guest.pk), str(account.pk))
    assert [user.pk for user in User.objects.all()] == [account.pk]
    things = Thing._base_manager.order_by("number").values_list("owner", "number", "amount")
    assert list(things) == [(account.pk, 1, 2), (account.pk, 2, 1)]
    assert Label._base_manager.get().about == account
    assert merge(guest=guest, into=account) == report

"""What the merge really answers is what the schema says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from allauth.mfa.models import Authenticator

from tests.api.test_merge import RulelessAdapter
from tests.contrib.allauth.people import Guest, account
from tests.contrib.allauth.test_merge_offer import by_password
from tests.contrib.openapi import check, make_schema
from tests.parties import (
    CART,
    client_of,
    make_account,
    new_guest,
    put_into_cart,
    session_of,
    ticket_for,
)

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db
PATHS = ("merge/preview/", "merge/")


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return make_schema()


@pytest.fixture
def ann() -> Any:
    ann = make_account()
    put_into_cart(ann, p1=2)
    return ann


def test_a_merge_by_the_account_is_answered_as_described(ann: Any, schema: dict[str, Any]) -> None:
    guest, api = new_guest()
    put_into_cart(guest, p1=3, p7=4)
    body = {"refresh": api.tokens["refresh"], "choices": {CART: "combine"}}

    for path in PATHS:
        report = check(schema, client_of(ann).post(path, body), status=200)
        assert report["relations"]


@pytest.mark.parametrize("credentials", ["jwt", "session"])
def test_a_merge_by_the_guest_is_answered_as_described(
    ann: Any, schema: dict[str, Any], credentials: str
) -> None:
    guest, api = new_guest(credentials=credentials)
    ticket = {"merge_ticket": ticket_for(guest, ann)}

    for path in PATHS:
        body = check(schema, api.post(path, ticket), status=200)

    assert body["credentials"] == credentials


def test_a_conflict_is_answered_as_described(
    ann: Any, schema: dict[str, Any], settings: Settings
) -> None:
    settings.ANONAUTH_ADAPTER = f"{RulelessAdapter.__module__}.RulelessAdapter"
    guest, api = new_guest()
    put_into_cart(guest, p1=3)
    proof = {"refresh": api.tokens["refresh"]}

    refusal = check(schema, client_of(ann).post("merge/", proof), status=409)
    assert refusal["conflicts"]
    preview = check(schema, client_of(ann).post("merge/preview/", proof), status=200)
    assert preview["conflicts"] == refusal["conflicts"]


@pytest.mark.parametrize("path", PATHS)
def test_refusals_are_answered_as_described(
    ann: Any, schema: dict[str, Any], path: str, settings: Settings
) -> None:
    guest, api = new_guest()
    ticket = {"merge_ticket": ticket_for(guest, ann)}

    check(schema, client_of(ann).post(path, {"refresh": "x"}), status=400)
    check(schema, client_of(ann).post(path, {"merge_ticket": "x"}), status=400)
    check(schema, client_of(ann).post(path, {"burn": "x"}), status=400)
    check(schema, client_of(ann).post(path), status=404)
    check(schema, session_of(ann).post(path, {}, X_CSRFToken=""), status=403)
    check(schema, api.post(path, {}), status=403)
    Authenticator.objects.create(user=ann, type="totp", data={"secret": "x"})
    assert check(schema, api.post(path, ticket), status=403)["code"] == "mfa_required"
    settings.ACCOUNT_LOGIN_BY_CODE_ENABLED = False
    assert check(schema, api.post(path, ticket), status=403)["code"] == "login_required"
    settings.ANONAUTH_MERGE_RATE_LIMITS = ["1/h"]
    check(schema, api.post(path, ticket), status=403)
    check(schema, api.post(path, ticket), status=429)


def test_a_user_for_whom_a_guest_waits_is_answered_as_described(schema: dict[str, Any]) -> None:
    account()
    guest = Guest()
    by_password(guest)

    assert check(schema, guest.get("/auth/user/"), status=200)["merge_offer"] is True


def test_the_schema_names_the_proofs_that_are_allowed(settings: Settings) -> None:
    settings.ANONAUTH_CREDENTIALS = ["headless", "session"]

    body = make_schema()["components"]["schemas"]["AnonauthMerge"]["properties"]

    assert set(body) == {"merge_ticket", "choices", "session_token"}

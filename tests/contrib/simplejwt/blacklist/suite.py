"""What simplejwt's blacklist adds: reuse is noticed, one token can be ended alone, nothing of a purged guest works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from rest_framework_simplejwt.token_blacklist import models

from anonauth.adapter import get_adapter
from anonauth.contrib.simplejwt.tokens import issue
from anonauth.flows.purge import purge_guest
from tests.client import Api
from tests.races.threads import together

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.django_db(transaction=True)
User = get_user_model()
OutstandingToken: Any = models.OutstandingToken
BlacklistedToken: Any = models.BlacklistedToken


def permanent() -> Api:
    api = Api()
    token = issue(User.objects.create_user("ann", password="secret"))
    api.tokens = {"access": str(token.access_token), "refresh": str(token)}
    return api


def test_signing_in_is_two_statements(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    get_adapter().upgrade_methods()  # remembered for minutes: apps of providers can be in the database

    with django_assert_num_queries(2):
        Api().sign_in()


def test_the_outstanding_token_is_the_one_that_was_issued() -> None:
    api = Api()
    api.sign_in()

    assert OutstandingToken.objects.get().token == api.tokens["refresh"]


def test_a_rotated_token_is_spent() -> None:
    api = Api()
    api.sign_in()
    old = dict(api.tokens)

    assert api.refresh().status_code == 200
    thief = Api()
    thief.tokens = old
    answer = thief.refresh()

    assert (answer.status_code, answer.json()["code"]) == (401, "token_not_valid")


@pytest.mark.postgres
def test_of_two_parallel_refreshes_with_one_token_one_goes_through() -> None:
    api = Api()
    api.sign_in()

    def refresh() -> int:
        client = Api()
        client.tokens = dict(api.tokens)
        code: int = client.refresh().status_code
        return code

    assert sorted(together(*[refresh] * 4)) == [200, 401, 401, 401]


def test_a_permanent_user_ends_one_token_alone() -> None:
    api = permanent()
    other = Api()
    token = issue(User.objects.get())
    other.tokens = {"access": str(token.access_token), "refresh": str(token)}

    answer = api.post("sign-out/", {"scope": "local", "refresh": api.tokens["refresh"]})

    assert answer.status_code == 204
    assert api.refresh().json()["code"] == "token_not_valid"
    assert other.refresh().status_code == 200


@pytest.mark.parametrize("refresh", ["", "nonsense", None])
def test_ending_a_token_alone_needs_the_token(refresh: str | None) -> None:
    body = {"scope": "local"} if refresh is None else {"scope": "local", "refresh": refresh}

    answer = permanent().post("sign-out/", body)

    assert answer.status_code == 400
    assert "refresh" in answer.json()["fields"]


def test_nobody_ends_somebody_elses_token() -> None:
    victim = Api()
    victim.sign_in()

    permanent().post("sign-out/", {"scope": "local", "refresh": victim.tokens["refresh"]})

    assert victim.refresh().status_code == 200


def test_signing_out_everywhere_spends_every_outstanding_token() -> None:
    api = Api()
    api.sign_in()
    api.refresh()
    api.post("sign-out/", {"lose_data": True})

    outstanding = OutstandingToken.objects.count()
    assert outstanding == 2
    assert BlacklistedToken.objects.count() == outstanding


def test_a_purged_guests_tokens_are_spent_before_they_lose_their_owner() -> None:
    api = Api()
    user = api.sign_in()

    purge_guest(user_id=user["id"])

    token = OutstandingToken.objects.get()
    assert token.user is None
    assert BlacklistedToken.objects.filter(token=token).exists()
    assert api.refresh().status_code == 401


def test_a_spent_token_of_a_guest_is_no_proof_for_a_merge() -> None:
    guest, account = Api(), permanent()
    guest.sign_in()
    old = guest.tokens["refresh"]
    guest.refresh()

    answer = account.post("merge/", {"refresh": old})

    assert (answer.status_code, answer.json()["code"]) == (400, "guest_proof_invalid")
    assert account.post("merge/", {"refresh": guest.tokens["refresh"]}).status_code == 200


def test_a_merge_spends_all_tokens_of_the_guest_and_can_be_repeated_all_the_same() -> None:
    guest, account = Api(), permanent()
    guest.sign_in()
    proof = {"refresh": guest.tokens["refresh"]}

    first, second = (account.post("merge/", proof) for _ in range(2))

    assert first.status_code == 200
    assert first.json() == second.json()
    assert BlacklistedToken.objects.filter(token__token=proof["refresh"]).exists()
    assert guest.refresh().status_code == 401

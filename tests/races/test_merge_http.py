"""Merges over HTTP in parallel, on PostgreSQL: whatever comes first, nobody is told to forget good credentials."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from anonauth.models import MergeRecord
from tests.client import Api
from tests.contrib.allauth.by_code import start, verify
from tests.contrib.allauth.people import Guest, account
from tests.contrib.allauth.test_merge_offer import by_password, press
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
from tests.races.threads import together

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
User = get_user_model()


def merging(account: Any, body: Any) -> Callable[[], Any]:
    """Return the act of a client of its own."""
    api = client_of(account)
    return lambda: api.post("merge/", body)


def test_of_many_equal_requests_one_merges_and_all_are_answered_alike() -> None:
    ann = make_account()
    guest, api = new_guest()
    put_into_cart(guest, p1=3)
    put_into_cart(ann, p1=2)
    proof, ticket = {"refresh": api.tokens["refresh"]}, {"merge_ticket": ticket_for(guest, ann)}

    answers = together(*[merging(ann, body) for body in (proof, ticket) * 3])

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert cart_of(ann) == {1: 5}
    assert MergeRecord.objects.count() == 1


def test_a_guest_is_merged_into_one_of_two_accounts_and_the_other_one_stays_signed_in() -> None:
    for number in range(5):
        owners = [make_account(f"ann{number}"), make_account(f"bob{number}")]
        guest, api = new_guest()
        put_into_cart(guest, p1=3)

        answers = together(*[merging(o, {"refresh": api.tokens["refresh"]}) for o in owners])

        won, lost = sorted(answers, key=lambda answer: answer.status_code)
        assert won.status_code == 200
        assert refused(lost) == (400, "guest_proof_invalid")
        assert sorted(len(cart_of(owner)) for owner in owners) == [0, 1]
    assert MergeRecord.objects.count() == 5


def test_two_guests_are_merged_into_one_account_and_nothing_is_lost() -> None:
    ann, bodies = make_account(), []
    for _ in range(4):
        guest, api = new_guest()
        put_into_cart(guest, p1=3)
        bodies.append({"refresh": api.tokens["refresh"]})

    answers = together(*[merging(ann, body) for body in bodies])

    assert {answer.status_code for answer in answers} == {200}
    assert cart_of(ann) == {1: 12}
    assert not User.objects.filter(is_guest=True).exists()


@pytest.mark.parametrize("credentials", ["jwt", "session"])
def test_a_guest_s_client_that_sends_its_ticket_twice_is_signed_in_twice(credentials: str) -> None:
    ann = make_account()
    guest, api = new_guest(credentials=credentials)
    ticket = {"merge_ticket": ticket_for(guest, ann)}

    def send() -> Any:
        tab = Api()
        tab.tokens = dict(api.tokens)
        tab.http.cookies = copy.deepcopy(api.http.cookies)
        return tab.post("merge/", ticket)

    answers = together(send, send)

    # The one that comes too late to be recognized as the guest any more may be told that he is gone.
    good = [answer for answer in answers if answer.status_code == 200]
    assert good
    assert all(answer.json()["user"]["id"] == str(ann.pk) for answer in good)
    late = [answer for answer in answers if answer.status_code != 200]
    assert {answer.status_code for answer in late} <= {401}
    assert MergeRecord.objects.count() == 1


def test_of_a_merge_and_an_upgrade_one_happens() -> None:
    outcomes = set()
    for number in range(6):
        ann = make_account(f"ann{number}")
        guest, api = new_guest()
        put_into_cart(guest, p1=3)
        code = start(api, f"new{number}@example.com")

        merged, upgraded = together(
            merging(ann, {"refresh": api.tokens["refresh"]}), partial(verify, api, code)
        )

        row = User.objects.filter(pk=guest.pk).first()
        outcomes.add(merged.status_code)
        if merged.status_code == 200:
            assert row is None
            assert upgraded.status_code == 401
            assert cart_of(ann) == {1: 3}
        else:
            assert refused(merged) == (400, "guest_proof_invalid")
            assert upgraded.status_code == 200
            assert row is not None
            assert not row.is_guest
            assert cart_of(row) == {1: 3}
    assert outcomes <= {200, 400}


def test_of_a_merge_and_the_guest_s_own_farewell_one_happens() -> None:
    for number in range(6):
        ann = make_account(f"ann{number}")
        guest, api = new_guest()
        put_into_cart(guest, p1=3)

        merged, erased = together(
            merging(ann, {"refresh": api.tokens["refresh"]}), partial(api.delete, "user/")
        )

        assert not User.objects.filter(pk=guest.pk).exists()
        if merged.status_code == 200:
            assert cart_of(ann) == {1: 3}
            assert erased.status_code in {204, 401}
        else:
            assert refused(merged) == (400, "guest_proof_invalid")
            assert erased.status_code == 204
            assert cart_of(ann) == {}


def test_a_double_click_on_the_page_merges_once() -> None:
    ann = account()
    guest = Guest()
    by_password(guest)

    answers = together(*[lambda: press(guest, ann, "merge")] * 2)

    assert {answer.status_code for answer in answers} == {302}
    assert MergeRecord.objects.count() == 1
    assert guest.here == str(ann.pk)


def test_a_session_that_merges_twice_at_once_is_answered_twice() -> None:
    ann = make_account()
    _, api = new_guest()
    proof = {"refresh": api.tokens["refresh"]}
    tabs = [session_of(ann), session_of(ann)]

    answers = together(*[partial(tab.post, "merge/", proof) for tab in tabs])

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content

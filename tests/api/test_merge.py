"""POST merge/preview/ and merge/ with the account's credentials at hand and the guest's in the body."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.utils.encoders import JSONEncoder

from anonauth.adapter import Adapter
from anonauth.contrib.simplejwt.tokens import issue
from anonauth.flows import merge as flow
from anonauth.flows.upgrade import upgrade
from anonauth.merge_rules import MergeRule
from anonauth.models import MergeRecord
from anonauth.signals import guest_merged
from tests.belongings.models import CartItem, Review
from tests.client import Api
from tests.parties import (
    CART,
    cart_of,
    client_of,
    make_account,
    new_guest,
    put_into_cart,
    refused,
    session_of,
)
from tests.testapp.models import Note

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db
User = get_user_model()
WRITES = re.compile(r"^(INSERT|UPDATE|DELETE|SAVEPOINT|BEGIN)|FOR UPDATE")


@pytest.fixture
def ann() -> Any:
    account = make_account()
    put_into_cart(account, p1=2, p2=1)
    return account


@pytest.fixture
def guest() -> tuple[Any, Api]:
    found = new_guest()
    put_into_cart(found[0], p1=3, p7=4)
    Note.objects.create(owner=found[0], text="mine")
    return found


class RulelessAdapter(Adapter):
    """Leaves it open what becomes of two cart items of one product."""

    def merge_rules(self) -> list[MergeRule]:
        return [MergeRule(CART)]


def relation(body: Any, name: str = CART) -> Any:
    return next(row for row in body["relations"] if row["name"] == name)


# --- two calls


@pytest.mark.parametrize(
    ("choice", "cart"),
    [
        ("combine", {1: 5, 2: 1, 7: 4}),
        ("keep_existing", {1: 2, 2: 1}),
        ("keep_anonymous", {1: 3, 7: 4}),
    ],
)
def test_a_client_previews_and_merges_with_the_choice_of_the_person(
    ann: Any, guest: tuple[Any, Api], choice: str, cart: dict[int, int]
) -> None:
    api, proof = client_of(ann), {"refresh": guest[1].tokens["refresh"]}

    preview = api.post("merge/preview/", proof)

    assert preview.status_code == 200
    offered = relation(preview.json())
    assert (offered["anonymous"], offered["existing"], offered["conflicts"]) == (2, 2, 1)
    assert choice in offered["choices"]
    assert preview.json()["merged_at"] is None
    assert cart_of(ann) == {1: 2, 2: 1}

    done = api.post("merge/", {**proof, "choices": {CART: choice}})

    assert done.status_code == 200, done.content
    body = done.json()
    assert (body["guest_id"], body["account_id"]) == (str(guest[0].pk), str(ann.pk))
    assert relation(body)["rule"] == choice
    moment = MergeRecord.objects.get().merged_at
    assert body["merged_at"] == JSONEncoder().default(moment)
    assert body["merged_at"].endswith("Z")
    assert set(body) == {"guest_id", "account_id", "relations", "conflicts", "merged_at"}
    assert cart_of(ann) == cart
    assert Note.objects.get().owner == ann
    assert not User.objects.filter(pk=guest[0].pk).exists()
    record = MergeRecord.objects.get()
    assert (record.guest_id, record.account, record.method) == (str(guest[0].pk), ann, "jwt")


def test_without_a_choice_the_rule_of_the_project_decides(ann: Any, guest: Any) -> None:
    done = client_of(ann).post("merge/", {"refresh": guest[1].tokens["refresh"]})

    assert relation(done.json())["rule"] == "combine"
    assert cart_of(ann) == {1: 5, 2: 1, 7: 4}


def test_the_preview_tells_what_the_act_then_does(ann: Any, guest: Any) -> None:
    api = client_of(ann)
    body = {"refresh": guest[1].tokens["refresh"], "choices": {CART: "keep_anonymous"}}

    preview, done = (api.post(path, body).json() for path in ("merge/preview/", "merge/"))

    assert {**done, "merged_at": None} == preview


def test_the_preview_only_reads(ann: Any, guest: Any) -> None:
    api, proof = client_of(ann), {"refresh": guest[1].tokens["refresh"]}
    before = [list(model.objects.order_by("pk").values()) for model in (User, CartItem, Note)]

    with CaptureQueriesContext(connection) as queries:
        api.post("merge/preview/", proof)

    assert [query["sql"] for query in queries if WRITES.search(query["sql"])] == []
    assert [
        list(model.objects.order_by("pk").values()) for model in (User, CartItem, Note)
    ] == before


@pytest.mark.parametrize("path", ["merge/preview/", "merge/"])
def test_over_http_it_costs_two_statements_more_than_the_flow(
    ann: Any, guest: Any, path: str
) -> None:
    act = flow.preview_merge if path == "merge/preview/" else flow.merge
    other, _ = new_guest()
    put_into_cart(other, p1=3, p7=4)
    Note.objects.create(owner=other, text="mine")
    bob = make_account("bob")
    put_into_cart(bob, p1=2, p2=1)
    act(guest=other, into=bob)  # content types are remembered from here on
    third, _ = new_guest()
    put_into_cart(third, p1=3, p7=4)
    Note.objects.create(owner=third, text="mine")
    cid = make_account("cid")
    put_into_cart(cid, p1=2, p2=1)
    with CaptureQueriesContext(connection) as alone:
        act(guest=third, into=cid)

    with CaptureQueriesContext(connection) as queries:
        client_of(ann).post(path, {"refresh": guest[1].tokens["refresh"]})

    assert len(queries) == len(alone) + 2  # who is at hand, and who is in the body


def test_the_guest_s_own_client_is_told_that_he_is_gone(ann: Any, guest: Any) -> None:
    client_of(ann).post("merge/", {"refresh": guest[1].tokens["refresh"]})

    assert refused(guest[1].get("user/")) == (401, "user_not_found")
    assert refused(guest[1].refresh()) == (401, "user_not_found")


@pytest.mark.django_db(transaction=True)
def test_a_merge_is_announced_once_however_often_it_is_sent(ann: Any, guest: Any) -> None:
    heard: list[Any] = []
    guest_merged.connect(listen := lambda **told: heard.append(told))
    api, proof = client_of(ann), {"refresh": guest[1].tokens["refresh"]}

    try:
        first, second = (api.post("merge/", proof) for _ in range(2))
    finally:
        guest_merged.disconnect(listen)

    assert second.status_code == 200
    assert first.json() == second.json()
    assert MergeRecord.objects.count() == 1
    assert [(told["user"], told["guest_id"]) for told in heard] == [(ann, str(guest[0].pk))]
    assert heard[0]["method"] == "jwt"


def test_after_a_lost_answer_the_preview_tells_that_it_is_done(ann: Any, guest: Any) -> None:
    api, proof = client_of(ann), {"refresh": guest[1].tokens["refresh"]}
    done = api.post("merge/", proof).json()

    assert api.post("merge/preview/", proof).json() == done


def test_a_session_of_the_account_merges_too_and_needs_its_csrf_token(ann: Any, guest: Any) -> None:
    api, proof = session_of(ann), {"refresh": guest[1].tokens["refresh"]}

    for path in ("merge/preview/", "merge/"):
        assert refused(api.post(path, proof, X_CSRFToken="")) == (403, "csrf_failed")
    assert User.objects.filter(pk=guest[0].pk).exists()
    assert api.post("merge/", proof).status_code == 200
    assert cart_of(ann) == {1: 5, 2: 1, 7: 4}
    assert api.get("user/").json()["id"] == str(ann.pk)


# --- what proves a guest


def proof_is_refused(account: Any, token: str) -> None:
    for path in ("merge/preview/", "merge/"):
        answer = client_of(account).post(path, {"refresh": token})
        assert refused(answer) == (400, "guest_proof_invalid")
    assert not MergeRecord.objects.exists()
    assert client_of(account).get("user/").status_code == 200


def test_what_is_no_refresh_token_of_a_guest_proves_nothing(ann: Any, guest: Any) -> None:
    mine, token = client_of(ann).tokens, guest[1].tokens["refresh"]
    head, body, _ = token.split(".")

    for wrong in ("x", token[:-8], f"{head}.{body}.", guest[1].tokens["access"], mine["refresh"]):
        proof_is_refused(ann, wrong)


def test_a_token_of_another_account_proves_no_guest(ann: Any) -> None:
    proof_is_refused(ann, client_of(make_account("bob")).tokens["refresh"])


def test_a_revoked_token_proves_nothing(ann: Any, guest: Any) -> None:
    old = guest[1].tokens["refresh"]
    guest[1].post("sign-out/", {"scope": "others"})

    proof_is_refused(ann, old)


def test_an_expired_token_proves_nothing(ann: Any, guest: Any) -> None:
    token = issue(guest[0])
    token.set_exp(lifetime=timedelta(seconds=-1))

    proof_is_refused(ann, str(token))


def test_a_guest_who_was_upgraded_meanwhile_is_no_guest(ann: Any, guest: Any) -> None:
    upgrade(guest[0], method="email")

    proof_is_refused(ann, guest[1].tokens["refresh"])
    proof_is_refused(ann, client_of(guest[0]).tokens["refresh"])


def test_a_banned_guest_cannot_launder_himself(ann: Any, guest: Any) -> None:
    User.objects.filter(pk=guest[0].pk).update(is_active=False)

    proof_is_refused(ann, guest[1].tokens["refresh"])


def test_a_guest_who_was_purged_cannot_be_told_from_a_forged_token(ann: Any, guest: Any) -> None:
    guest[1].delete("user/")

    proof_is_refused(ann, guest[1].tokens["refresh"])


def test_whom_a_guest_was_merged_into_is_not_told_to_another_account(ann: Any, guest: Any) -> None:
    proof = {"refresh": guest[1].tokens["refresh"]}
    client_of(ann).post("merge/", proof)
    bob = client_of(make_account("bob"))

    for path in ("merge/preview/", "merge/"):
        assert refused(bob.post(path, proof)) == (400, "guest_proof_invalid")


def test_a_kind_of_credentials_that_is_not_allowed_here_proves_nothing(
    ann: Any, guest: Any, settings: Settings
) -> None:
    settings.ANONAUTH_CREDENTIALS = ["session"]

    answer = session_of(ann).post("merge/", {"refresh": guest[1].tokens["refresh"]})

    assert refused(answer) == (400, "invalid")
    assert set(answer.json()["fields"]) == {"refresh"}


# --- who may ask


@pytest.mark.parametrize("path", ["merge/preview/", "merge/"])
def test_a_visitor_and_a_guest_merge_nobody(path: str, guest: Any) -> None:
    other = new_guest()[1]

    assert refused(Api().post(path, {})) == (401, "not_authenticated")
    assert refused(other.post(path, {})) == (403, "permanent_user_required")
    answer = other.post(path, {"refresh": guest[1].tokens["refresh"]})
    assert refused(answer) == (403, "permanent_user_required")
    assert User.objects.filter(is_guest=True).count() == 2


@pytest.mark.parametrize("path", ["merge/preview/", "merge/"])
def test_without_a_proof_there_is_nobody_to_merge(path: str, ann: Any, guest: Any) -> None:
    assert refused(client_of(ann).post(path)) == (404, "no_merge_offer")
    assert refused(session_of(ann).post(path, {})) == (404, "no_merge_offer")


@pytest.mark.parametrize("path", ["merge/preview/", "merge/"])
def test_who_is_named_in_the_body_without_a_proof_is_refused(
    path: str, ann: Any, guest: Any
) -> None:
    for name in ("guest", "guest_id", "user", "session_token"):
        answer = client_of(ann).post(path, {name: str(guest[0].pk)})
        assert refused(answer) == (400, "invalid")
        assert set(answer.json()["fields"]) == {name}


def test_two_proofs_of_a_guest_are_one_too_many(ann: Any, guest: Any) -> None:
    answer = client_of(ann).post("merge/", {"refresh": "x", "merge_ticket": "y"})

    assert refused(answer) == (400, "invalid")
    assert set(answer.json()["fields"]) == {"refresh", "merge_ticket"}


@pytest.mark.parametrize("path", ["merge/preview/", "merge/"])
@pytest.mark.parametrize(
    ("choices", "field"),
    [
        ({CART: "burn"}, f"choices.{CART}"),
        ({"belongings.Review.user": "combine"}, "choices.belongings.Review.user"),
        ({"no.Such.relation": "combine"}, "choices.no.Such.relation"),
        ({CART: ["combine"]}, f"choices.{CART}"),
        (["combine"], "choices"),
    ],
)
def test_a_choice_that_is_not_offered_is_refused(
    ann: Any, guest: Any, path: str, choices: Any, field: str
) -> None:
    answer = client_of(ann).post(path, {"refresh": guest[1].tokens["refresh"], "choices": choices})

    assert refused(answer) == (400, "invalid")
    assert set(answer.json()["fields"]) == {field}
    assert User.objects.filter(pk=guest[0].pk).exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (CART, "Choose one of: keep_existing, keep_anonymous, combine."),
        ("belongings.Review.user", "There is no such choice."),
    ],
)
def test_who_chooses_what_is_not_offered_is_told_what_is(
    ann: Any, guest: Any, name: str, message: str
) -> None:
    body = {"refresh": guest[1].tokens["refresh"], "choices": {name: "burn"}}

    fields = client_of(ann).post("merge/", body).json()["fields"]

    assert fields == {f"choices.{name}": [{"code": "invalid_choice", "message": message}]}


# --- what stands in the way


def test_a_conflict_without_a_rule_changes_nothing_and_names_the_rows(
    ann: Any, guest: Any, settings: Settings
) -> None:
    settings.ANONAUTH_ADAPTER = f"{__name__}.RulelessAdapter"
    api, proof = client_of(ann), {"refresh": guest[1].tokens["refresh"]}

    preview, answer = (api.post(path, proof) for path in ("merge/preview/", "merge/"))

    assert refused(answer) == (409, "merge_conflict")
    (conflict,) = answer.json()["conflicts"]
    assert (conflict["relation"], conflict["reason"], conflict["count"]) == (CART, "unique", 1)
    assert preview.status_code == 200
    assert preview.json()["conflicts"] == [conflict]
    assert guest[1].get("user/").json()["is_anonymous"] is True
    assert cart_of(guest[0]) == {1: 3, 7: 4}
    assert cart_of(ann) == {1: 2, 2: 1}


def test_what_the_account_keeps_is_not_overwritten(ann: Any, guest: Any) -> None:
    for user, product in ((ann, 1), (guest[0], 1), (guest[0], 2)):
        Review.objects.create(user=user, product=product)

    body = client_of(ann).post("merge/", {"refresh": guest[1].tokens["refresh"]}).json()

    row = relation(body, "belongings.Review.user")
    assert (row["rule"], row["moved"], row["dropped_anonymous"]) == ("keep_existing", 0, 2)
    assert list(Review.objects.values_list("user", "product")) == [(ann.pk, 1)]


def test_a_guest_brings_no_rights(ann: Any, guest: Any) -> None:
    User.objects.filter(pk=guest[0].pk).update(is_staff=True, is_superuser=True)

    client_of(ann).post("merge/", {"refresh": guest[1].tokens["refresh"]})

    ann.refresh_from_db()
    assert (ann.is_staff, ann.is_superuser) == (False, False)


def test_the_credentials_of_the_account_stay_as_they_are(ann: Any, guest: Any) -> None:
    api = client_of(ann)

    api.post("merge/", {"refresh": guest[1].tokens["refresh"]})

    assert api.get("user/").json()["id"] == str(ann.pk)
    assert api.refresh().status_code == 200

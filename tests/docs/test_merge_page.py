"""``docs/merge.md`` against what a merge really does; the models of its examples are those of ``tests.belongings``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from anonauth import merge_rules
from anonauth.contrib.simplejwt.tokens import issue
from anonauth.exceptions import MergeConflict
from anonauth.merge_rules import MergeRule, Strategy, declared
from anonauth.merging.plan import LEFT, NEVER_MOVED, names_of
from anonauth.merging.report import RelationReport
from anonauth.models import MergeRecord
from anonauth.shortcuts import merge
from anonauth.signals import guest_merged
from tests.belongings.models import CartItem, Note
from tests.client import Api
from tests.docs.pages import ROOT, blocks, code, read, rows, section

PAGE = read("merge")
CART = "belongings.CartItem.user"
THINGS = {"mugs": 1, "kite": 2, "boots": 3}
User: Any = get_user_model()
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def only_rules_of_the_page() -> Iterator[None]:
    """Let the page alone say what the rules are."""
    before = [*declared]
    declared.clear()
    yield
    declared[:] = before


def run(source: str) -> dict[str, Any]:
    """Run a snippet, with the models of the tests in the place of the shop's."""
    names: dict[str, Any] = {}
    exec(source.replace('"shop.', '"belongings.').replace("shop.Search", "belongings.Note"), names)
    return names


def real(text: str) -> Any:
    """Return the JSON of the page, with the names of the tests' models."""
    return json.loads(text.replace("shop.", "belongings."))


def fill(user: Any, *, day: int = 1, **quantities: int) -> None:
    for thing, quantity in quantities.items():
        CartItem.objects.create(
            user=user,
            product=THINGS[thing],
            quantity=quantity,
            added_at=datetime(2026, 11, day, tzinfo=UTC),
        )


def cart_of(user: Any) -> dict[str, int]:
    things = {product: thing for thing, product in THINGS.items()}
    items = CartItem.objects.filter(user=user).values_list("product", "quantity")
    return {things[product]: quantity for product, quantity in items}


@pytest.fixture
def api() -> Api:
    """A client with a guest's tokens; the guest has what the page says."""
    api = Api()
    api.sign_in()
    fill(User.objects.get(), day=2, mugs=2, kite=1)
    return api


@pytest.fixture
def guest(api: Api) -> Any:
    return User.objects.guests().get()


@pytest.fixture
def account() -> Any:
    account = User.objects.create_user("ada", "ada@example.org")
    fill(account, mugs=3, boots=1)
    return account


def bearer(account: Any) -> str:
    return f"Bearer {issue(account).access_token}"


def test_the_recipe_is_at_most_three_lines_and_two_calls(
    api: Api, guest: Any, account: Any
) -> None:
    recipe = section(PAGE, "Three ways, two calls")
    (rule,) = blocks(recipe, "python")
    assert len([line for line in rule.splitlines() if line]) <= 3
    assert len(blocks(recipe, "console")) == 2
    run(rule)
    CartItem.objects.create(user=guest, product=4)
    body = {"refresh": api.tokens["refresh"]}

    seen = api.post("merge/preview/", body, Authorization=bearer(account))
    (documented,) = blocks(recipe, "json")
    ids = {"guest_id": str(guest.pk), "account_id": str(account.pk)}
    assert seen.json() == real(documented) | ids
    assert cart_of(account) == {"mugs": 3, "boots": 1}

    (sent,) = re.findall(r'\\"choices\\": (\{.*?\})\}"', blocks(recipe, "console")[1])
    choices = real(sent.replace('\\"', '"'))
    done = api.post("merge/", body | {"choices": choices}, Authorization=bearer(account))
    assert done.json()["relations"][0]["rule"] == choices[CART]
    assert done.json()["merged_at"]
    assert sorted(CartItem.objects.values_list("user", "product", "quantity")) == [
        (account.pk, 1, 2),
        (account.pk, 2, 1),
        (account.pk, 4, 1),
    ]


def rule_of(text: str) -> MergeRule:
    return eval(f"MergeRule({CART!r}, {text})", {**vars(merge_rules), "MergeRule": MergeRule})  # type: ignore[no-any-return]


@pytest.mark.parametrize("row", rows(section(PAGE, "One cart, each rule")), ids=lambda row: row[0])
def test_each_rule_does_to_the_cart_what_the_table_says(
    row: list[str], guest: Any, account: Any
) -> None:
    declared.append(rule_of(code(row[0])))
    if row[1].startswith("refused"):
        with pytest.raises(MergeConflict):
            merge(guest=guest, into=account)
        assert cart_of(guest) == {"mugs": 2, "kite": 1}
        return
    merge(guest=guest, into=account)
    counted = (part.split() for part in row[1].split(", "))
    assert cart_of(account) == {thing: int(number) for number, thing in counted}
    assert CartItem.objects.exclude(user=account).count() == 0


def test_the_documented_conflict_is_a_real_one(api: Api, guest: Any, account: Any) -> None:
    (documented,) = (real(block) for block in blocks(section(PAGE, "Conflicts"), "json"))
    answer = api.post("merge/", {"refresh": api.tokens["refresh"]}, Authorization=bearer(account))
    (conflict,) = documented["conflicts"]
    conflict["anonymous"] = [str(CartItem.objects.get(user=guest, product=1).pk)]
    conflict["existing"] = [str(CartItem.objects.get(user=account, product=1).pk)]
    assert (answer.status_code, answer.json()) == (409, documented)


def test_the_callable_for_all_rows_works(guest: Any, account: Any) -> None:
    run(blocks(section(PAGE, "Callables"), "python")[0].replace("Search.user", "Note.author"))
    declared.append(rule_of("combine, on_conflict=keep_existing_row"))
    for user, number in ((account, 2), (guest, 3)):
        Note.objects.bulk_create(Note(author=user) for _ in range(number))
    newest = Note.objects.filter(author=guest).latest("pk")
    merge(guest=guest, into=account)
    assert Note.objects.filter(author=account).count() == Note.objects.count() == 3
    assert newest in Note.objects.filter(author=account)


def test_the_callable_for_conflicts_works(guest: Any, account: Any) -> None:
    run(blocks(section(PAGE, "Callables"), "python")[1])
    fill(guest, boots=4)
    merge(guest=guest, into=account)
    assert cart_of(account) == {"mugs": 3, "boots": 4, "kite": 1}


def test_the_examples_of_rules_declare_what_they_name() -> None:
    for block in [
        *blocks(section(PAGE, "Rules"), "python"),
        *blocks(section(PAGE, "Choices"), "python"),
    ]:
        run(block)
    assert [(rule.relation, rule.choices) for rule in declared] == [
        ("belongings.Review.user", ()),
        ("belongings.Product.wished_by", tuple(Strategy)),
        ("profiles.Profile.user", ()),
        ("editor.Layout.user", ()),
        ("tracking.Visit.user", ()),
        ("editor.Draft.user", ("combine", "keep_existing")),
    ]


def test_a_rule_for_a_field_is_one_for_the_table_behind_it() -> None:
    assert "`chess.Club.members`" in section(PAGE, "Each kind of relation")
    (name,) = names_of(MergeRule("belongings.Club.members"))
    assert name == "belongings.Membership.user"


def test_everything_that_never_moves_is_listed() -> None:
    text = section(PAGE, "What never moves")
    assert set(re.findall(r"`(\w+\.\w+\.\w+)`", text)) == {*NEVER_MOVED, *LEFT}


def test_the_table_of_the_report_has_each_key() -> None:
    keys = re.findall(r"`(\w+)`", " ".join(row[0] for row in rows(section(PAGE, "The report"))))
    assert keys == [field.name for field in fields(RelationReport)]


def test_the_table_of_checks_has_each_check() -> None:
    source = (ROOT / "anonauth" / "merge_checks.py").read_text("utf-8")
    listed = {code(row[0]) for row in rows(section(PAGE, "Conflicts"))}
    assert listed == set(re.findall(r'"(anonauth\.[EW]4\d\d)"', source))


def test_a_project_asks_and_merges_from_python(guest: Any, account: Any) -> None:
    take_along = run(blocks(section(PAGE, "From Python"), "python")[0])["take_along"]
    (conflict,) = take_along(guest, account, {})
    assert (conflict.relation, conflict.count) == (CART, 1)
    assert cart_of(guest) == {"mugs": 2, "kite": 1}

    run(blocks(section(PAGE, "Three ways, two calls"), "python")[0])
    report = take_along(guest, account, {CART: "combine"})
    assert report.merged_at
    assert cart_of(account) == {"mugs": 5, "boots": 1, "kite": 1}
    assert MergeRecord.objects.get().method == "till"


@pytest.mark.parametrize("answer", ["yes", "no"])
def test_the_support_merges_after_a_look(
    answer: str,
    guest: Any,
    account: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(blocks(section(PAGE, "Three ways, two calls"), "python")[0])
    recipe, found = blocks(section(PAGE, "Support staff"), "python")
    monkeypatch.setattr("builtins.input", lambda prompt: answer)
    staff = User.objects.create_user("sam", "sam@example.org", is_staff=True)
    run(recipe)["merge_for_customer"](str(guest.pk), "ada@example.org", staff)
    assert capsys.readouterr().out == "cart items: 1 of 2 come along (combine)\n"

    records = eval(
        found.split("\n\n")[1].replace("b3a9b621-801f-49c3-a9a1-5e7cdc4b9d25", str(guest.pk)),
        {"MergeRecord": MergeRecord},
    )
    if answer == "no":
        assert not records
        assert cart_of(guest) == {"mugs": 2, "kite": 1}
        return
    (record,) = records
    assert (record["account"], record["method"]) == (account.pk, "support")
    assert MergeRecord.objects.get().actor_id == staff.pk


@pytest.mark.django_db(transaction=True)
def test_the_receiver_renews_what_has_moved(guest: Any, account: Any) -> None:
    run(blocks(section(PAGE, "Three ways, two calls"), "python")[0])
    renewed: list[Any] = []
    names = run(blocks(section(PAGE, "What happens besides"), "python")[0])
    names["refresh_cart_totals"] = type("Task", (), {"delay": staticmethod(renewed.append)})
    try:
        merge(guest=guest, into=account)
    finally:
        guest_merged.disconnect(names["renew"])
    assert renewed == [account.pk]


def test_the_adapter_of_the_docs_has_its_rules_and_copies_a_column(
    guest: Any, account: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = read("adapter")
    (rules,) = blocks(section(page, "merge_rules"), "python")
    (columns,) = blocks(section(page, "merge_user"), "python")
    names = run(
        f"from anonauth.adapter import Adapter\n{rules}\nAdapter = ProjectAdapter\n{columns}"
    )
    adapter = names["ProjectAdapter"]()
    monkeypatch.setattr("anonauth.merging.plan.get_adapter", lambda: adapter)
    monkeypatch.setattr("anonauth.flows.merge.get_adapter", lambda: adapter)
    declared.append(rule_of("keep_existing"))  # weaker
    User._base_manager.filter(pk=guest.pk).update(first_name="Ada")

    merge(guest=guest, into=account)
    account.refresh_from_db()
    assert account.first_name == "Ada"
    assert cart_of(account) == {"mugs": 2, "boots": 1, "kite": 1}

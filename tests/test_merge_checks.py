"""Each system check of the merge rules: what triggers it, and that it stays silent otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from django.core.checks import CheckMessage, run_checks
from django.db import models

from anonauth import merge_checks
from anonauth.merge_rules import (
    MergeRule,
    add_up,
    combine,
    declared,
    keep_existing,
    keep_existing_row,
    keep_newest,
    leave,
)
from anonauth.merging.relations import user_relations
from tests.belongings.models import Note
from tests.merging.ruled import RuledAdapter

if TYPE_CHECKING:
    from pytest_django import Settings

Rules = Callable[..., None]


def found() -> list[CheckMessage]:
    messages = run_checks(tags=["anonauth"], databases=[])
    return [message for message in messages if str(message.id)[-3:-2] == "4"]


def ids() -> list[str]:
    return sorted(str(message.id) for message in found())


@pytest.fixture
def adapter(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Rules:
    """Declare rules of the adapter beside those of the test project."""
    settings.ANONAUTH_ADAPTER = "tests.merging.ruled.RuledAdapter"

    def declare(*rules: MergeRule) -> None:
        monkeypatch.setattr(RuledAdapter, "rules", list(rules))

    declare()
    return declare


def test_the_test_project_is_clean() -> None:
    assert ids() == []


def test_links_that_are_there_twice_need_no_resolver_of_a_rule(adapter: Rules) -> None:
    adapter(MergeRule("belongings.Team.members", choice=True))

    assert ids() == []


@pytest.mark.parametrize(
    "name",
    ["belongings.CartItem.owner", "belongings.Plugin.user", "nothing", "belongings.CartItem"],
)
def test_a_rule_that_names_nothing_is_an_error(adapter: Rules, name: str) -> None:
    adapter(MergeRule(name, combine))

    assert ids() == ["anonauth.E401"]
    assert "anonymous_merge_rules" in str(found()[0].hint)


@pytest.mark.parametrize(
    "name", ["testapp.User.groups", "account.EmailAddress.user", "anonauth.SignInKey.user"]
)
def test_a_rule_for_what_is_never_moved_is_an_error(adapter: Rules, name: str) -> None:
    adapter(MergeRule(name, combine))

    assert ids() == ["anonauth.E402"]


@pytest.mark.parametrize(
    "rule",
    [
        MergeRule("belongings.CartItem.user", leave("")),
        MergeRule("belongings.Order.user", leave("It keeps the guest from being deleted.")),
        MergeRule("belongings.CartItem.user", on_conflict=keep_newest("weight")),
        MergeRule("belongings.Team.members", on_conflict=keep_newest("members")),
        MergeRule("belongings.CartItem.user", on_conflict=add_up("weight")),
        MergeRule("belongings.CartItem.user", on_conflict=add_up()),
        MergeRule("belongings.Address.user", on_conflict=add_up("id")),  # two constraints
        MergeRule("belongings.Tie.one", on_conflict=add_up("id")),  # an expression
        MergeRule("belongings.Order.user", on_conflict=add_up("id")),  # none
    ],
)
def test_a_rule_that_cannot_work_is_an_error(adapter: Rules, rule: MergeRule) -> None:
    adapter(rule)

    assert ids() == ["anonauth.E403"]


class Router:
    """Writes notes somewhere else."""

    def db_for_write(self, model: Any, **hints: Any) -> str | None:
        return "elsewhere" if model is Note else None


def test_a_rule_cannot_move_what_is_in_another_database(adapter: Rules, settings: Settings) -> None:
    settings.DATABASE_ROUTERS = [f"{__name__}.Router"]
    adapter(
        MergeRule("belongings.Note.author", lambda anonymous, existing: None),
        MergeRule("belongings.Note.editor", leave("A receiver of guest_merged moves it.")),
    )

    assert ids() == ["anonauth.E403"]
    assert "guest_merged" in found()[0].msg


@pytest.mark.parametrize(
    "more",
    [
        {"strategy": keep_existing},
        {"choice": True},
        {"on_conflict": keep_existing_row},
    ],
)
def test_a_rule_that_would_drop_users_is_an_error(
    adapter: Rules, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any]
) -> None:
    rule = MergeRule("testapp.User.invited_by", **more)
    adapter(rule)
    assert ids() == []
    monkeypatch.setattr(field_of("testapp.User.invited_by"), "null", False)

    assert ids() == ["anonauth.E403"]


def field_of(name: str) -> models.Field[Any, Any]:
    relations = {r.name: r for r in user_relations()}
    return relations[name].field


def test_two_apps_that_declare_a_rule_for_one_relation_are_an_error(
    adapter: Rules, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter(MergeRule("belongings.CartItem.user", keep_existing))
    assert ids() == []  # the adapter may overrule an app
    twice = [*declared, MergeRule("belongings.Club.members", keep_existing)]
    monkeypatch.setattr(merge_checks, "declared", twice)
    monkeypatch.setattr("anonauth.merging.plan.declared", twice)

    assert ids() == ["anonauth.E404"]


@pytest.mark.parametrize(
    "name",
    [
        "belongings.CartItem.user",
        "belongings.Review.user",
        "belongings.Membership.user",
        "belongings.Like.thing",
        "belongings.Slot.user",
        "belongings.Profile.user",
    ],
)
def test_a_relation_that_may_conflict_without_a_rule_is_a_warning(
    adapter: Rules, name: str
) -> None:
    adapter(MergeRule(name, combine))

    assert ids() == ["anonauth.W405"]
    assert "anonymous_merge_rules" in str(found()[0].hint)


def test_a_one_to_one_of_users_that_cannot_be_empty_is_a_warning(
    adapter: Rules, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(field_of("belongings.Customer.partner"), "null", False)

    assert ids() == ["anonauth.W405"]


def test_a_table_out_of_reach_is_a_warning_until_somebody_says_that_it_is_meant(
    rules_of_apps: list[MergeRule],
) -> None:
    rules_of_apps[:] = [r for r in declared if r.relation != "belongings.Statistic.user"]

    assert ids() == ["anonauth.W406"]
    rules_of_apps.append(MergeRule("belongings.Statistic.user", leave("It is a view.")))
    assert ids() == []


@pytest.fixture
def rules_of_apps(monkeypatch: pytest.MonkeyPatch) -> list[MergeRule]:
    found = list(declared)
    monkeypatch.setattr(merge_checks, "declared", found)
    monkeypatch.setattr("anonauth.merging.plan.declared", found)
    return found


def test_rules_are_not_looked_at_where_the_settings_are_no_settings(
    adapter: Rules, settings: Settings
) -> None:
    adapter(MergeRule("nothing", combine))
    settings.ANONAUTH_ADAPTER = "nowhere.Adapter"

    assert ids() == []

"""Which rule is in force for a relation, and what no rule can move."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from anonauth.adapter import Adapter
from anonauth.merge_rules import (
    Leave,
    MergeRule,
    Strategy,
    combine,
    declared,
    keep_anonymous,
    keep_anonymous_row,
    keep_existing,
    keep_existing_row,
    keep_newest,
    leave,
    merge_rule,
)
from anonauth.merging import plan as plans
from anonauth.merging.plan import NEVER_MOVED, RIGHTS, Planned, never_moved, plan, rules_in_force
from tests.belongings.models import Note, Order

if TYPE_CHECKING:
    from pytest_django import Settings


def planned(name: str, **choices: str) -> Planned:
    return next(one for one in plan(choices) if one.relation.name == name)


class StrongAdapter(Adapter):
    def merge_rules(self) -> list[MergeRule]:
        return [
            MergeRule("belongings.CartItem.user", keep_anonymous),
            MergeRule("belongings.Club.members", keep_existing),
        ]


def test_without_a_rule_everything_moves() -> None:
    rule = planned("belongings.Order.user").rule

    assert (rule.strategy, rule.on_conflict, rule.choices) == (combine, None, ())


@pytest.mark.parametrize(
    "name",
    [
        "belongings.Profile.user",
        "belongings.LoyaltyCard.user",
        "belongings.Customer.user_ptr",
        "belongings.Customer.partner",
    ],
)
def test_of_a_one_to_one_the_existing_one_is_kept_unless_told_otherwise(name: str) -> None:
    assert planned(name).strategy is keep_existing


@pytest.mark.parametrize("name", ["belongings.Team.members", "testapp.User.friends:reverse"])
def test_links_that_are_there_twice_are_one(name: str) -> None:
    rule = planned(name).rule

    assert (rule.strategy, rule.on_conflict) == (combine, keep_existing_row)


@pytest.mark.parametrize("name", ["belongings.Team.members", "testapp.User.friends:reverse"])
def test_links_that_are_there_twice_stay_one_where_a_rule_says_nothing_of_them(
    name: str, rules: list[MergeRule]
) -> None:
    rules.append(MergeRule(name, choice=True, label="Links"))
    rule = planned(name).rule
    assert (rule.on_conflict, rule.choices, rule.label) == (
        keep_existing_row,
        tuple(Strategy),
        "Links",
    )
    rules[:] = [MergeRule(name, on_conflict=keep_anonymous_row)]

    assert planned(name).rule.on_conflict == keep_anonymous_row


@pytest.mark.parametrize(
    "name", ["belongings.CartItem.user", "belongings.Profile.user", "belongings.Club.members"]
)
def test_no_resolver_is_invented_where_the_rows_are_more_than_links(
    name: str, rules: list[MergeRule]
) -> None:
    rules.append(MergeRule(name, combine))
    column = "belongings.Membership.user" if name == "belongings.Club.members" else name

    assert planned(column).rule.on_conflict is None


def test_an_apps_rule_is_stronger_than_the_usual_one_and_says_who_declared_it() -> None:
    rule = planned("belongings.CartItem.user").rule

    assert rule.choices == tuple(Strategy)
    assert rule.declared_in == "tests.belongings.anonauth_rules"


def test_the_adapters_rule_is_stronger_than_an_apps(settings: Settings) -> None:
    settings.ANONAUTH_ADAPTER = f"{__name__}.StrongAdapter"

    assert planned("belongings.CartItem.user").strategy is keep_anonymous


def test_a_field_with_a_table_of_its_own_names_the_rule_of_that_tables_columns(
    settings: Settings,
) -> None:
    assert planned("belongings.Membership.user").rule.on_conflict == keep_newest("since")
    settings.ANONAUTH_ADAPTER = f"{__name__}.StrongAdapter"

    assert planned("belongings.Membership.user").strategy is keep_existing


def test_the_persons_choice_is_stronger_than_the_rule() -> None:
    name = "belongings.CartItem.user"

    one = planned(name, **{name: "keep_existing"})

    assert (one.strategy, one.rule.strategy) == (keep_existing, combine)


def test_a_rule_may_offer_some_strategies_only() -> None:
    assert MergeRule("x", choice=(combine, keep_existing)).choices == (combine, keep_existing)
    assert MergeRule("x", choice=True).choices == tuple(Strategy)
    assert MergeRule("x").choices == ()


def test_declaring_a_rule_adds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anonauth.merge_rules.declared", found := [*declared])

    merge_rule("x.Y.z", keep_existing, label="Things", choice=True)

    assert found[-1] == MergeRule("x.Y.z", keep_existing, None, True, "Things")
    assert found[-1].declared_in == __name__


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("testapp.User.groups", "rights"),
        ("testapp.User.user_permissions", "rights"),
        ("account.EmailAddress.user", "proved"),
        ("socialaccount.SocialAccount.user", "proved"),
        ("mfa.Authenticator.user", "proved"),
        ("usersessions.UserSession.user", "credentials"),
        ("anonauth.PendingUpgrade.user", "anonauth"),
        ("anonauth.SignInKey.user", "credentials"),
        ("anonauth.MergeRecord.account", "anonauth"),
    ],
)
def test_some_things_are_never_moved_and_there_is_a_reason(name: str, reason: str) -> None:
    one = planned(name)

    assert isinstance(one.strategy, Leave)
    assert reason in one.strategy.reason
    assert one.strategy.reason == never_moved(name)
    assert not one.is_counted


def test_every_relation_of_anonauth_and_allauth_is_on_the_list_of_what_is_never_moved() -> None:
    others = {"account", "anonauth", "anonauth_allauth", "mfa", "socialaccount", "usersessions"}
    found = {one.relation.name for one in plan() if one.relation.name.partition(".")[0] in others}

    assert found <= set(NEVER_MOVED)
    assert all(reason.endswith(".") for reason in NEVER_MOVED.values())


def test_the_log_of_the_admin_stays_unless_a_rule_says_otherwise(rules: list[MergeRule]) -> None:
    assert "admin" in planned("admin.LogEntry.user").strategy.reason
    rules.append(MergeRule("admin.LogEntry.user", combine))

    assert planned("admin.LogEntry.user").strategy is combine


def test_what_django_does_not_manage_is_left_alone_unless_a_rule_says_otherwise(
    rules: list[MergeRule],
) -> None:
    one = planned("belongings.Statistic.user")
    assert one.is_left
    assert not one.is_counted
    rules.append(MergeRule("belongings.Statistic.user", combine))

    assert planned("belongings.Statistic.user").strategy is combine


class Router:
    """Writes notes somewhere else."""

    def db_for_write(self, model: Any, **hints: Any) -> str | None:
        return "elsewhere" if model is Note else None


def test_what_is_in_another_database_is_left_alone(settings: Settings) -> None:
    settings.DATABASE_ROUTERS = [f"{__name__}.Router"]

    for name in ("belongings.Note.author", "belongings.Note.editor"):
        one = planned(name)
        assert one.strategy == Leave(plans.OTHER_DATABASE, usual=True)
        assert not one.is_counted
    assert not planned("belongings.Order.user").is_left


def test_rules_that_name_nothing_or_what_is_never_moved_stop_everything(
    rules: list[MergeRule],
) -> None:
    rules.append(MergeRule("belongings.Order.buyer", combine))
    with pytest.raises(ImproperlyConfigured, match=r"belongings\.Order\.buyer"):
        rules_in_force()
    rules[:] = [MergeRule("testapp.User.groups", combine)]
    with pytest.raises(ImproperlyConfigured, match=RIGHTS):
        rules_in_force()


def test_what_a_project_leaves_is_told_in_the_report(rules: list[MergeRule]) -> None:
    rules.append(MergeRule("belongings.Note.author", leave("It was his.")))

    assert planned("belongings.Note.author").is_counted
    assert Order._meta.label  # the model is there; only its rule is the usual one

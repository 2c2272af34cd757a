"""``manage.py anonymous_merge_rules`` tells of every relation what becomes of it, and why."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from anonauth.merge_rules import MergeRule, combine, keep_anonymous, leave
from anonauth.merging.relations import user_relations
from tests.merging.ruled import rules

__all__ = ["rules"]


def printed(*arguments: str) -> str:
    out = StringIO()
    call_command("anonymous_merge_rules", *arguments, stdout=out)
    return out.getvalue()


def listed() -> dict[str, dict[str, Any]]:
    return {one["relation"]: one for one in json.loads(printed("--json"))}


def test_every_relation_is_listed_once_in_order() -> None:
    names = [one["relation"] for one in json.loads(printed("--json"))]

    assert names == sorted(relation.name for relation in user_relations())


def test_a_rule_of_an_app_is_told_with_its_constraints_and_choices() -> None:
    assert listed()["belongings.CartItem.user"] == {
        "relation": "belongings.CartItem.user",
        "kind": "foreign_key",
        "table": "belongings_cartitem",
        "column": "user_id",
        "rule": "combine",
        "on_conflict": "add_up(quantity, at_most=20)",
        "choices": ["keep_existing", "keep_anonymous", "combine"],
        "declared_by": "tests.belongings.anonauth_rules",
        "constraints": ["one_cart_item"],
        "reason": "",
    }
    assert listed()["belongings.Follow.follower"]["constraints"] == ["one_follow", "one_no_mirror"]
    assert listed()["belongings.Membership.user"]["on_conflict"] == "keep_newest(since)"
    assert listed()["belongings.Like.thing"]["on_conflict"] == "keep_anonymous_row"


def test_what_is_never_moved_is_told_with_the_reason() -> None:
    groups = listed()["testapp.User.groups"]

    assert (groups["rule"], groups["declared_by"]) == ("leave", "")
    assert "rights" in groups["reason"]


def test_rules_of_the_adapter_and_callables_are_told(rules: list[MergeRule]) -> None:
    rules += [
        MergeRule("belongings.CartItem.user", keep_anonymous),
        MergeRule("belongings.Review.user", combine, on_conflict=listed),  # type: ignore[arg-type]
        MergeRule("belongings.Note.author", printed),  # type: ignore[arg-type]
        MergeRule("belongings.Note.editor", leave("It was his.")),
        MergeRule("belongings.Team.members", choice=True),
    ]
    found = listed()

    assert found["belongings.CartItem.user"]["declared_by"] == "adapter"
    assert found["belongings.Review.user"]["on_conflict"] == f"{__name__}.listed"
    assert found["belongings.Note.author"]["rule"] == f"{__name__}.printed"
    assert found["belongings.Note.editor"]["reason"] == "It was his."
    assert found["belongings.Team.members"]["declared_by"] == "adapter"
    assert found["belongings.Team.members"]["on_conflict"] == "keep_existing_row"


def test_people_read_a_table() -> None:
    lines = printed().splitlines()

    assert lines[0].split() == ["relation", "kind", "rule", "on_conflict", "declared_by"]
    place = next(n for n, line in enumerate(lines) if line.startswith("belongings.CartItem.user"))
    assert lines[place].split()[1:3] == ["foreign_key", "combine"]
    assert lines[place + 1].strip() == (
        "Constraints: one_cart_item. The person chooses: keep_existing, keep_anonymous, combine."
    )


@pytest.mark.django_db
def test_no_table_is_read() -> None:
    with CaptureQueriesContext(connection) as queries:
        printed()

    assert len(queries) == 0


def test_a_rule_that_names_nothing_is_an_error(rules: list[MergeRule]) -> None:
    rules.append(MergeRule("belongings.CartItem.owner", combine))

    with pytest.raises(CommandError, match=r"belongings\.CartItem\.owner"):
        printed()

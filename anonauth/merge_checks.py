"""System checks of the merge rules: each relation to the user is moved, or somebody has said why not."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error, Warning, register

from anonauth.checks import sound_settings
from anonauth.deletion.graph import FORBIDS, action_of
from anonauth.merge_rules import (
    AddUp,
    KeepNewest,
    KeepRow,
    Leave,
    MergeRule,
    Strategy,
    declared,
)
from anonauth.merging.constraints import unique_keys
from anonauth.merging.plan import (
    OTHER_DATABASE,
    Planned,
    elsewhere,
    in_other_database,
    names_of,
    never_moved,
    plan,
    project_rules,
)
from anonauth.merging.relations import UserRelation, user_relations
from anonauth.models import GuestMixin

LIST = "`manage.py anonymous_merge_rules` lists all relations to the user."


@register("anonauth")
def check_rules(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E401 to E404: rules that name nothing, or cannot work."""
    if not sound_settings() or not issubclass(get_user_model(), GuestMixin):
        return []  # other checks say what to do first
    relations = {relation.name: relation for relation in user_relations()}
    found: list[CheckMessage] = []
    seen: set[str] = set()
    for rule in project_rules():
        for name in names_of(rule):
            if name not in relations:
                found.append(
                    _error(f"A merge rule for {name!r} names no relation.", LIST, "anonauth.E401")
                )
            elif reason := never_moved(name):
                found.append(
                    _error(f"A merge rule is for {name}: {reason}", "Take it out.", "anonauth.E402")
                )
            elif fault := _fault(rule, relations[name]):
                hint = "See docs/merge.md."
                found.append(_error(f"The merge rule for {name}: {fault}", hint, "anonauth.E403"))
            if rule in declared and name in seen:
                hint = "One app declares it; to overrule that one use Adapter.merge_rules()."
                found.append(
                    _error(f"Two apps declare a merge rule for {name}.", hint, "anonauth.E404")
                )
            seen.add(name)
    return found


@register("anonauth")
def check_relations(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W405, W406: relations that would stand in the way of a merge, or be left out of it."""
    if check_rules(app_configs) or not sound_settings():
        return []
    if not issubclass(get_user_model(), GuestMixin):
        return []
    ruled = {name for rule in project_rules() for name in names_of(rule)}
    found: list[CheckMessage] = []
    for planned in plan():
        relation = planned.relation
        if _may_conflict(planned):
            keys = ", ".join(key.name for key in unique_keys(relation.model, relation.field))
            found.append(
                Warning(
                    f"{relation.name} has no rule for two rows that are both the account's after a "
                    f"merge and break a unique constraint ({keys}): such a guest cannot be merged.",
                    hint=f'Declare merge_rule("{relation.name}", combine, on_conflict=…) in the '
                    f"app's anonauth_rules.py; see docs/merge.md. {LIST}",
                    obj=relation.model,
                    id="anonauth.W405",
                )
            )
        elif relation.name not in ruled and (reason := elsewhere(relation)):
            found.append(
                Warning(
                    f"{relation.name} is left out of merges: {reason}",
                    hint=f"Say that it is meant to be with leave(reason), or give it a rule. {LIST}",
                    obj=relation.model,
                    id="anonauth.W406",
                )
            )
    return found


def _error(message: str, hint: str, number: str) -> Error:
    return Error(message, hint=hint, id=number)


def _may_conflict(planned: Planned) -> bool:
    relation = planned.relation
    if not unique_keys(relation.model, relation.field):
        return False
    if planned.strategy is Strategy.COMBINE:
        return planned.rule.on_conflict is None
    # The usual rule would keep one of two users, and the other could not be let go.
    return isinstance(planned.strategy, Strategy) and _must_point_at_somebody(relation)


def _fault(rule: MergeRule, relation: UserRelation) -> str | None:
    if isinstance(rule.strategy, Leave):
        return _leave_fault(rule.strategy, relation)
    if in_other_database(relation):
        return (
            f"{OTHER_DATABASE} leave() it, and move its rows in a receiver of guest_merged, "
            "which knows both keys."
        )
    if _must_point_at_somebody(relation) and _drops(rule):
        return (
            "Its rows are users, and those cannot be dropped: write a callable, or combine alone."
        )
    match rule.on_conflict:
        case KeepNewest(field):
            return _no_field(relation, (field,))
        case AddUp(fields):
            return _no_sum(relation, fields)
    return None


def _leave_fault(strategy: Leave, relation: UserRelation) -> str | None:
    if not strategy.reason:
        return "leave() needs a reason."
    if not relation.type_field and action_of(relation.field) in FORBIDS:
        return "on_delete keeps the guest from being deleted, and so from being merged."
    return None


def _must_point_at_somebody(relation: UserRelation) -> bool:
    return relation.of_users and not relation.field.null


def _drops(rule: MergeRule) -> bool:
    kept = {Strategy.KEEP_EXISTING, Strategy.KEEP_ANONYMOUS}
    built_in = isinstance(rule.on_conflict, KeepRow | KeepNewest | AddUp)
    return built_in or bool(kept & {*rule.choices, rule.strategy})


def _no_sum(relation: UserRelation, names: tuple[str, ...]) -> str | None:
    keys = unique_keys(relation.model, relation.field)
    if len(keys) != 1 or not keys[0].is_plain:
        return "add_up() needs exactly one unique constraint, of columns alone."
    return "add_up() needs a field." if not names else _no_field(relation, names)


def _no_field(relation: UserRelation, names: tuple[str, ...]) -> str | None:
    for name in names:
        if name not in {field.name for field in relation.model._meta.concrete_fields}:
            return f"{relation.model.__name__} has no column {name!r}."
    return None

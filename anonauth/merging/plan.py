"""Which rule is in force for each relation of the project."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import ImproperlyConfigured
from django.db import router
from django.utils.translation import gettext

from anonauth.adapter import get_adapter
from anonauth.exceptions import InvalidInput
from anonauth.merge_rules import (
    Leave,
    MergeRule,
    Strategy,
    combine,
    declared,
    keep_existing,
    keep_existing_row,
)
from anonauth.merging.relations import UserRelation, explicit_links, user_relations
from anonauth.models import user_database

RIGHTS = "SECURITY: rights are given to an account, never brought into it."
IDENTITY = "SECURITY: what opens an account, or names it, is proved by its owner."
CREDENTIAL = "SECURITY: the guest's credentials end with the guest."
OURS = "anonauth's own; it ends with the guest."

OTHER_DATABASE = "Its table is in another database, and a merge is one transaction."

#: Relations of other apps that no rule of a project can move.
NEVER_MOVED: Mapping[str, str] = {
    "account.EmailAddress.user": IDENTITY,
    "allauth_idp_oidc.Client.owner": RIGHTS,
    "allauth_idp_oidc.Token.user": CREDENTIAL,
    "anonauth.MergeRecord.account": OURS,
    "anonauth.MergeRecord.actor": OURS,
    "anonauth.PendingUpgrade.user": OURS,
    "anonauth.SignInKey.user": CREDENTIAL,
    "anonauth_allauth.SeenToken.user": OURS,
    "anonauth_allauth.SocialTicket.user": OURS,
    "authtoken.Token.user": CREDENTIAL,
    "guardian.UserObjectPermission.user": RIGHTS,
    "knox.AuthToken.user": CREDENTIAL,
    "mfa.Authenticator.user": IDENTITY,
    "oauth2_provider.AccessToken.user": CREDENTIAL,
    "oauth2_provider.Grant.user": CREDENTIAL,
    "oauth2_provider.IDToken.user": CREDENTIAL,
    "oauth2_provider.RefreshToken.user": CREDENTIAL,
    "otp_email.EmailDevice.user": IDENTITY,
    "otp_hotp.HOTPDevice.user": IDENTITY,
    "otp_static.StaticDevice.user": IDENTITY,
    "otp_totp.TOTPDevice.user": IDENTITY,
    "socialaccount.SocialAccount.user": IDENTITY,
    "token_blacklist.OutstandingToken.user": CREDENTIAL,
    "usersessions.UserSession.user": CREDENTIAL,
}

#: Relations of other apps that stay with the guest unless the project has a rule.
LEFT: Mapping[str, str] = {
    "admin.LogEntry.user": "The log of the admin tells who did what at the time.",
}


@dataclass(frozen=True, slots=True)
class Planned:
    """A relation and what becomes of it."""

    relation: UserRelation
    rule: MergeRule
    #: The rule's own, or the one that the person has chosen.
    strategy: Any

    @property
    def is_left(self) -> bool:
        """Whether the rows stay with the guest, and go with him."""
        return isinstance(self.strategy, Leave)

    @property
    def is_counted(self) -> bool:
        """Whether the report tells of it: not of what is never moved, nor of tables that nobody here can count."""
        return not self.is_left or not (self.strategy.usual or elsewhere(self.relation))


def plan(choices: Mapping[str, str] | None = None) -> tuple[Planned, ...]:
    """Return every relation to the user with the rule in force and the person's choice.

    Args:
        choices: the names of strategies by the names of relations whose rules offer a choice.

    Raises:
        InvalidInput: there is no such choice.
        ImproperlyConfigured: a rule names no relation.
    """
    rules = rules_in_force()
    chosen = dict(_chosen(choices or {}, rules))
    return tuple(
        Planned(relation, rule, chosen.get(relation.name, rule.strategy))
        for relation in user_relations()
        for rule in [rules[relation.name]]
    )


def rules_in_force() -> dict[str, MergeRule]:
    """Return the rule of each relation: the adapter's, else the apps', else the usual one.

    Raises:
        ImproperlyConfigured: a rule names no relation, or one that never moves.
    """
    usual = {relation.name: usual_rule(relation) for relation in user_relations()}
    rules = dict(usual)
    for rule in project_rules():
        for name in names_of(rule):
            if name not in rules:
                raise ImproperlyConfigured(f"The merge rule for {rule.relation!r} names nothing.")
            if never_moved(name):
                raise ImproperlyConfigured(f"{name} is never moved: {never_moved(name)}")
            rules[name] = rule
            if rule.on_conflict is None:
                rules[name] = replace(rule, on_conflict=usual[name].on_conflict)
    return rules


def project_rules() -> Iterator[MergeRule]:
    """Yield the rules that the project has declared, the stronger ones last."""
    yield from declared
    yield from get_adapter().merge_rules()


def names_of(rule: MergeRule) -> Iterable[str]:
    """Return the relations that a rule is for: a many-to-many field stands for its table's columns."""
    return explicit_links(get_user_model()).get(rule.relation, (rule.relation,))


def never_moved(name: str) -> str | None:
    """Return why a relation is never moved, whatever a project's rules say, or None."""
    rights = (r.name for r in user_relations() if r.linked in {Group, Permission})
    return RIGHTS if name in rights else NEVER_MOVED.get(name)


def usual_rule(relation: UserRelation) -> MergeRule:
    """Return what becomes of a relation without a rule."""
    name = relation.name
    reason = never_moved(name) or LEFT.get(name) or elsewhere(relation)
    if reason is not None:
        return MergeRule(name, Leave(reason, usual=True))
    if relation.kind in {"one_to_one", "same_key"}:
        return MergeRule(name, keep_existing)
    if relation.kind == "many_to_many":
        # Two links of the same two rows say the same.
        return MergeRule(name, combine, on_conflict=keep_existing_row)
    return MergeRule(name)


def elsewhere(relation: UserRelation) -> str | None:
    """Return why the rows of a relation are out of a merge's reach, or None."""
    if not relation.model._meta.managed:
        return "Its table is not managed by Django."
    return OTHER_DATABASE if in_other_database(relation) else None


def in_other_database(relation: UserRelation) -> bool:
    """Tell whether rows of a relation are written to another database than users."""
    return bool(router.db_for_write(relation.model) != user_database())


def _chosen(
    choices: Mapping[str, str], rules: Mapping[str, MergeRule]
) -> Iterator[tuple[str, Strategy]]:
    for name, wanted in choices.items():
        offered = rules[name].choices if name in rules else ()
        if wanted not in offered:
            message = gettext("There is no such choice.")
            if offered:
                message = gettext("Choose one of: %(kinds)s.") % {"kinds": ", ".join(offered)}
            raise InvalidInput(
                {f"choices.{name}": [{"code": "invalid_choice", "message": message}]}
            )
        yield name, Strategy(wanted)

"""The merge in the schema."""

# mypy: allow-untyped-calls
# Reason: the extensions of drf-spectacular register themselves in an __init_subclass__ without annotations.

from __future__ import annotations

from functools import lru_cache
from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers

from anonauth.api.parties import proof_fields
from anonauth.contrib.spectacular import bodies, examples
from anonauth.contrib.spectacular.examples import answered, asked
from anonauth.contrib.spectacular.fields import NamedEnum
from anonauth.contrib.spectacular.refusals import (
    BAD_BODY,
    RETRY_AFTER,
    AnonauthRowConflictSerializer,
    refusals,
)
from anonauth.contrib.spectacular.views import NO_CREDENTIALS, TAGS, Endpoint
from anonauth.merge_rules import Strategy

VIEWS = "anonauth.api.merge"
TICKET = "Of a refusal `…_taken`: the guest has proved an identity of the account."
COUNT_OF = {
    "anonymous": "Rows that the guest has.",
    "existing": "Rows that the account has.",
    "moved": "Rows of the guest that become the account's.",
    "conflicts": "Rows of the guest that a constraint does not allow beside those of the account.",
    "dropped_anonymous": "Rows of the guest that are deleted.",
    "dropped_existing": "Rows of the account that are deleted.",
    "also_dropped": "Rows of other tables that hang on those, and are deleted with them.",
}

REFUSALS = (
    *BAD_BODY,
    *NO_CREDENTIALS,
    "csrf_failed",
    "guest_proof_invalid",
    "ticket_invalid",
    "no_merge_offer",
    "permanent_user_required",
    "login_required",
    "mfa_required",
    "email_not_verified",
    "rate_limited",
    "rate_limit_unavailable",
    "database_unavailable",
)


class AnonauthMergeRelationSerializer(serializers.Serializer[Any]):
    """One relation that the guest has rows in."""

    name = serializers.CharField(help_text="For `choices`.")
    rule = serializers.CharField(help_text="A strategy, `leave`, or `custom`.")
    choices = serializers.ListField(
        child=NamedEnum("AnonauthMergeStrategy", list(Strategy)),
        help_text="What the person may choose from.",
    )

    def get_fields(self) -> dict[str, Any]:
        label = serializers.CharField(help_text="For people.")
        counts = {n: serializers.IntegerField(help_text=text) for n, text in COUNT_OF.items()}
        return {**super().get_fields(), "label": label, **counts}


class AnonauthMergeReportSerializer(serializers.Serializer[Any]):
    """What a merge would do, or has done."""

    guest_id = serializers.CharField()
    account_id = serializers.CharField()
    relations = AnonauthMergeRelationSerializer(many=True)
    conflicts = serializers.ListField(
        child=AnonauthRowConflictSerializer(),
        help_text="Rows that stand in the way of the merge; empty when it is done.",
    )
    merged_at = serializers.DateTimeField(allow_null=True, help_text="null in a preview.")


class AnonauthMergedSerializer(AnonauthMergeReportSerializer, bodies.AnonauthRenewedSerializer):
    """The report; to a client that came as the guest also the account, and credentials of the kind at hand."""

    user = bodies.AnonauthUserSerializer(required=False)
    credentials = serializers.CharField(required=False)
    session_token = serializers.CharField(required=False)


@lru_cache(maxsize=8)
def _body(proofs: tuple[str, ...]) -> type[serializers.Serializer[Any]]:
    fields: dict[str, Any] = {
        "__doc__": "At most one proof of the guest, and the choices.",
        "merge_ticket": serializers.CharField(required=False, help_text=TICKET),
        "choices": serializers.DictField(
            child=NamedEnum("AnonauthMergeStrategy", list(Strategy)),
            required=False,
            help_text="By the name of a relation whose `choices` are not empty.",
        ),
    }
    for name in proofs:
        fields[name] = serializers.CharField(required=False, help_text="The guest's.")
    return type("AnonauthMergeSerializer", (serializers.Serializer,), fields)


def _merge_body() -> type[serializers.Serializer[Any]]:
    return _body(tuple(proof_fields()))


def _asked() -> list[Any]:
    known = {"merge_ticket", "choices", *proof_fields()}
    return asked({n: body for n, body in examples.MERGE.items() if set(body) <= known})


class MergePreview(Endpoint):
    target_class = f"{VIEWS}.MergePreviewView"

    def operations(self) -> dict[str, Any]:
        operation = extend_schema(
            operation_id="previewMerge",
            summary="What a merge would do",
            description="Tells what would become of the guest's rows, and what the person may choose. Changes nothing.",
            tags=TAGS,
            request=_merge_body(),
            parameters=[RETRY_AFTER],
            examples=[*_asked(), *answered({"A preview": examples.MERGE_REPORT}, 200)],
            responses={
                200: OpenApiResponse(AnonauthMergeReportSerializer, "The report."),
                **refusals(*REFUSALS),
            },
        )
        return {"post": operation}


class Merge(Endpoint):
    target_class = f"{VIEWS}.MergeView"

    def operations(self) -> dict[str, Any]:
        done = {**examples.MERGE_REPORT, "merged_at": examples.PERMANENT["created_at"]}
        as_guest = {**done, "user": examples.PERMANENT, "credentials": "jwt", **examples.TOKENS}
        shown = {"To the account": done, "To the guest": as_guest}
        operation = extend_schema(
            operation_id="merge",
            summary="Merge a guest into an account",
            description="Makes everything of the guest the account's, all of it or nothing, and ends the guest.",
            tags=TAGS,
            request=_merge_body(),
            parameters=[RETRY_AFTER],
            examples=[*_asked(), *answered(shown, 200)],
            responses={
                200: OpenApiResponse(AnonauthMergedSerializer, "Done, now or before."),
                **refusals(*REFUSALS, "impersonated", "merge_conflict"),
            },
        )
        return {"post": operation}

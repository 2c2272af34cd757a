"""Merging a guest into an account that exists: first what would happen, then the act."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from anonauth.adapter import get_adapter, refuse_impersonation
from anonauth.api.answers import kind_at_hand
from anonauth.api.parties import find_parties, proof_fields
from anonauth.api.serializers import StrictSerializer
from anonauth.api.views import AnonauthView, limit, validated
from anonauth.conf import get_settings
from anonauth.flows.merge import merge, preview_merge
from anonauth.models import is_guest

GROUP = "anonauth.merge"
MAX_PROOF = 8192


class MergeSerializer(StrictSerializer):
    """The body of ``POST merge/`` and ``POST merge/preview/``: at most one proof, and the person's choices."""

    merge_ticket = serializers.CharField(required=False, max_length=MAX_PROOF)
    choices = serializers.DictField(
        child=serializers.CharField(max_length=50), required=False, default=dict
    )

    def get_fields(self) -> dict[str, Any]:
        proofs = {
            name: serializers.CharField(required=False, max_length=MAX_PROOF)
            for name in proof_fields()
        }
        return {**super().get_fields(), **proofs}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        proofs = sorted(attrs.keys() - {"choices"})
        if len(proofs) > 1:
            faults = {name: [_("Send one proof of the guest, not several.")] for name in proofs}
            raise serializers.ValidationError(faults, code="ambiguous")
        return attrs


class _MergeView(AnonauthView):
    permission_classes = (IsAuthenticated,)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        limit(request, group=GROUP, rates=get_settings().merge_rate_limits)


class MergePreviewView(_MergeView):
    """What a merge would do."""

    def post(self, request: Request) -> Response:
        """Answer with the report of a merge that has not been done."""
        data = validated(MergeSerializer, request)
        parties = find_parties(request, data)
        with parties.still_true():
            report = preview_merge(
                guest=parties.guest, into=parties.account, choices=data["choices"]
            )
        return Response(report.as_dict())


class MergeView(_MergeView):
    """The merge."""

    def post(self, request: Request) -> Response:
        """Do it and answer with the report; who came as the guest is signed in to the account by the answer."""
        refuse_impersonation(request._request)
        data = validated(MergeSerializer, request)
        kind, here = kind_at_hand(request), request.user
        parties = find_parties(request, data)
        with parties.still_true():
            report = merge(
                guest=parties.guest,
                into=parties.account,
                choices=data["choices"],
                method=parties.method,
            )
        if not is_guest(here):
            return Response(report.as_dict())
        account = parties.account
        credentials = kind.hand_over(request._request, guest=here, account=account)
        user = {"user": get_adapter().user_payload(account), "credentials": kind.name}
        return Response({**report.as_dict(), **user, **credentials})

"""What clients may send."""

from __future__ import annotations

from typing import Any

from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from anonauth.captcha import MAX_TOKEN
from anonauth.conf import get_settings
from anonauth.exceptions import InvalidInput


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses names that it does not know: a typing error must not be ignored in silence."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        unknown = set(self.initial_data) - set(self.fields)
        if unknown:
            fault = {"code": "unknown", "message": str(_("There is no such field."))}
            raise InvalidInput({str(name): [fault] for name in sorted(unknown)})
        return attrs


class SignInSerializer(StrictSerializer):
    """The body of ``POST anonymous/``."""

    profile = serializers.DictField(required=False)
    captcha_token = serializers.CharField(
        required=False, allow_null=True, allow_blank=True, max_length=MAX_TOKEN
    )
    credentials = serializers.CharField(required=False, max_length=32)

    def validate_profile(self, value: dict[str, Any]) -> Any:
        """Let the project's own serializer decide; without one nothing may be sent."""
        path = get_settings().profile_serializer
        if path is None:
            if value:
                raise serializers.ValidationError(
                    _("This project takes no profile."), code="not_supported"
                )
            return {}
        serializer = import_string(path)(data=value, context=self.context)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data


class SignOutSerializer(StrictSerializer):
    """The body of ``POST sign-out/``."""

    scope = serializers.ChoiceField(choices=["local", "others", "global"], default="local")
    lose_data = serializers.BooleanField(default=False)
    refresh = serializers.CharField(required=False, max_length=8192)

"""Fields that drf-spectacular describes better with a little help."""

# mypy: allow-untyped-calls
# Reason: the extensions of drf-spectacular register themselves in an __init_subclass__ without annotations.

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import Direction
from rest_framework import serializers


class NamedEnum(serializers.ChoiceField):
    """A choice that becomes a component of its own.

    drf-spectacular names a choice after its field, and warns where a project has another one of that name.

    Args:
        component: the component's name.
        choices: what the field may say.
    """

    def __init__(self, component: str, choices: Iterable[str], **kwargs: Any) -> None:
        super().__init__(list(choices), **kwargs)
        self.component = component


class NamedEnumExtension(OpenApiSerializerFieldExtension):
    """Writes the component of a :class:`NamedEnum`."""

    target_class = "anonauth.contrib.spectacular.fields.NamedEnum"

    def get_name(self) -> str:
        return str(self.target.component)

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.target.choices)}


class OrNull(serializers.Field[Any, Any, Any, Any]):
    """What another serializer describes, or null.

    drf-spectacular writes ``allOf`` beside ``nullable``, which OpenAPI 3.0 does not take for "or null".
    """

    def __init__(self, described: serializers.Serializer[Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.described = described


class OrNullExtension(OpenApiSerializerFieldExtension):
    """Writes an :class:`OrNull`."""

    target_class = "anonauth.contrib.spectacular.fields.OrNull"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:
        component = auto_schema.resolve_serializer(self.target.described, direction)
        return {"oneOf": [component.ref, {"enum": [None]}]}

"""Compares answers with the OpenAPI schema."""

# mypy: allow-untyped-calls
# Reason: the generator of drf-spectacular has no annotations.

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from django.urls import include, path
from drf_spectacular.generators import SchemaGenerator
from openapi_schema_validator import OAS30Validator, oas30_format_checker

METHODS = ("get", "post", "delete")


def make_schema() -> dict[str, Any]:
    """Return the schema of anonauth's endpoints alone."""
    patterns = [path("auth/", include("anonauth.urls"))]
    schema: dict[str, Any] = SchemaGenerator(patterns=patterns).get_schema(public=True)
    return schema


def operations(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (operationId, operation) of every endpoint."""
    for item in schema["paths"].values():
        for method in METHODS:
            if method in item:
                yield item[method]["operationId"], item[method]


def closed(part: Any) -> Any:
    """Return a schema in which no object may have a property that is not described."""
    part = copy.deepcopy(part)
    for component in part["components"]["schemas"].values():
        if "properties" in component:
            component.setdefault("additionalProperties", False)
    return part


def faults(schema: dict[str, Any], described: dict[str, Any], body: Any) -> list[str]:
    """Return what is wrong with a body, by the schema that an operation gives it."""
    whole = {**described, "components": closed(schema)["components"]}
    validator = OAS30Validator(whole, format_checker=oas30_format_checker)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(body)]


def check(schema: dict[str, Any], response: Any, *, status: int) -> Any:
    """Assert that a real answer has this status and is one that the schema describes."""
    method = response.request["REQUEST_METHOD"].lower()
    operation = schema["paths"][response.request["PATH_INFO"]][method]
    assert response.status_code == status, response.content
    described = operation["responses"][str(status)]
    for name in described.get("headers", {}):
        assert response.has_header(name)
    if "content" not in described:
        assert response.content == b""
        return None
    body = response.json()
    content = described["content"]["application/json"]
    assert faults(schema, content["schema"], body) == []
    if status >= 400:
        assert body["code"] in {shown["value"]["code"] for shown in content["examples"].values()}
    return body

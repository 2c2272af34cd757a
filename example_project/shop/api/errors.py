"""Errors of the API, all in anonauth's shape: ``{"code", "detail", "fields"?}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import status
from rest_framework.response import Response
from rest_framework.views import set_rollback

from anonauth.api import errors
from example_project.shop.exceptions import ShopError


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Answer a refusal of the shop with 409 and its code, and leave the others to anonauth's handler."""
    if isinstance(error, ShopError):
        set_rollback()
        body = {"code": error.code, "detail": str(error)}
        return Response(body, status=status.HTTP_409_CONFLICT)
    return errors.exception_handler(error, context)

"""Requests behind a gate: the type of their user is known."""

from __future__ import annotations

from django.http import HttpRequest
from rest_framework.request import Request

from example_project.accounts.models import User


class SignedInRequest(HttpRequest):
    """What a view gets behind ``permanent_required``, ``guest_required`` or ``login_required``."""

    user: User


class ApiRequest(Request):
    """What a view of the API gets behind ``IsAuthenticated`` or ``IsPermanentUser``."""

    user: User

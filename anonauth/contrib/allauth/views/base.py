"""What the endpoints that prove something have in common."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpRequest
from rest_framework.request import Request

from anonauth.adapter import get_adapter
from anonauth.api.permissions import IsGuest
from anonauth.api.throttles import check_rate_limits
from anonauth.api.views import AnonauthView


class GuestProofView(AnonauthView):
    """For guests alone: a permanent user is answered 403 ``not_anonymous``, a visitor 401."""

    permission_classes = (IsGuest,)


def limit(request: Request, *, group: str, rates: Sequence[str]) -> None:
    """Count this attempt of the client's network.

    Raises:
        RateLimited, RateLimitUnavailable
    """
    django_request: HttpRequest = request._request
    ip = get_adapter().client_ip(django_request)
    check_rate_limits(group=group, rates=rates, ip=ip)

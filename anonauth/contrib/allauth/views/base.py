"""What the endpoints that prove something have in common."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request

from anonauth.adapter import refuse_impersonation
from anonauth.api.permissions import IsGuest
from anonauth.api.views import AnonauthView


class GuestProofView(AnonauthView):
    """For guests alone: others are answered 401, 403 ``not_anonymous`` or, staff in their place, ``impersonated``."""

    permission_classes = (IsGuest,)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        refuse_impersonation(request._request)

"""The floor: the least that a REST framework view has to do to make a guest and give him tokens."""

from __future__ import annotations

import secrets
from typing import Any

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.tokens import RefreshToken

from benchmarks.project.models import User


class FloorView(APIView):
    """One INSERT of the same user model and the same two tokens with the same claims; no feature of anonauth."""

    authentication_classes: Any = ()
    permission_classes: Any = ()

    def post(self, request: Request) -> Response:
        now = timezone.now()
        name = f"guest-{secrets.token_hex(10)}"
        user = User(username=name, is_guest=True, guest_since=now, last_seen_at=now)
        user.set_unusable_password()
        user.save(force_insert=True)
        token = RefreshToken.for_user(user)
        token["is_anonymous"] = True
        token["sv"] = user.get_session_auth_hash()[:24]
        body = {
            "user": {"id": str(user.pk), "is_anonymous": True},
            "access": str(token.access_token),
            "refresh": str(token),
        }
        return Response(body, status=201)

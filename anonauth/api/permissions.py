"""What guests may do, as REST framework permissions; they compose with ``&``, ``|`` and ``~``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from anonauth.models import is_guest, is_permanent

if TYPE_CHECKING:
    from rest_framework.views import APIView


class IsPermanentUser(BasePermission):
    """Lets permanent users in; a guest is answered 403 ``permanent_user_required``, a visitor 401."""

    # REST framework's own handler shows a dict as the body, so the code arrives without any configuration.
    message: Any = {
        "code": "permanent_user_required",
        "detail": _("Create an account or sign in to do this."),
    }

    def has_permission(self, request: Request, view: APIView) -> bool:
        return is_permanent(request.user)

    def has_object_permission(self, request: Request, view: APIView, obj: Any) -> bool:
        return self.has_permission(
            request, view
        )  # REST framework's answer, True, would turn round under ~


class IsGuest(BasePermission):
    """Lets guests in; a permanent user is answered 403 ``not_anonymous``, a visitor 401."""

    message: Any = {"code": "not_anonymous", "detail": _("This is for anonymous users only.")}

    def has_permission(self, request: Request, view: APIView) -> bool:
        return is_guest(request.user)

    def has_object_permission(self, request: Request, view: APIView, obj: Any) -> bool:
        return self.has_permission(request, view)


class IsPermanentUserOrReadOnly(IsPermanentUser):
    """Lets everybody read and permanent users write."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.method in SAFE_METHODS or super().has_permission(request, view)

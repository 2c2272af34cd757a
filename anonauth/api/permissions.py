"""What guests may do, as REST framework permissions; they compose with ``&``, ``|`` and ``~``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.apps import apps
from django.utils.translation import gettext_lazy as _
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from anonauth.adapter import get_adapter
from anonauth.api.composition import Composable
from anonauth.exceptions import PermanentUserRequired, QuotaExceeded
from anonauth.models import is_guest, is_permanent
from anonauth.quotas import is_within_quota, quota_of

if TYPE_CHECKING:
    from rest_framework.views import APIView


def _no_guests() -> Any:
    # REST framework's own handler shows a dict as the body, so the code arrives without any configuration.
    refusal = PermanentUserRequired(get_adapter().upgrade_methods())
    return refusal.args[0]


def _guests_only() -> Any:
    return {"code": "not_anonymous", "detail": _("This is for anonymous users only.")}


class IsPermanentUser(BasePermission, metaclass=Composable):
    """Lets permanent users in; a guest is answered 403 ``permanent_user_required``, a visitor 401."""

    @property
    def message(self) -> Any:
        return _no_guests()

    @property
    def opposite_message(self) -> Any:
        return _guests_only()

    def has_permission(self, request: Request, view: APIView) -> bool:
        return is_permanent(request.user)

    def has_object_permission(self, request: Request, view: APIView, obj: Any) -> bool:
        # REST framework's answer, True, would turn round under ~
        return self.has_permission(request, view)


class IsGuest(BasePermission, metaclass=Composable):
    """Lets guests in; a permanent user is answered 403 ``not_anonymous``, a visitor 401."""

    @property
    def message(self) -> Any:
        return _guests_only()

    @property
    def opposite_message(self) -> Any:
        return _no_guests()

    def has_permission(self, request: Request, view: APIView) -> bool:
        return is_guest(request.user)

    def has_object_permission(self, request: Request, view: APIView, obj: Any) -> bool:
        return self.has_permission(request, view)


class IsPermanentUserOrReadOnly(IsPermanentUser):
    """Lets everybody read and permanent users write."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.method in SAFE_METHODS or super().has_permission(request, view)


class WithinGuestQuota(BasePermission, metaclass=Composable):
    """Refuses a guest's POST with 403 ``quota_exceeded`` if he owns all that guests may of the view's ``quota_model``.

    An early and friendly answer. Two requests at once pass it both: what holds the limit is
    :func:`anonauth.quotas.check_quota` where the row is made.
    """

    quota_model: ClassVar[str] = ""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if request.method != "POST":
            return True
        model = apps.get_model(getattr(view, "quota_model", "") or self.quota_model)
        if is_within_quota(request.user, model):
            return True
        self._limit = quota_of(model).limit
        return False

    @property
    def message(self) -> Any:
        return QuotaExceeded(self._limit, get_adapter().upgrade_methods()).args[0]

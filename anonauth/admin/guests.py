"""For the project's own admin of its user model: ``class UserAdmin(GuestAdminMixin, BaseUserAdmin)``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.utils import display_for_value, unquote
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from anonauth.admin.actions import purge_selected, upgrade_selected
from anonauth.admin.merge_action import merge_selected
from anonauth.exceptions import UserInactive
from anonauth.flows.vouch import METHOD, vouch

if TYPE_CHECKING:
    Base = admin.ModelAdmin[Any]
else:
    Base = admin.ModelAdmin

COLUMNS = ("is_guest", "guest_since", "last_seen_at", "purge_date")
FIELDS = ("is_guest", "guest_since", "last_seen_at", "purge_date", "upgraded_at")


class GuestAdminMixin(Base):
    """Shows who is a guest, since when and until when, and lets staff upgrade and purge guests."""

    change_list_template = "anonauth/admin/guest_list.html"

    @admin.display(description=_("purge after"), ordering="last_seen_at")
    def purge_date(self, user: Any) -> str:
        """Return the moment from which the guest may be purged, in words.

        A form shows what a method returns by ``str()``: in UTC, with microseconds.
        """
        return display_for_value(user.purge_at, "-")

    def get_list_display(self, request: HttpRequest) -> Any:
        return _with(super().get_list_display(request), COLUMNS)

    def get_list_filter(self, request: HttpRequest) -> Any:
        return _with(super().get_list_filter(request), ("is_guest",))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find users by their whole key as well: a guest has nothing else by which somebody could name him."""
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        with suppress(ValidationError, ValueError):
            key = self.model._meta.pk.to_python(search_term.strip() or None)
            if key is not None:
                found = queryset.filter(Q(pk=key) | Q(pk__in=found.order_by().values("pk")))
                may_repeat = False
        return found, may_repeat

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # SECURITY: one door. The flag is never a field of a form, whatever the project's class lists.
        return _with(super().get_readonly_fields(request, obj), FIELDS)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        listed = [str(name) for _title, options in fieldsets for name in options["fields"]]
        missing = [name for name in FIELDS if name not in listed]
        if obj is None or not missing:
            return fieldsets
        if self.fieldsets is None and self.fields is None:
            return fieldsets  # Django listed every field there is
        return [*fieldsets, (_("Guest"), {"fields": missing})]

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> dict[str, Any]:
        # Django 6.1 names the place, and has actions on the page of one object too; ours begin on the list.
        place = {} if action_location is None else {"action_location": action_location}
        actions: dict[str, Any] = super().get_actions(request, **place)
        elsewhere = getattr(action_location, "name", "CHANGE_LIST") != "CHANGE_LIST"
        # Popups have no actions; and each demands what the act amounts to.
        if elsewhere or "_popup" in request.GET:
            return actions
        if self.has_change_permission(request):
            actions |= _entry(upgrade_selected)
        if self.has_delete_permission(request):
            actions |= _entry(purge_selected)
        if self.has_change_permission(request) and self.has_delete_permission(request):
            actions |= _entry(merge_selected)
        return actions

    def user_change_password(
        self,
        request: HttpRequest,
        id: str,  # noqa: A002  Django's name
        form_url: str = "",
    ) -> HttpResponse:
        """Let Django's form set a password; a guest who has one now is permanent."""
        before = self._password(request, id)
        response: HttpResponse = super().user_change_password(  # type: ignore[misc]  # of UserAdmin
            request, id, form_url
        )
        user: Any = self.get_object(request, unquote(id))
        set_now = user is not None and user.password != before and user.has_usable_password()
        if set_now and user.is_guest:
            # The ban of a guest is not undone; check_anonymous tells of him.
            with suppress(UserInactive):
                vouch(user, kinds=["password"], method=METHOD)
        return response

    def _password(self, request: HttpRequest, key: str) -> str | None:
        user: Any = self.get_object(request, unquote(key))
        return None if user is None else str(user.password)


def _with(names: Any, more: tuple[str, ...]) -> list[Any]:
    return [*names, *(name for name in more if name not in names)]


def _entry(action: Callable[..., Any]) -> dict[str, Any]:
    name = action.__name__
    return {name: (action, name, action.short_description)}  # type: ignore[attr-defined]

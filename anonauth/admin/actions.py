"""What staff may do with guests: pages that ask first, and then call the flow."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from anonauth.adapter import purgeable
from anonauth.exceptions import AnonauthError, InvalidInput, NotAnonymous, ProtectedData
from anonauth.flows.purge import purge_guest
from anonauth.flows.vouch import vouch_for_address

#: The page shows every row that goes with these guests; for more there is ``purge_anonymous``.
MOST = 100


class AddressForm(forms.Form):
    """The address that staff vouches for."""

    email = forms.EmailField(label=_("E-mail address"), max_length=254)


@admin.action(description=_("Upgrade the selected guest …"))
def upgrade_selected(
    modeladmin: Any, request: HttpRequest, queryset: QuerySet[Any]
) -> HttpResponse | None:
    """Ask for an address, make it the guest's and the guest permanent."""
    guest = one_guest(modeladmin, request, queryset)
    if guest is None:
        return None
    if not modeladmin.has_change_permission(request, guest):
        raise PermissionDenied
    form = AddressForm(request.POST if "post" in request.POST else None)
    if form.is_valid():
        try:
            user = vouch_for_address(user_id=guest.pk, email=form.cleaned_data["email"])
        except InvalidInput as error:
            for fault in error.fields.get("email", []):
                form.add_error("email", fault["message"])
        except AnonauthError as error:
            modeladmin.message_user(request, str(error.message), messages.ERROR)
            return None
        else:
            modeladmin.log_change(request, user, [{"changed": {"fields": ["is_guest"]}}])
            message = gettext("%(user)s is a permanent user now.") % {"user": user}
            modeladmin.message_user(request, message, messages.SUCCESS)
            return None
    explanation = gettext(
        "The guest %(guest)s (%(key)s) becomes a permanent user with this address, "
        "as the same row with all that belongs to it."
    )
    context = {
        "title": gettext("Upgrade a guest"),
        "explanation": explanation % {"guest": guest, "key": guest.pk},
        "form": form,
    }
    return page(modeladmin, request, "upgrade", {**context, "queryset": [guest]})


def once_each(users: QuerySet[Any]) -> QuerySet[Any]:
    """Return the same users; in a project's list that joins, some may stand more than once."""
    manager: Any = users.model._base_manager
    found: QuerySet[Any] = manager.using(users.db).filter(pk__in=users.order_by().values("pk"))
    return found


def one_guest(modeladmin: Any, request: HttpRequest, queryset: QuerySet[Any]) -> Any | None:
    """Return the guest who alone was selected, or tell that there is not one."""
    selected = list(once_each(queryset)[:2])
    if len(selected) != 1 or not selected[0].is_guest:
        modeladmin.message_user(request, gettext("Select one guest."), messages.ERROR)
        return None
    return selected[0]


@admin.action(description=_("Purge the selected guests now …"))
def purge_selected(
    modeladmin: Any, request: HttpRequest, queryset: QuerySet[Any]
) -> HttpResponse | None:
    """Show all that goes with the guests, and then delete them."""
    queryset = once_each(queryset)
    guests = list(queryset.filter(is_guest=True)[: MOST + 1])
    if not guests or len(guests) > MOST:
        message = gettext("Select 1 to %(most)d guests; for more there is purge_anonymous.")
        modeladmin.message_user(request, message % {"most": MOST}, messages.ERROR)
        return None
    if not all(modeladmin.has_delete_permission(request, guest) for guest in guests):
        raise PermissionDenied
    rows = modeladmin.model._base_manager.filter(pk__in=[guest.pk for guest in guests])
    free = set(purgeable(rows).values_list("pk", flat=True))
    going = [guest for guest in guests if guest.pk in free]
    objects, numbers, lacking, protected = modeladmin.get_deleted_objects(going, request)
    if "post" in request.POST:
        if lacking:
            raise PermissionDenied
        _purge(modeladmin, request, going, spared=len(guests) - len(going))
        return None
    context = {
        "title": gettext("Purge guests"),
        "queryset": guests,
        "going": going,
        "held": [guest for guest in guests if guest.pk not in free],
        "others": _others(queryset.filter(is_guest=False).count()),
        "deletable_objects": objects,
        "model_count": dict(numbers).items(),
        "perms_lacking": lacking,
        "protected": protected,
    }
    return page(modeladmin, request, "purge", context)


def _others(number: int) -> str:
    if not number:
        return ""
    message = ngettext(
        "%(n)d selected user is no guest and stays.",
        "%(n)d selected users are no guests and stay.",
        number,
    )
    return message % {"n": number}


def _purge(modeladmin: Any, request: HttpRequest, guests: list[Any], *, spared: int) -> None:
    purged = []
    for guest in guests:
        try:
            if purge_guest(user_id=guest.pk):
                purged.append(guest)
        except (NotAnonymous, ProtectedData):
            # He was upgraded meanwhile, or has rows that must be kept.
            spared += 1
    if purged:
        modeladmin.log_deletions(request, purged)
        message = ngettext("%(n)d guest was purged.", "%(n)d guests were purged.", len(purged))
        modeladmin.message_user(request, message % {"n": len(purged)}, messages.SUCCESS)
    if spared:
        message = ngettext("%(n)d guest was spared.", "%(n)d guests were spared.", spared)
        modeladmin.message_user(request, message % {"n": spared}, messages.WARNING)


def page(
    modeladmin: Any, request: HttpRequest, action: str, context: dict[str, Any]
) -> HttpResponse:
    """Return the page that asks before an action is done."""
    request.current_app = modeladmin.admin_site.name
    shared = {
        **modeladmin.admin_site.each_context(request),
        "subtitle": None,
        "opts": modeladmin.model._meta,
        "media": modeladmin.media,
        "action": f"{action}_selected",
        "action_checkbox_name": helpers.ACTION_CHECKBOX_NAME,
    }
    return TemplateResponse(request, f"anonauth/admin/{action}.html", {**shared, **context})

"""Staff merges a guest into an account, after having seen what would move."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from anonauth.admin.actions import once_each, one_guest, page
from anonauth.exceptions import AnonauthError
from anonauth.flows.merge import merge, preview_merge
from anonauth.flows.vouch import METHOD


class AccountForm(forms.Form):
    """The account into which a guest is merged, by its key, its name or its address.

    Args:
        data: what was sent.
        named: returns the accounts that a text names; two at most.
    """

    account = forms.CharField(label=_("Account"), max_length=320)

    def __init__(self, data: QueryDict | None, *, named: Callable[[str], list[Any]]) -> None:
        super().__init__(data)
        self._named = named

    def clean_account(self) -> Any:
        """Return the one permanent user whom this names."""
        found = self._named(self.cleaned_data["account"])
        if len(found) != 1:
            raise forms.ValidationError(
                gettext("More than one account has this; type its id.")
                if found
                else gettext("There is no such account.")
            )
        return found[0]


def accounts_named(text: str, users: QuerySet[Any]) -> list[Any]:
    """Return those of some users who are permanent and have this key, name or address; two at most."""
    model: Any = get_user_model()
    wanted = Q(**{model.USERNAME_FIELD: text})
    if email := next(
        (f.name for f in model._meta.concrete_fields if f.name == model.get_email_field_name()),
        None,
    ):
        wanted |= Q(**{f"{email}__iexact": text})
    accounts = once_each(users).filter(is_guest=False)
    with suppress(ValidationError, ValueError, OverflowError):
        # A key is one account's, whoever else is called like that.
        if found := list(accounts.filter(pk=model._meta.pk.to_python(text))):
            return found
    return list(accounts.filter(wanted)[:2])


@admin.action(description=_("Merge the selected guest into …"))
def merge_selected(
    modeladmin: Any, request: HttpRequest, queryset: QuerySet[Any]
) -> HttpResponse | None:
    """Ask for an account, show what would move, and merge the guest into it."""
    guest = one_guest(modeladmin, request, queryset)
    if guest is None:
        return None
    if not modeladmin.has_delete_permission(request, guest):
        raise PermissionDenied
    users = modeladmin.admin_site._registry.get(get_user_model(), modeladmin)

    def named(text: str) -> list[Any]:
        # Whom this member of the staff cannot change in the list of users does not exist for it: it may not know.
        accounts = accounts_named(text, users.get_queryset(request))
        return [one for one in accounts if users.has_change_permission(request, one)]

    form = AccountForm(request.POST if "account" in request.POST else None, named=named)
    report = account = None
    if form.is_valid():
        account = form.cleaned_data["account"]
        try:
            report = preview_merge(guest=guest, into=account)
            # Only what was shown: the account can be typed anew on the page that asks.
            if report.can_merge and request.POST.get("previewed") == str(account.pk):
                merge(guest=guest, into=account, method=METHOD, actor=request.user)
                _tell_merged(modeladmin, request, guest, account)
                return None
        except AnonauthError as error:
            modeladmin.message_user(request, str(error.message), messages.ERROR)
            return None
    explanation = gettext(
        "What the guest %(guest)s (%(key)s) has becomes the account’s, and the guest’s row is deleted. "
        "Nobody can undo it."
    )
    context = {
        "title": gettext("Merge a guest into an account"),
        "explanation": explanation % {"guest": guest, "key": guest.pk},
        "form": form,
    }
    return page(
        modeladmin,
        request,
        "merge",
        context | {"report": report, "account": account, "queryset": [guest]},
    )


def _tell_merged(modeladmin: Any, request: HttpRequest, guest: Any, account: Any) -> None:
    modeladmin.log_deletions(request, [guest])
    modeladmin.log_change(request, account, f"Merged guest {guest.pk} into it.")
    message = gettext("The guest was merged into %(account)s.") % {"account": account}
    modeladmin.message_user(request, message, messages.SUCCESS)

"""The page that asks a guest, who has logged in to an account, whether his things shall come along."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from allauth.account.adapter import get_adapter as get_account_adapter
from allauth.account.utils import user_display
from django import forms
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.cache import patch_cache_control
from django.utils.decorators import method_decorator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views import View
from django.views.decorators.clickjacking import xframe_options_deny
from django.views.decorators.csrf import csrf_protect

from anonauth.adapter import get_adapter, refuse_impersonation
from anonauth.api.errors import status_of
from anonauth.contrib.allauth.flows import merge_offer
from anonauth.contrib.allauth.pages import refused
from anonauth.credentials import SessionCredentials
from anonauth.exceptions import AnonauthError
from anonauth.flows.merge import merge, preview_merge
from anonauth.merging.report import MergeReport, RelationReport
from anonauth.models import is_permanent
from anonauth.offers import forget, waiting_guest
from anonauth.refusals import refuse

COUNTED = ("label", "anonymous", "existing")
LABELS = {
    "combine": _("Both together"),
    "keep_anonymous": _("Only what I have here"),
    "keep_existing": _("Only what is in the account"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A relation on the page, and the field of its choices, or None; templates unpack it as a pair."""

    relation: RelationReport
    field: forms.BoundField | None

    def __iter__(self) -> Iterator[RelationReport | forms.BoundField | None]:
        yield from (self.relation, self.field)

    def __len__(self) -> int:
        return 2

    @property
    def sentence(self) -> str:
        """How many rows each side has."""
        sentence = gettext("%(label)s: %(anonymous)s here, %(existing)s in the account")
        return sentence % {name: getattr(self.relation, name) for name in COUNTED}


class ChoicesForm(forms.Form):
    """What the person may decide about each relation of a report."""

    def __init__(self, report: MergeReport, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for relation in report.relations:
            if relation.choices:
                self.fields[relation.name] = forms.ChoiceField(
                    label=relation.label,
                    choices=[(choice, LABELS[choice]) for choice in relation.choices],
                    initial=relation.rule,
                    required=False,
                    widget=forms.RadioSelect,
                )

    @property
    def choices(self) -> dict[str, str]:
        """What was chosen, by the name of the relation; nothing where nothing was."""
        return {name: choice for name, choice in self.cleaned_data.items() if choice}

    def rows(self, report: MergeReport) -> Iterator[Row]:
        """Yield each relation in which something would move, and its field where both sides have rows."""
        for relation in report.relations:
            if relation.rule != "leave":
                asks = relation.existing and relation.name in self.fields
                yield Row(relation, self[relation.name] if asks else None)


def signed_in(account: str, email: str | None) -> str:
    """Return the sentence that says whom the browser is signed in as."""
    if not email:
        return gettext("You are signed in to the account %(account)s.") % {"account": account}
    sentence = gettext("You are signed in to the account %(account)s (%(email)s).")
    return sentence % {"account": account, "email": email}


# SECURITY: the click is what hands the data over. Not from a form elsewhere, not through a frame; also where the
# project's middleware does not see to it.
@method_decorator([csrf_protect, xframe_options_deny], name="dispatch")
class MergeOfferView(View):
    """``merge/offer/``, for a browser with the session of an account."""

    http_method_names = ["get", "head", "post"]
    anonauth_guests_allowed = "anonauth's own endpoint"  # for the access audit

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        answer: HttpResponse = self._dispatch(request, *args, **kwargs)
        patch_cache_control(answer, private=True, no_store=True)
        return answer

    def _dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if not is_permanent(request.user):
            return redirect_to_login(request.get_full_path())
        self.guest = waiting_guest(request.session, account=request.user)
        if self.guest is None:
            return HttpResponseRedirect(self.next_url)
        try:
            return super().dispatch(request, *args, **kwargs)
        except AnonauthError as error:  # he was upgraded, purged or merged in this very moment
            return refused(request, error)

    @property
    def next_url(self) -> str:
        """Where the login would have led to."""
        wanted = self.request.POST.get("next") or self.request.GET.get("next")
        adapter = get_account_adapter(self.request)
        # SECURITY: open redirect. Not django.shortcuts.redirect() either, which takes "foo" for the name of a view.
        with suppress(ValueError):  # "http://["
            if wanted and adapter.is_safe_url(wanted):
                return wanted
        url: str = adapter.get_login_redirect_url(self.request)
        return url

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the account, and what would become its."""
        return self.page()

    def post(self, request: HttpRequest) -> HttpResponse:
        """Merge, or leave the guest behind."""
        # SECURITY: what was shown is what counts, not an account to which another tab has logged in since.
        if request.POST.get("account") != str(request.user.pk):
            return self.page()
        match request.POST.get("action"):
            case "merge":
                return self.take_along()
            case "decline":
                forget(request.session)
                merge_offer.tell(request, "left_behind", guest=self.guest)
                return HttpResponseRedirect(self.next_url)
            case "return":
                return self.go_back()
        return self.page()

    def take_along(self) -> HttpResponse:
        """Merge with what was chosen; where that cannot be, say why and ask again."""
        request = self.request
        report = preview_merge(guest=self.guest, into=request.user)
        form = ChoicesForm(report, request.POST)
        if not form.is_valid():
            return self.page(form)
        try:
            refuse_impersonation(request)
            report = merge(
                guest=self.guest,
                into=request.user,
                choices=form.choices,
                method=merge_offer.METHOD,
            )
        except AnonauthError as error:
            return self.page(form, error)
        merge_offer.tell(request, "merged", report=report)
        return HttpResponseRedirect(self.next_url)

    def go_back(self) -> HttpResponse:
        """Leave the account and let the guest go on, e.g. where a link has logged him in to a stranger's."""
        get_account_adapter(self.request).logout(self.request)
        SessionCredentials().issue(self.request, self.guest)
        merge_offer.tell(self.request, "went_back", guest=self.guest)
        return HttpResponseRedirect(self.next_url)

    def page(
        self, form: ChoicesForm | None = None, error: AnonauthError | None = None
    ) -> HttpResponse:
        """Ask, perhaps again; what was chosen in the form stays chosen."""
        if error is not None:
            refuse(error.code, self.request)
        report = preview_merge(guest=self.guest, into=self.request.user)
        form = ChoicesForm(report) if form is None else form
        account = user_display(self.request.user)
        email = get_adapter().email_of(self.request.user)
        context = {
            "account": account,
            "email": email,
            "signed_in": signed_in(account, email),
            "error": None if error is None else error.message,
            "form": form,
            "report": report,
            "rows": list(form.rows(report)),
            "next_url": self.next_url,
        }
        status = 200 if error is None else status_of(error)
        return render(self.request, "anonauth/merge.html", context, status=status)

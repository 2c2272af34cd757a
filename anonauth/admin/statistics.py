"""The page of statistics: charts drawn by the server, and every number of them in a table."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from anonauth.admin.charts import Chart, chart, share
from anonauth.admin.records import ReadOnlyAdmin
from anonauth.models import DailyTally
from anonauth.stats import Statistics, statistics

RANGES = (7, 30, 90)
DEFAULT = 30
MOST_REFUSALS = 10

#: How a way to upgrade is called, and its color on every chart; others share the last one.
METHODS = {
    "email": (_("E-mail"), "s1"),
    "social": (_("Social account"), "s2"),
    "phone": (_("Phone"), "s3"),
    "passkey": (_("Passkey"), "s4"),
    "password": (_("Password"), "s5"),
    "admin": (_("By staff"), "s6"),
}


@admin.register(DailyTally)
class StatisticsAdmin(ReadOnlyAdmin):
    """Shows the statistics in the place of a list of tallies; the permission to view tallies is needed."""

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        days = _range(request.GET.get("days", ""))
        found = statistics(days=days, now=timezone.now())
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Statistics of anonymous users"),
            "subtitle": None,
            "opts": self.opts,
            "ranges": [
                (number, gettext("%(n)d days") % {"n": number}, number == days) for number in RANGES
            ],
            **facts(found),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "anonauth/admin/statistics.html", context)


def facts(found: Statistics) -> dict[str, Any]:
    """Return what the page shows of the numbers."""
    most = max((cohort.rate or 0 for cohort in found.cohorts), default=0)
    refusals = list(found.refusals.items())
    return {
        "found": found,
        "median": _in_words(found.median_time_to_upgrade),
        "upgraded_total": found.upgraded.total(),
        "charts": charts(found),
        "days": [(day, sum(day.upgraded.values())) for day in reversed(found.days)],
        "cohorts": [
            (cohort, _percent(cohort.rate), share(cohort.rate or 0, most))
            for cohort in reversed(found.cohorts)
        ],
        "refusals": [
            (code, number, share(number, refusals[0][1]))
            for code, number in refusals[:MOST_REFUSALS]
        ],
    }


def charts(found: Statistics) -> list[Chart]:
    """Return the charts in their order."""
    days = [day.day for day in found.days]
    by_method: dict[str, tuple[str, list[int]]] = {}
    methods = [*METHODS, *sorted(set(found.upgraded) - set(METHODS))]
    for method in methods:
        numbers = [day.upgraded.get(method, 0) for day in found.days]
        name, css = METHODS.get(method, (method, "s7"))
        if any(numbers):
            by_method[str(name)] = (css, numbers)
    created = [day.created for day in found.days]
    left = {
        gettext("Merged"): ("s2", [day.merged for day in found.days]),
        gettext("Purged"): ("s7", [day.purged for day in found.days]),
    }
    guests = [day.guests for day in found.days]
    seen = [day.last_seen for day in found.days]
    return [
        chart(gettext("Guests created"), days, {gettext("Created"): ("s1", created)}),
        chart(gettext("Upgraded, by method"), days, by_method),
        chart(gettext("Merged and purged"), days, left),
        chart(
            gettext("Guests at the end of the day"),
            days,
            {gettext("Guests"): ("s1", guests)},
            line=True,
        ),
        chart(
            gettext("Active: the day of the last visit"),
            days,
            {gettext("Last visit"): ("s3", seen)},
            note=gettext("Of the guests there are now; whoever comes back moves to today."),
        ),
    ]


def _range(text: str) -> int:
    return int(text) if text in {str(number) for number in RANGES} else DEFAULT


def _in_words(time: timedelta | None) -> str:
    """Return a length of time in the largest unit of which there is more than one: ``3 days``."""
    if time is None:
        return ""
    seconds = time.total_seconds()
    if seconds < 120:
        return ngettext("%(n)d second", "%(n)d seconds", round(seconds)) % {"n": round(seconds)}
    if seconds < 7200:
        return gettext("%(n)d minutes") % {"n": round(seconds / 60)}
    if seconds < 172800:
        return gettext("%(n)d hours") % {"n": round(seconds / 3600)}
    return gettext("%(n)d days") % {"n": round(seconds / 86400)}


def _percent(rate: float | None) -> str:
    return "–" if rate is None else f"{rate:.1%}"

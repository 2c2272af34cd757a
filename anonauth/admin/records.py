"""What anonauth keeps in tables of its own, to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy as _

from anonauth.merging.report import MergeReport
from anonauth.models import MergeRecord, PendingUpgrade

if TYPE_CHECKING:
    Base = admin.ModelAdmin[Any]
else:
    Base = admin.ModelAdmin


class ReadOnlyAdmin(Base):
    """A list to look at: flows write it."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(PendingUpgrade)
class PendingUpgradeAdmin(ReadOnlyAdmin):
    """Who waits for a code. Neither its hash nor that of a password is shown, and of the address only its ends.

    Nobody has proved the address: it may be anybody's, typed by anybody. Whoever knows it can search for it.
    """

    list_display = ("user", "method", "masked_target", "attempts", "sent_at", "expires_at")
    list_filter = ("method",)
    list_select_related = ("user",)
    search_fields = ("=target",)
    search_help_text = _("The whole address or number")
    fields = (*list_display, "created_at")
    ordering = ("-sent_at",)

    @admin.display(description=_("address"))
    def masked_target(self, pending: PendingUpgrade) -> str:
        """Return the address with its middle left out."""
        return mask(pending.target)


@admin.register(MergeRecord)
class MergeRecordAdmin(ReadOnlyAdmin):
    """Who was merged into which account, when and by whom, and in numbers what became of his rows."""

    list_display = ("guest_id", "account", "method", "actor", "merged_at")
    list_filter = ("method",)
    list_select_related = ("account", "actor")
    search_fields = ("=guest_id",)
    search_help_text = _("The id that the guest had")
    date_hierarchy = "merged_at"
    fields = (*list_display, "report_in_short")
    ordering = ("-merged_at",)

    @admin.display(description=_("relations"))
    def report_in_short(self, record: MergeRecord) -> str:
        """Return a line for each relation: how many rows the guest had, and how many moved."""
        rows = MergeReport.from_dict(record.report).relations
        return format_html_join(
            mark_safe("<br>"),
            "{}: {} → {}",
            ((row.label, row.anonymous, row.moved) for row in rows),
        )


def mask(target: str) -> str:
    """Return an address or number of which only who knows it can tell that it is that one: ``a…@e….org``."""
    name, at, domain = target.partition("@")
    if not at:
        return f"…{target[-2:]}"
    host, dot, top = domain.rpartition(".")
    return f"{name[:1]}…@{host[:1]}…{dot}{top}"

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin

from anonauth.admin import GuestAdminMixin
from example_project.accounts.models import User


@admin.register(User)
class ShopUserAdmin(GuestAdminMixin, UserAdmin):
    list_display = ("__str__", "email", "is_guest", "last_seen_at", "date_joined", "is_staff")
    list_filter = ("is_guest", "is_staff", "is_active")
    search_fields = ("email", "first_name", "last_name", "username")
    ordering = ("-date_joined",)
    date_hierarchy = "date_joined"

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin

from anonauth.admin import GuestAdminMixin
from tests.testapp.models import Note, Receipt, User


@admin.register(User)
class UserAdmin(GuestAdminMixin, BaseUserAdmin):  # type: ignore[type-arg]  # it takes none at run time
    """What a project writes."""


admin.site.register(Note)
admin.site.register(Receipt)

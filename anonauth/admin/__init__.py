"""Django's admin: guests among the users, what is pending, and the statistics."""

from anonauth.admin import records, statistics  # noqa: F401  they register
from anonauth.admin.guests import GuestAdminMixin

__all__ = ["GuestAdminMixin"]

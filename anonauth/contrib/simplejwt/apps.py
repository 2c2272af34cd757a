from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SimpleJWTConfig(AppConfig):
    name = "anonauth.contrib.simplejwt"
    label = "anonauth_simplejwt"
    verbose_name = _("Anonymous users: JSON web tokens")

    def ready(self) -> None:
        from anonauth.contrib.simplejwt import checks  # noqa: F401  registers the system checks

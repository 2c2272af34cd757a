from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SimpleJWTConfig(AppConfig):
    name = "anonauth.contrib.simplejwt"
    label = "anonauth_simplejwt"
    verbose_name = _("Anonymous users: JSON web tokens")

    def ready(self) -> None:
        from anonauth import registry
        from anonauth.contrib.simplejwt import checks, credentials  # noqa: F401  checks registers the system checks

        if credentials.expired_tokens not in registry.expired_rows:
            registry.expired_rows.append(credentials.expired_tokens)

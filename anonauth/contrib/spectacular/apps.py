from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SpectacularConfig(AppConfig):
    name = "anonauth.contrib.spectacular"
    label = "anonauth_spectacular"
    verbose_name = _("Anonymous users: OpenAPI")

    def ready(self) -> None:
        # Defining an extension registers it.
        from anonauth.contrib.spectacular import (  # noqa: F401
            authentication,
            merges,
            social,
            upgrades,
            views,
        )

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AllauthConfig(AppConfig):
    name = "anonauth.contrib.allauth"
    label = "anonauth_allauth"
    verbose_name = _("Anonymous users: allauth")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from anonauth import registry
        from anonauth.contrib.allauth import identities

        registry.identity_sources.append(identities.identities)
        registry.upgrade_method_sources.append(identities.upgrade_methods)

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AnonauthConfig(AppConfig):
    name = "anonauth"
    label = "anonauth"
    verbose_name = _("Anonymous users")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.core.signals import request_finished
        from django.utils.module_loading import autodiscover_modules

        # They register the system checks, and need the app registry.
        from anonauth import checks, merge_checks  # noqa: F401
        from anonauth.refusals import on_request_finished

        autodiscover_modules("anonauth_rules")
        request_finished.connect(on_request_finished, dispatch_uid="anonauth.refusals")

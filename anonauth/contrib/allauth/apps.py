from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AllauthConfig(AppConfig):
    name = "anonauth.contrib.allauth"
    label = "anonauth_allauth"
    verbose_name = _("Anonymous users: allauth")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from anonauth import registry
        from anonauth.contrib.allauth import access, checks, identities  # noqa: F401

        # Django calls this again when INSTALLED_APPS is overridden in a test.
        if identities.identities not in registry.identity_sources:
            registry.identity_sources.append(identities.identities)
            registry.upgrade_method_sources.append(identities.upgrade_methods)
            registry.access_libraries.append(access.Allauth())
        identities.watch_providers()
        self.listen()

    def listen(self) -> None:
        """Connect the receivers to the signals of allauth's installed apps."""
        from allauth import app_settings
        from allauth.account import signals

        from anonauth.contrib.allauth import receivers

        signals.email_confirmed.connect(receivers.on_email_confirmed)
        signals.password_set.connect(receivers.on_password_set)
        if app_settings.SOCIALACCOUNT_ENABLED:
            from allauth.socialaccount.signals import social_account_added

            social_account_added.connect(receivers.on_social_account_added)
        if app_settings.MFA_ENABLED:
            from allauth.mfa.signals import authenticator_added

            authenticator_added.connect(receivers.on_authenticator_added)

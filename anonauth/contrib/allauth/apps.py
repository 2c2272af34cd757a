from django.apps import AppConfig, apps
from django.db.models.signals import post_save
from django.utils.translation import gettext_lazy as _


class AllauthConfig(AppConfig):
    name = "anonauth.contrib.allauth"
    label = "anonauth_allauth"
    verbose_name = _("Anonymous users: allauth")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from anonauth import registry
        from anonauth.contrib.allauth import (
            access,
            checks,  # noqa: F401
            door,
            identities,
            proofs,
            purging,
        )

        # Django calls this again when INSTALLED_APPS is overridden in a test.
        if identities.identities not in registry.identity_sources:
            registry.identity_sources.append(identities.identities)
            registry.upgrade_method_sources.append(identities.upgrade_methods)
            registry.session_listeners.append(door.list_session)
            registry.expired_rows += [purging.expired_tickets, purging.expired_seen_tokens]
            registry.purge_holds.append(purging.live_tickets)
            registry.purge_preparations.append(purging.end_sessions)
            registry.proof_sources.append(proofs.proofs)
            registry.void_password_sources.append(proofs.void_passwords)
            registry.address_writers.append(proofs.write_address)
            registry.vouched_hooks.append(proofs.on_vouched)
            registry.access_libraries.append(access.Allauth())
        self.vouch()
        identities.watch_providers()
        self.listen()

    def vouch(self) -> None:
        """Say which of the proofs behind merge tickets are logins to allauth."""
        from anonauth import registry
        from anonauth.contrib.allauth.flows import email, phone, ticket_login

        registry.ticket_logins[email.METHOD] = ticket_login.by_email
        registry.ticket_logins[phone.METHOD] = ticket_login.by_phone
        registry.ticket_logins["social"] = ticket_login.by_social_account

    def listen(self) -> None:
        """Connect the receivers to the signals of allauth's installed apps."""
        from allauth import app_settings
        from allauth.account import signals

        from anonauth.contrib.allauth import receivers

        signals.email_confirmed.connect(receivers.on_email_confirmed)
        signals.password_set.connect(receivers.on_password_set)
        if apps.is_installed("django.contrib.admin"):
            from anonauth.contrib.allauth.staff import on_admin_log

            post_save.connect(on_admin_log, sender="admin.LogEntry", dispatch_uid="anonauth.staff")
        if app_settings.SOCIALACCOUNT_ENABLED:
            from allauth.socialaccount.signals import social_account_added

            social_account_added.connect(receivers.on_social_account_added)
        if app_settings.MFA_ENABLED:
            from allauth.mfa.signals import authenticator_added

            authenticator_added.connect(receivers.on_authenticator_added)

from django.apps import AppConfig
from django.db.backends.signals import connection_created
from django.utils.translation import gettext_lazy as _


class PostgresConfig(AppConfig):
    name = "anonauth.contrib.postgres"
    label = "anonauth_postgres"
    verbose_name = _("Anonymous users: PostgreSQL")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from anonauth import registry
        from anonauth.contrib.postgres import checks, identity, table_audit, transport  # noqa: F401

        connection_created.connect(transport.on_connection_created, dispatch_uid=self.name)
        transport.install_on_open_connections()
        # Django calls this again when INSTALLED_APPS is overridden in a test.
        if identity.as_service not in registry.service_contexts:
            registry.service_contexts.append(identity.as_service)
            registry.statement_cleaners.append(transport.without_claims)
            registry.table_audits.append(table_audit.audit_tables)

from __future__ import annotations

import socket
from argparse import ArgumentParser
from contextlib import closing
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from anonauth.management.database import told_in_one_line
from example_project.shop import demo_data

PORTS_TO_TRY = 20
LAST_PORT = 65535


class Command(BaseCommand):
    help = "Starts the shop with demo data: migrates, loads products and accounts, runs the server."
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="Default: %(default)s.")
        parser.add_argument(
            "--no-serve", action="store_true", help="Prepare the database and leave."
        )

    def handle(self, *args: Any, port: int, no_serve: bool, **options: Any) -> None:
        if not 1 <= port <= LAST_PORT - PORTS_TO_TRY:
            raise CommandError(f"Choose a port from 1 to {LAST_PORT - PORTS_TO_TRY}.")
        if not settings.DEBUG:
            # SECURITY: the demo's passwords are printed in its source.
            raise CommandError("The demo is for development; it does not run with DEBUG off.")
        with told_in_one_line():
            call_command("migrate", interactive=False, verbosity=0)
            demo_data.load()
        free = port if no_serve else self._free_port(port)
        self._greet(f"http://localhost:{free}/")
        if not no_serve:
            call_command("runserver", f"127.0.0.1:{free}", use_reloader=False, skip_checks=False)

    def _free_port(self, wanted: int) -> int:
        for port in range(wanted, wanted + PORTS_TO_TRY):
            if is_free(port):
                if port != wanted:
                    self.stdout.write(
                        self.style.WARNING(
                            f"Port {wanted} is in use; the shop takes {port} instead."
                        )
                    )
                return port
        raise CommandError(f"The ports {wanted} to {port} are all in use; choose one with --port.")

    def _greet(self, url: str) -> None:
        bold = self.style.MIGRATE_HEADING
        self.stdout.write(
            f"""
  {bold("Saltbox, the example shop of anonauth")}

  Open      {bold(url)}
            put something into the cart: that makes you a guest

  Customer  {demo_data.CUSTOMER}   password  {demo_data.PASSWORD}
  Staff     {demo_data.STAFF}      password  {demo_data.PASSWORD}   {url}admin/

  API       {url}api/docs/
  Mail      {url}mail/
"""
        )


def is_free(port: int) -> bool:
    """Tell whether nobody listens on a port of this machine, on IPv4 or IPv6."""
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
                probe.settimeout(0.5)
                if probe.connect_ex((host, port)) == 0:
                    return False
        except OSError:  # no IPv6 here
            continue
    return True

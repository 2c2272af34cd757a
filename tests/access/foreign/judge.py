"""Print the verdicts of the audit on the labelled pairs of one project, as JSON.

Run by ``measure``; FOREIGN_PROJECT names the project.
"""

from __future__ import annotations

import json
import sys

import django
from django.core.management import call_command

from tests.access.foreign.projects import chosen


def main() -> None:
    """Make the project's tables where they are missing, run the audit, print."""
    django.setup()
    from anonauth.access.kinds import kind_of
    from anonauth.access.report import audit
    from anonauth.access.routes import routes

    call_command("migrate", run_syncdb=True, verbosity=0, interactive=False)
    handlers = {
        (route.pattern, route.view, method): kind_of(route.callback).handlers.get(method, "")
        for route in routes()
        for method in kind_of(route.callback).methods
    }
    found = {
        f"{f.url} {f.view}:{handlers[f.url, f.view, f.method]} {f.method}": [f.verdict, f.reason]
        for f in audit()
    }
    json.dump({"project": chosen(), "verdicts": found}, sys.stdout)


if __name__ == "__main__":
    main()

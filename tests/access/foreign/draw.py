"""Draw a sample of views and methods, without asking for any verdict.

``FOREIGN_PROJECT=wiki DJANGO_SETTINGS_MODULE=tests.access.foreign.settings python -m tests.access.foreign.draw 10``
prints rows for ``labels.csv``, the labels empty.
"""

from __future__ import annotations

import csv
import random
import sys

import django

from tests.access.foreign.projects import PROJECTS, chosen

SEED = 6986241


def main(number: int) -> None:
    """Print the sample of one project."""
    django.setup()
    writer = csv.writer(sys.stdout, lineterminator="\n")
    for url, view, method in sample(number):
        writer.writerow((chosen(), url, view, method, "", ""))


def sample(number: int) -> list[tuple[str, str, str]]:
    """Return pairs of the package's own views and methods; a view with several URLs counts once."""
    from anonauth.access.kinds import kind_of
    from anonauth.access.routes import routes

    prefixes = tuple(f"{module}." for module in PROJECTS[chosen()].modules)
    pairs: dict[tuple[str, str], str] = {}
    for route in routes():
        kind = kind_of(route.callback)
        if not route.view.startswith(prefixes):
            continue
        for method in kind.methods if kind.handlers else ("GET", "POST"):
            # A view set has one name and a handler for each action.
            handler = f"{route.view}:{kind.handlers.get(method, '')}"
            pairs.setdefault((handler, method), route.pattern)
    population = sorted((url, handler, method) for (handler, method), url in pairs.items())
    drawn = random.Random(f"{SEED}-{chosen()}").sample(population, min(number, len(population)))
    return sorted(drawn)


if __name__ == "__main__":
    main(int(sys.argv[1]))

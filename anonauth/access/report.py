"""The audit: a finding for each URL and method of the project."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.conf import settings as django_settings

from anonauth.access.allowed import Allowed
from anonauth.access.body import Opaque, Place
from anonauth.access.handler import ProbeHandler
from anonauth.access.kinds import Kind, guards_of, kind_of
from anonauth.access.mark import marked
from anonauth.access.notes import telling_names
from anonauth.access.people import people, request_of
from anonauth.access.routes import Route, routes
from anonauth.access.seal import sealed, swapped
from anonauth.access.verdicts import PEOPLE, Outcome, Seen, Verdict, judge
from anonauth.registry import access_libraries


@dataclass(frozen=True, slots=True)
class Finding:
    """Who reached one view with one method in the probe, and how one can tell."""

    url: str
    name: str
    view: str
    method: str
    verdict: Verdict
    reason: str
    body: tuple[str, ...] = ()
    allowed: str | None = None
    outcomes: dict[str, str] = field(default_factory=dict)

    @property
    def is_open_question(self) -> bool:
        """Whether a guest got in, a visitor did not, and nobody said that this is meant so."""
        return self.verdict is Verdict.GUEST and self.allowed is None


def audit(
    *,
    urlconf: str | None = None,
    allowed: Sequence[Allowed] = (),
    database: bool = True,
) -> list[Finding]:
    """Run the guards of every view for a visitor, a guest, a permanent user and a superuser; no view is run.

    Nothing is written, sent or started, and the same project gives the same findings each time.

    Args:
        urlconf: dotted path; default: ROOT_URLCONF.
        allowed: what guests are meant to reach.
        database: whether guards may read from the databases. Without it one that does is ``unknown``.

    Raises:
        ImproperlyConfigured: the user model knows no guests.
    """
    root = urlconf or django_settings.ROOT_URLCONF
    known, found = people(), routes(root)
    handler = ProbeHandler()  # imports the middleware, as every start of the project does
    with swapped(django_settings, "ROOT_URLCONF", root), sealed(database=database) as undone:
        probe = _Probe(handler, known, undone)
        findings = [finding for route in found for finding in probe.findings(route)]
    return [replace(f, allowed=_reason(allowed, f)) for f in findings]


def _reason(allowed: Sequence[Allowed], finding: Finding) -> str | None:
    """Return why guests are meant to get in: what the view says, then the list, then the view's library."""
    if finding.allowed is not None:
        return finding.allowed
    listed = next((entry.reason for entry in allowed if entry.matches(finding)), None)
    if listed is not None:
        return listed
    reasons = (library.allowed(finding.view) for library in access_libraries)
    return next((reason for reason in reasons if reason is not None), None)


class _Probe:
    """One run over all routes."""

    def __init__(self, handler: ProbeHandler, people: dict[str, Any], undone: Any) -> None:
        self.handler, self.people, self.undone = handler, people, undone

    def findings(self, route: Route) -> Iterator[Finding]:
        kind, place = kind_of(route.callback), Place()
        try:
            with guards_of(route.callback, kind, place) as view:
                found = self.tried(route, kind, view, place)
        except Opaque as wrapper:
            why = Outcome(Seen.UNCLEAR, f"cannot look inside of {wrapper}")
            methods = kind.methods if kind.handlers else ("GET", "POST")
            found = {method: dict.fromkeys(PEOPLE, why) for method in methods}
        judged = {m: v for m, o in found.items() if (v := judge(o)) is not None}
        for method, (verdict, reason) in judged.items():
            yield Finding(
                url=route.pattern,
                name=route.name,
                view=route.view,
                method=method,
                verdict=verdict,
                reason=reason,
                body=_body(kind, place, method),
                allowed=marked(route.callback, method, kind.view_class),
                outcomes={who: str(o.seen) for who, o in found[method].items()},
            )

    def tried(
        self, route: Route, kind: Kind, view: Any, place: Place
    ) -> dict[str, dict[str, Outcome]]:
        """Return the outcomes by method. A function may answer any: where it takes a PUT as it takes a POST, no more
        of them are tried, or shown.
        """
        found: dict[str, dict[str, Outcome]] = {}
        for method in kind.methods:
            found[method] = self.outcomes(route, view, place, method)
            if not kind.handlers and method == "PUT" and _alike(found["PUT"], found["POST"]):
                del found["PUT"]
                break
        return found

    def outcomes(self, route: Route, view: Any, place: Place, method: str) -> dict[str, Outcome]:
        """Send the people in their order until one gets in: who may do more would get in as well."""
        found: dict[str, Outcome] = {}
        for who, user in self.people.items():
            request = request_of(user, method, route.path)
            found[who] = self.handler.outcome(request, view, route, place, self.undone)
            if found[who].seen is Seen.REACHED:
                break
        return found


def _alike(one: dict[str, Outcome], other: dict[str, Outcome]) -> bool:
    return one == other and all(o.seen is not Seen.NO_METHOD for o in one.values())


def _body(kind: Kind, place: Place, method: str) -> tuple[str, ...]:
    bodies = place.bodies
    if kind.view_class is not None and kind.handlers:
        bodies = [getattr(kind.view_class, kind.handlers[method], None)]
    return tuple(telling_names(bodies, kind.view_class))

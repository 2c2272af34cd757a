"""Every URL of a project with its view, and arguments with which the view can be called."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RegexPattern
from django.utils.regex_helper import normalize  # internal: as django.contrib.admindocs uses it

View = Any

#: Tried in this order until the pattern of an argument takes one.
SAMPLES = ("1", "x", str(uuid.UUID(int=0)), "2026", "01", "jan", "en", "2026-01-01", "x.png", "x/x")


@dataclass(frozen=True, slots=True)
class Route:
    """One URL: how it is written, named and answered, and arguments that fit it."""

    pattern: str
    name: str
    view: str
    callback: View
    path: str
    args: tuple[str, ...]
    kwargs: dict[str, Any]


def routes(urlconf: str | None = None) -> list[Route]:
    """Return the URLs of a URLconf (default: the project's), in its order, each view of a URL once."""
    found: list[Route] = []
    known: set[tuple[Any, ...]] = set()
    for route in _walk(get_resolver(urlconf), _Part()):
        # The same view with a suffix for the format, as REST framework's routers add it, is the same door.
        suffixed = "format" in route.kwargs
        key = (id(route.callback), route.name, None if suffixed else route.pattern)
        twin = (id(route.callback), route.name)
        if key not in known and not (suffixed and twin in known):
            found.append(route)
        known |= {key, twin}
    return found


@dataclass(frozen=True, slots=True)
class _Part:
    """What the includes above say of a URL."""

    pattern: str = "/"
    path: str = "/"
    namespace: str = ""
    args: tuple[str, ...] = ()
    kwargs: tuple[tuple[str, Any], ...] = ()

    def then(self, entry: URLPattern | URLResolver) -> _Part:
        values = _named(entry.pattern)
        given = dict(getattr(entry, "default_args", None) or getattr(entry, "default_kwargs", {}))
        kwargs = {**dict(self.kwargs), **{k: v for k, (_, v) in values.items()}, **given}
        namespace = getattr(entry, "namespace", None)
        return _Part(
            self.pattern + _readable(str(entry.pattern)),
            self.path + _path(entry.pattern, {k: text for k, (text, _) in values.items()}),
            f"{self.namespace}{namespace}:" if namespace else self.namespace,
            self.args + (() if kwargs else _unnamed(entry.pattern)),
            tuple(kwargs.items()),
        )


def _walk(resolver: URLResolver, above: _Part) -> Iterator[Route]:
    for entry in resolver.url_patterns:
        part = above.then(entry)
        if isinstance(entry, URLResolver):
            yield from _walk(entry, part)
        elif isinstance(entry, URLPattern):
            yield Route(
                pattern=part.pattern,
                name=part.namespace + entry.name if entry.name else "",
                view=_dotted(entry.callback, entry.lookup_str),
                callback=entry.callback,
                path=part.path,
                args=() if part.kwargs else part.args,
                kwargs=dict(part.kwargs),
            )


def _dotted(callback: View, found: str) -> str:
    # A view set has one class and several callbacks.
    cls = getattr(callback, "cls", None)
    return f"{cls.__module__}.{cls.__qualname__}" if isinstance(cls, type) else found


def _named(pattern: Any) -> dict[str, tuple[str, Any]]:
    """Return the named arguments of one pattern: as text, and as the view gets them."""
    if isinstance(pattern, RegexPattern):
        groups = _groups(pattern.regex)
        return {name: (_sample(name, regex),) * 2 for name, regex in groups.items()}
    found = {}
    for name, converter in getattr(pattern, "converters", {}).items():
        text = _sample(name, converter.regex)
        try:
            found[name] = (text, converter.to_python(text))
        except ValueError:
            found[name] = (text, text)
    return found


def _unnamed(pattern: Any) -> tuple[str, ...]:
    regex = getattr(pattern, "regex", None)
    if not isinstance(pattern, RegexPattern) or regex is None or regex.groupindex:
        return ()
    number: int = regex.groups
    return ("1",) * number


def _groups(regex: re.Pattern[str]) -> dict[str, str]:
    """Return the expression of each named group."""
    found = {}
    for name in regex.groupindex:
        start = regex.pattern.index(f"(?P<{name}>") + len(f"(?P<{name}>")
        depth, end = 1, start
        while depth and end < len(regex.pattern):
            if regex.pattern[end] == "\\":
                end += 1
            else:
                depth += {"(": 1, ")": -1}.get(regex.pattern[end], 0)
            end += 1
        found[name] = regex.pattern[start : end - 1]
    return found


def _sample(name: str, expression: str) -> str:
    samples = ("json", *SAMPLES) if name == "format" else SAMPLES
    try:
        compiled = re.compile(expression)
    except re.error:
        return samples[0]
    return next((s for s in samples if compiled.fullmatch(s)), samples[0])


def _path(pattern: Any, values: dict[str, str]) -> str:
    if not isinstance(pattern, RegexPattern):
        route = str(pattern)
        return re.sub(r"<(?:[^>:]+:)?([^>]+)>", lambda m: values.get(m[1], "x"), route)
    text, names = normalize(pattern.regex.pattern)[0]
    return text % {name: values.get(name, "1") for name in names} if names else text


def _readable(pattern: str) -> str:
    """Return a regular expression without what only machines need."""
    return re.sub(r"^\^|\\Z|\$$|\\(?=[./-])", "", pattern)

"""The kinds of view, told apart by how they look: no library is imported for it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.views.generic.edit import ProcessFormView

from anonauth.access.body import Opaque, Place, class_cell, emptied, emptied_class
from anonauth.access.seal import swapped
from anonauth.registry import access_libraries

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a view is: its class if it has one, and which handler answers which method."""

    name: str
    view_class: type | None = None
    handlers: dict[str, str] = field(default_factory=dict)
    operations: Any = None

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods to be tried; a function may answer any of them."""
        return tuple(self.handlers) if self.handlers else METHODS


def kind_of(callback: Any) -> Kind:
    """Tell what a view is."""
    if (path_view := _path_view(callback)) is not None:
        handlers = {m: "" for m in METHODS for o in path_view.operations if m in o.methods}
        return Kind("ninja", handlers=handlers, operations=path_view.operations)
    cls = (
        getattr(callback, "cls", None) or getattr(callback, "view_class", None) or _class(callback)
    )
    if not isinstance(cls, type):
        return Kind("function")
    actions = getattr(callback, "actions", None)
    if isinstance(actions, dict):
        handlers = {m.upper(): a for m, a in actions.items() if m.upper() in METHODS}
        return Kind("view set", cls, handlers)
    names = [m.lower() for m in getattr(cls, "http_method_names", METHODS)]
    handlers = {m: m.lower() for m in METHODS if m.lower() in names and hasattr(cls, m.lower())}
    if getattr(cls, "put", None) is ProcessFormView.put:
        handlers.pop("PUT", None)  # Django's own alias of POST
    return Kind("class", cls, handlers)


def _class(callback: Any) -> type | None:
    """Return the class behind decorators that hide it."""
    for function in _layers(callback):
        if (cell := class_cell(function)) is not None:
            found: type = cell.cell_contents
            return found
    return None


def _layers(callback: Any) -> Iterator[Any]:
    """Yield a view and what can be seen behind it, without deciding what is the view."""
    waiting, known = [callback], set[int]()
    while waiting and len(known) < 50:
        function = waiting.pop()
        if id(function) in known:
            continue
        known.add(id(function))
        yield function
        if isinstance(function, partial):
            waiting.append(function.func)
        waiting += [
            c for c in _contents(function) if inspect.isroutine(c) or isinstance(c, partial)
        ]


def _contents(function: Any) -> Iterator[Any]:
    function = getattr(function, "__func__", function)
    for cell in getattr(function, "__closure__", None) or ():
        try:
            yield cell.cell_contents
        except ValueError:
            continue


def _path_view(callback: Any) -> Any:
    """Return django-ninja's object behind one URL: it has operations, and they name their methods."""
    for function in _layers(callback):
        for thing in (getattr(function, "__self__", None), *_contents(function)):
            operations = getattr(thing, "operations", None)
            if isinstance(operations, list) and operations and hasattr(operations[0], "view_func"):
                return thing
    return None


@contextmanager
def guards_of(callback: Any, kind: Kind, place: Place) -> Iterator[Callable[..., Any]]:
    """Give the view with all of its guards and the place where its body was.

    Raises:
        Opaque: what a decorator wraps cannot be told.
    """
    if kind.operations is not None:
        with _operations_emptied(kind.operations, place):
            yield callback
        return
    of_class = partial(_of_class, names=sorted(set(kind.handlers.values())), place=place)
    with emptied(callback, place, of_class) as view:
        yield view


def _of_class(cls: type, *, names: list[str], place: Place) -> Any:
    more: dict[str, Any] = {}
    if hasattr(cls, "throttle_classes"):
        more["throttle_classes"] = []  # REST framework's limits count people, they do not sort them
    for library in access_libraries:
        more |= library.overrides(cls)
    return emptied_class(cls, names, place, **more)


@contextmanager
def _operations_emptied(operations: list[Any], place: Place) -> Iterator[None]:
    instead = {
        "_get_values": lambda *args, **kwargs: {},  # internal: reads the body, which comes after the guards
        "throttle_objects": [],
    }
    with ExitStack() as stack:
        for operation in operations:
            empty = stack.enter_context(emptied(operation.view_func, place, _no_class))
            stack.enter_context(swapped(operation, "view_func", empty))
            for name, value in instead.items():
                if hasattr(operation, name):
                    stack.enter_context(swapped(operation, name, value))
        yield


def _no_class(cls: type) -> Any:
    raise Opaque(f"a class view inside of an operation: {cls.__name__}")

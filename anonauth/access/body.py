"""Finding what decorators stand in front of, and putting something else there for a while.

No list of known decorators is needed: whatever wraps a view keeps it in a closure, an attribute or a partial.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from asgiref.sync import iscoroutinefunction

Function = Any

#: What decorators call the function that they wrap, where ``functools.wraps`` does not tell.
NAMES = (
    *("view_func", "view", "func", "fn", "f", "function", "method", "handler"),
    *("wrapped", "callback", "view_function", "viewfunc"),
)


class Opaque(Exception):
    """A wrapper of which one cannot tell what it wraps."""


class Reached(BaseException):
    """The place of the view was reached; nothing that comes after it has to run."""


class Place:
    """Stands where views stood, and remembers what they were and whether somebody came."""

    def __init__(self) -> None:
        self.visited = False
        self.bodies: list[Any] = []

    def like(self, function: Function) -> Function:
        """Return a function for the place of another, which looks like it to decorators and middleware."""
        self.bodies.append(function)

        def arrive(*args: Any, **kwargs: Any) -> Any:
            self.visited = True
            raise Reached

        async def aarrive(*args: Any, **kwargs: Any) -> Any:
            arrive()

        standing: Any = aarrive if iscoroutinefunction(function) else arrive
        for name, value in getattr(function, "__dict__", {}).items():
            if name not in {"__wrapped__", "_is_coroutine_mark", "_is_coroutine"}:
                setattr(standing, name, value)
        standing.__name__ = getattr(function, "__name__", "view")
        return standing


@contextmanager
def emptied(function: Function, place: Place, of_class: Callable[..., Any]) -> Iterator[Function]:
    """Give a callable to use instead of a view: all of its guards, and the place where its body was.

    Args:
        function: a view, decorated or not, as it stands in the URLconf or in a class.
        place: what is put where the body was.
        of_class: ``(class) -> context of a factory``, for what ``as_view()`` made.

    Raises:
        Opaque: what is wrapped cannot be told.
    """
    if isinstance(function, partial):
        with emptied(function.func, place, of_class) as inner:
            replacement = partial(inner, *function.args, **function.keywords)
            replacement.__dict__.update(function.__dict__)
            yield replacement
        return
    if (cell := class_cell(function)) is not None:
        cls = cell.cell_contents
        with of_class(cls) as factory, _put(cell, "cell_contents", factory):
            yield function
        return
    slot = _slot(function)
    if slot is None:
        yield place.like(function)
        return
    with emptied(getattr(*slot), place, of_class) as inner, _put(*slot, inner):
        yield function


def class_cell(function: Function) -> Any:
    """Return where a function that ``as_view()`` made keeps its class, or None."""
    code = getattr(function, "__code__", None)
    if code is None or code.co_name != "view" or "cls" not in code.co_freevars:
        return None
    cell = function.__closure__[code.co_freevars.index("cls")]
    return cell if isinstance(_content(cell), type) else None


@contextmanager
def _put(target: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(target, name)
    setattr(target, name, value)
    try:
        yield
    finally:
        setattr(target, name, before)


def _slot(function: Function) -> tuple[Any, str] | None:
    """Return the (object, attribute) in which a wrapper keeps what it wraps; None if it wraps nothing."""
    if isinstance(function, types.MethodType):
        function = function.__func__
    if not inspect.isfunction(function):
        return _attribute_slot(function)
    cells = {
        name: cell
        for name, cell in zip(
            function.__code__.co_freevars, function.__closure__ or (), strict=True
        )
        if _may_be_view(_content(cell), function)
    }
    wrapped = getattr(function, "__wrapped__", None)
    for cell in cells.values():
        if wrapped is not None and cell.cell_contents in (wrapped, inspect.unwrap(function)):
            return cell, "cell_contents"
    name = next((n for n in NAMES if n in cells), None) or _only(cells)
    if name is not None:
        return cells[name], "cell_contents"
    if cells or (wrapped is not None and inspect.isfunction(wrapped)):
        raise Opaque(f"a wrapper in {function.__module__}")
    return None


def _attribute_slot(thing: Any) -> tuple[Any, str] | None:
    """A decorator that is an object keeps the view in an attribute; other callables are their own body."""
    kept = [n for n, v in getattr(thing, "__dict__", {}).items() if _may_be_view(v, thing)]
    kept = [n for n in kept if n != "__wrapped__"]
    name = next((n for n in NAMES if n in kept), None)
    if name is None and len(kept) == 1 and "__wrapped__" in thing.__dict__:
        name = kept[0]
    if name is not None:
        return _Holder(thing), name
    if kept:
        raise Opaque(f"an object of {type(thing).__name__}")
    return None


class _Holder:
    """Reads and writes attributes of an object past its class, so that what was there comes back as it was."""

    def __init__(self, thing: Any) -> None:
        object.__setattr__(self, "thing", thing)

    def __getattr__(self, name: str) -> Any:
        return object.__getattribute__(self, "thing").__dict__[name]

    def __setattr__(self, name: str, value: Any) -> None:
        object.__getattribute__(self, "thing").__dict__[name] = value


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def _may_be_view(value: Any, wrapper: Any) -> bool:
    if value is wrapper or isinstance(value, type):
        return False
    return inspect.isroutine(value) or isinstance(value, partial) or _is_wrapper_object(value)


def _is_wrapper_object(value: Any) -> bool:
    return callable(value) and "__wrapped__" in getattr(value, "__dict__", {})


def _only(cells: dict[str, Any]) -> str | None:
    """Return the one that can be the view: the only one, or the only one whose first argument is a request."""
    if len(cells) == 1:
        return next(iter(cells))
    taking = [name for name, cell in cells.items() if _takes_request(cell.cell_contents)]
    return taking[0] if len(taking) == 1 else None


def _takes_request(function: Function) -> bool:
    code = getattr(function, "__code__", None)
    return code is not None and "request" in code.co_varnames[: min(2, code.co_argcount)]


@contextmanager
def emptied_class(
    cls: type, names: list[str], place: Place, **more: Any
) -> Iterator[Callable[..., Any]]:
    """Give a factory of instances of a class view whose handlers are the place; decorators on handlers stay.

    No subclass is made: some metaclasses would register it.
    """
    instead: dict[str, Any] = dict(more)
    with ExitStack() as stack:
        for name in names:
            handler = getattr(cls, name, None)
            if handler is None:
                continue
            empty = stack.enter_context(emptied(handler, place, _no_class))
            if empty is not handler:
                instead[name] = empty
        yield _Factory(cls, instead)


class _Factory:
    """A class, to ``as_view()``: makes its instances, and gives them other handlers."""

    def __init__(self, cls: type, instead: dict[str, Any]) -> None:
        self._cls, self._instead = cls, instead

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        view = self._cls(*args, **kwargs)
        view.__dict__.update(self._instead)
        return view

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cls, name)


def _no_class(cls: type) -> Any:
    raise Opaque(f"a view inside of a handler of {cls.__name__}")

"""What the body of a view looks as if it would do after the guards let somebody in. A hint, read off the code."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any

#: Names that code uses which tells people apart or turns some of them away.
TELLING = frozenset(
    {
        "AuthenticationError",
        "HTTP_401_UNAUTHORIZED",
        "HTTP_403_FORBIDDEN",
        "HttpResponseForbidden",
        "NotAuthenticated",
        "PermissionDenied",
        "check_object_permissions",
        "has_module_perms",
        "has_perm",
        "has_perms",
        "is_anonymous",
        "is_authenticated",
        "is_guest",
        "is_permanent",
        "is_staff",
        "is_superuser",
        "permission_denied",
        "redirect_to_login",
        "user_passes_test",
    }
)
FRAMEWORKS = ("django.", "rest_framework.", "builtins")
DEPTH = 3


def telling_names(bodies: list[Any], view_class: type | None) -> list[str]:
    """Return the names by which the bodies of a view, and the project's functions they call, tell people apart."""
    found: set[str] = set()
    seen: set[types.CodeType] = set()
    for body in bodies:
        for code in _reachable(body, view_class, DEPTH, seen):
            found |= TELLING & {*code.co_names, *code.co_freevars}
    return sorted(found)


def _reachable(
    function: Any, view_class: type | None, depth: int, seen: set[types.CodeType]
) -> Iterator[types.CodeType]:
    function = getattr(function, "__func__", function)
    code = getattr(function, "__code__", None)
    if code is None or code in seen:
        return
    seen.add(code)
    yield code
    yield from (c for c in code.co_consts if isinstance(c, types.CodeType))
    # A decorator of what is called may be what tells people apart.
    yield from _reachable(getattr(function, "__wrapped__", None), view_class, depth, seen)
    if depth == 0:
        return
    for name in code.co_names:
        for called in (function.__globals__.get(name), getattr(view_class, name, None)):
            if isinstance(called, types.FunctionType) and not _is_frameworks(called):
                yield from _reachable(called, view_class, depth - 1, seen)


def _is_frameworks(function: types.FunctionType) -> bool:
    return f"{function.__module__}.".startswith(FRAMEWORKS)

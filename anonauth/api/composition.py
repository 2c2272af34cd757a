"""Permissions that keep their words, and so their code, under ``&``, ``|`` and ``~``.

REST framework asks what is composed for a message and finds none. Here the part to which a refusal is due is asked.
What is composed is a class, so that it can stand on the right of another permission class too.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

# Not in REST framework's documentation, but what its operators have been made of since 3.9.
from rest_framework.permissions import AND, NOT, OR, BasePermission, BasePermissionMetaclass
from rest_framework.request import Request

if TYPE_CHECKING:
    from rest_framework.views import APIView


class Composable(BasePermissionMetaclass):
    """The class of permission classes whose words survive, on either side of other permission classes."""

    def __and__(self, other: Any) -> Any:
        return _combined(AllOf, self, other)

    def __or__(self, other: Any) -> Any:
        return _combined(AnyOf, self, other)

    def __rand__(self, other: Any) -> Any:
        return _combined(AllOf, other, self)

    def __ror__(self, other: Any) -> Any:
        return _combined(AnyOf, other, self)

    def __invert__(self) -> Any:
        return _combined(NoneOf, self)


class _Part:
    """A permission that remembers whether it refused."""

    def __init__(self, permission: Any) -> None:
        self.permission = permission
        self.refused = False

    def has_permission(self, request: Request, view: APIView) -> bool:
        return self._remember(self.permission.has_permission(request, view))

    def has_object_permission(self, request: Request, view: APIView, obj: Any) -> bool:
        return self._remember(self.permission.has_object_permission(request, view, obj))

    def _remember(self, answer: Any) -> bool:
        self.refused = not answer
        return bool(answer)


class Combined(BasePermission, metaclass=Composable):
    """What the operators make: REST framework's rule over the parts, with the words of one of them."""

    rule: ClassVar[Any]
    operands: ClassVar[tuple[Any, ...]]

    def __init__(self) -> None:
        self.parts = tuple(_Part(operand()) for operand in self.operands)
        self.decide = self.rule(*self.parts)

    def has_permission(self, request: Request, view: APIView) -> bool:
        return bool(self.decide.has_permission(request, view))

    def has_object_permission(self, request: Request, view: APIView, obj: Any) -> bool:
        return bool(self.decide.has_object_permission(request, view, obj))

    def due_to(self) -> Any | None:
        """Return the part to which a refusal is due, or None if none of them has words."""
        raise NotImplementedError

    @property
    def message(self) -> Any:
        return getattr(self.due_to(), "message", None)

    @property
    def code(self) -> Any:
        return getattr(self.due_to(), "code", None)

    @property
    def opposite_message(self) -> Any:
        """The words for those whom the permission lets in, for the case that it is turned round."""
        return _opposite(part.permission for part in self.parts)


class AllOf(Combined):
    """One part refused, and it speaks."""

    rule = AND

    def due_to(self) -> Any | None:
        return next((part.permission for part in self.parts if part.refused), None)


class AnyOf(Combined):
    """All parts refused, and each would have opened the door: the first with words speaks."""

    rule = OR

    def due_to(self) -> Any | None:
        permissions = [part.permission for part in self.parts]
        return next((p for p in permissions if getattr(p, "message", None) is not None), None)

    @property
    def opposite_message(self) -> Any:
        return _opposite(part.permission for part in self.parts if not part.refused)


class NoneOf(Combined):
    """The part let in, and says what it has to say to those whom it lets in."""

    rule = NOT

    @property
    def message(self) -> Any:
        return getattr(self.parts[0].permission, "opposite_message", None)

    @property
    def code(self) -> Any:
        return None

    @property
    def opposite_message(self) -> Any:
        return getattr(self.parts[0].permission, "message", None)


@cache
def _combined(kind: type[Combined], *operands: Any) -> Any:
    # Cached, so that two of the same parts are equal, as REST framework's own are.
    names = [getattr(operand, "__name__", "Combined") for operand in operands]
    name = f"{kind.__name__}{''.join(names)}"
    return Composable(name, (kind,), {"operands": operands, "__module__": kind.__module__})


def _opposite(permissions: Iterable[Any]) -> Any:
    found = (getattr(permission, "opposite_message", None) for permission in permissions)
    return next((message for message in found if message is not None), None)

"""Permissions that keep their message, and so their code, under ``&``, ``|`` and ``~``.

REST framework asks what is composed for a message and finds none. Here the part that refused is remembered.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

# Not in REST framework's documentation, but what its operators have been made of since 3.9.
from rest_framework.permissions import (
    AND,
    NOT,
    OR,
    BasePermissionMetaclass,
    OperandHolder,
    SingleOperandHolder,
)
from rest_framework.request import Request

if TYPE_CHECKING:
    from rest_framework.views import APIView


class _Operators:
    """The operators, with operands that remember."""

    def __and__(self, other: Any) -> Any:
        return _Pair(_And, self, other)

    def __or__(self, other: Any) -> Any:
        return _Pair(_Or, self, other)

    def __rand__(self, other: Any) -> Any:
        return _Pair(_And, other, self)

    def __ror__(self, other: Any) -> Any:
        return _Pair(_Or, other, self)

    def __invert__(self) -> Any:
        return _Single(_Not, self)


class Composable(_Operators, BasePermissionMetaclass):
    """The class of permission classes whose messages survive; on either side of other permission classes."""


class _Pair(_Operators, OperandHolder):
    """Two operands, before a request is there."""

    __hash__ = OperandHolder.__hash__


class _Single(_Operators, SingleOperandHolder):
    """One operand, before a request is there."""


class _Asked:
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


class _Speaks:
    """What REST framework asks a permission that refused: the words of the part to which the refusal is due."""

    def due_to(self) -> Any | None:
        """Return the part, or None if none of them has words."""
        raise NotImplementedError

    @property
    def message(self) -> Any:
        return getattr(self.due_to(), "message", None)

    @property
    def code(self) -> Any:
        return getattr(self.due_to(), "code", None)


class _And(_Speaks, AND):
    """One part refused. Turned round, each of them was in the way."""

    def __init__(self, op1: Any, op2: Any) -> None:
        self.parts = (_Asked(op1), _Asked(op2))
        super().__init__(*self.parts)

    def due_to(self) -> Any | None:
        return next((part.permission for part in self.parts if part.refused), None)

    @property
    def opposite_message(self) -> Any:
        return _first(part.permission for part in self.parts)


class _Or(_Speaks, OR):
    """All parts refused, and each would have opened the door: the first with words. Turned round, one let in."""

    def __init__(self, op1: Any, op2: Any) -> None:
        self.parts = (_Asked(op1), _Asked(op2))
        super().__init__(*self.parts)

    def due_to(self) -> Any | None:
        permissions = [part.permission for part in self.parts]
        return next((p for p in permissions if getattr(p, "message", None) is not None), None)

    @property
    def opposite_message(self) -> Any:
        return _first(part.permission for part in self.parts if not part.refused)


class _Not(NOT):
    """Its words are those that the part has for whom it lets in."""

    @property
    def message(self) -> Any:
        return getattr(self.op1, "opposite_message", None)

    @property
    def opposite_message(self) -> Any:
        return getattr(self.op1, "message", None)


def _first(permissions: Iterable[Any]) -> Any:
    found = (getattr(permission, "opposite_message", None) for permission in permissions)
    return next((message for message in found if message is not None), None)

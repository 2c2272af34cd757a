"""Doing a thing with many keys at once, and with fewer where it fails: what makes one fail stops no other."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Generic, Self, TypeVar

from django.db import DatabaseError, IntegrityError, InterfaceError, connections

logger = logging.getLogger("anonauth")

#: So often at most in a row parts of a batch that failed are tried again in vain, to find the keys that make it fail.
MAX_ATTEMPTS = 64


@dataclass(frozen=True, slots=True)
class Outcome:
    """What has become of some keys, or in a dry run would; batches add up."""

    #: Rows deleted by the label of their model.
    rows: Counter[str] = field(default_factory=Counter)
    #: Keys left because of PROTECT, RESTRICT or a constraint.
    protected: int = 0
    #: Keys left because something went wrong.
    failed: int = 0
    #: What went wrong, with how many keys.
    errors: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can have it."""
        return {one.name: _plain(getattr(self, one.name)) for one in fields(self)}

    def __add__(self, other: Self) -> Self:
        names = [one.name for one in fields(self)]
        return type(self)(*(getattr(self, name) + getattr(other, name) for name in names))


Report = TypeVar("Report", bound=Outcome)


class InHalves(Generic[Report]):
    """Batches of which a part that fails is tried again in halves, down to the single keys that make it fail.

    Args:
        using: the alias of the database; when its connection is lost, what is left of a batch is given up.
        act: does it for some keys, in a transaction of its own, and returns what it did.
        report: the class of what it returns, to tell of the keys with which it was not done.
    """

    def __init__(
        self, using: str, act: Callable[[list[Any]], Report], report: type[Report]
    ) -> None:
        self.using, self._act, self._report = using, act, report
        self._vain = 0

    def run(self, keys: list[Any]) -> Report:
        """Do it for these keys."""
        try:
            done = self._act(keys)
        except (
            Exception
        ) as error:  # of a receiver or an adapter, as of the database; the report names it
            return self.after(error, keys)
        self._vain = 0
        return done

    def after(self, error: Exception, keys: list[Any]) -> Report:
        """Do it for these keys, with which it has just failed together."""
        logger.debug("A batch of %s failed", len(keys), exc_info=error)
        gone = isinstance(error, DatabaseError | InterfaceError) and self._is_lost()
        if len(keys) == 1 and isinstance(error, IntegrityError):
            self._vain = 0
            return self._report(protected=1)
        self._vain += 2
        if gone or len(keys) == 1 or self._vain > MAX_ATTEMPTS:
            return self._report(failed=len(keys), errors=Counter({shown(error): len(keys)}))
        middle = len(keys) // 2
        return self.run(keys[:middle]) + self.run(keys[middle:])

    def _is_lost(self) -> bool:
        # Where even the rollback failed, Django has closed it; the next batch opens another.
        connection = connections[self.using]
        return connection.connection is None or not connection.is_usable()


def _plain(value: Any) -> Any:
    if isinstance(value, Outcome):
        return value.as_dict()
    return dict(value) if isinstance(value, Counter) else value


def shown(error: Exception) -> str:
    """Return an error as a report names it: in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__

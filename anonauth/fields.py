"""Columns that ``save()`` writes once, in the INSERT, and never again.

SECURITY: a request that loaded the user before an upgrade or a revocation, and saves its instance afterwards,
would make him a guest again, or give revoked credentials back. So an UPDATE by ``save()`` leaves these columns as
they are; the flows write them with ``QuerySet.update()``, under a lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:
    from datetime import datetime

    Base = models.Field[Any, Any]
    BooleanField = models.BooleanField[bool, bool]
    DateTimeField = models.DateTimeField[datetime | None, datetime | None]
else:
    Base, BooleanField, DateTimeField = object, models.BooleanField, models.DateTimeField


class _WrittenByFlows(Base):
    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        return super().pre_save(model_instance, add) if add else models.F(self.attname)


class FlowBooleanField(_WrittenByFlows, BooleanField):
    """A flag that only flows change; in migrations a plain ``BooleanField``."""

    def deconstruct(self) -> Any:
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.BooleanField", args, kwargs


class FlowDateTimeField(_WrittenByFlows, DateTimeField):
    """A moment that only flows change; in migrations a plain ``DateTimeField``."""

    def deconstruct(self) -> Any:
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.DateTimeField", args, kwargs

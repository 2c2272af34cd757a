"""What allauth knows of a user's identities, and which ways to upgrade it offers here."""

from __future__ import annotations

from typing import Any


def identities(user: Any) -> list[dict[str, Any]]:
    """Return the verified addresses and the social accounts of a user."""
    return []


def upgrade_methods() -> list[str]:
    """Return the ways to upgrade that work with the settings in force."""
    return []

"""A small typed reading of the environment; a value that makes no sense ends the process with one clear line."""

from __future__ import annotations

import json
import os
import types
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn, get_args, get_origin, get_type_hints

from anonauth.conf import NAMES, PREFIX, Settings

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}
WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a string"}


def stop(message: str) -> NoReturn:
    """End the process with one line: the person who set the variable needs no traceback."""
    raise SystemExit(f"Environment: {message}")


class Environment:
    """The variables of one process, read by name and type."""

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self._variables = os.environ if variables is None else variables

    def text(self, name: str, default: str = "") -> str:
        """Return the variable, or the default where it is missing or empty."""
        return self._variables.get(name, "").strip() or default

    def words(self, name: str, default: str = "") -> list[str]:
        """Return the parts of a comma-separated variable."""
        return [word.strip() for word in self.text(name, default).split(",") if word.strip()]

    def path(self, name: str) -> Path | None:
        """Return the variable as an absolute path, or None where it is missing."""
        return Path(self.text(name)).absolute() if self.text(name) else None

    def flag(self, name: str, *, default: bool) -> bool:
        """Return the variable as a truth value (1/0, true/false, yes/no, on/off)."""
        word = self._variables.get(name)
        if word is None:
            return default
        if word.strip().lower() in TRUE | FALSE:
            return word.strip().lower() in TRUE
        stop(f"{name} must be true or false, not {word!r}.")

    def secret(self, name: str, *, default: str) -> str:
        """Return a secret of at least 32 bytes; an empty default means that it has to be given."""
        value = self.text(name, default)
        if not value:
            stop(f"{name} is required when DEBUG is off.")
        if len(value.encode()) < 32:
            stop(f"{name} must have at least 32 bytes; tokens are signed with it.")
        return value

    def anonauth(self) -> dict[str, Any]:
        """Return every ANONAUTH_* variable, read as JSON; durations are in seconds."""
        hints = get_type_hints(Settings)
        found: dict[str, Any] = {}
        for name, text in sorted(self._variables.items()):
            if not name.startswith(PREFIX):
                continue
            if name not in NAMES:
                stop(f"{name} is not a setting of anonauth.")
            try:
                value = json.loads(text)
            except json.JSONDecodeError:
                stop(
                    f"{name} must be JSON, for example '[\"30/h\"]', '\"text\"', 60, true or null."
                )
            found[name] = _convert(name, hints[NAMES[name]], value)
        return found


def _convert(name: str, hint: Any, value: Any) -> Any:
    """Return the JSON value as what the setting's annotation asks for."""
    if get_origin(hint) is types.UnionType:
        if value is None:
            return None
        hint = next(kind for kind in get_args(hint) if kind is not types.NoneType)
    if hint is timedelta:
        if isinstance(value, bool) or not isinstance(value, int | float):
            stop(f"{name} must be a number of seconds.")
        return timedelta(seconds=value)
    if get_origin(hint) is tuple:
        if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
            stop(f"{name} must be a JSON list of strings, for example '[\"30/h\"]'.")
        return tuple(value)
    accepted = (int, float) if hint is float else (hint,)
    if not isinstance(value, accepted) or (hint is not bool and isinstance(value, bool)):
        stop(f"{name} must be {WORDS[hint]} in JSON.")
    return value

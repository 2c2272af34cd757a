"""``docs/settings.md`` against the dataclass, and every page against the names that exist."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

import pytest

from anonauth.conf import KNOWN_BOTS, NAMES, PREFIX, Settings
from tests.docs.pages import PAGES, read, section

FIELDS = {PREFIX + field.name.upper(): field for field in fields(Settings)}
HINTS = get_type_hints(Settings)
PAGE = read("settings")


def test_the_page_has_each_setting_once_and_no_other() -> None:
    documented = re.findall(rf"^### ({PREFIX}\w+)$", PAGE, re.MULTILINE)
    assert sorted(documented) == sorted(FIELDS)


@pytest.mark.parametrize("name", FIELDS)
def test_type_default_and_sentence_are_those_of_the_code(name: str) -> None:
    field, text = FIELDS[name], section(PAGE, name)
    hint = HINTS[field.name]
    kind = hint.__name__ if isinstance(hint, type) and not str(hint).startswith("tuple") else hint
    default = repr(field.default).replace("'", '"').replace("datetime.", "")
    if field.default is KNOWN_BOTS:
        assert "anonauth.conf.KNOWN_BOTS" in text
    else:
        assert f"Default: `{default}`." in text
    assert f"Type: `{kind}`." in text
    assert field.metadata["help"] in " ".join(text.split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_names_a_setting_that_does_not_exist(page: Path) -> None:
    named = set(re.findall(rf"\b{PREFIX}[A-Z_]*[A-Z]\b", page.read_text("utf-8")))
    assert named <= set(NAMES)

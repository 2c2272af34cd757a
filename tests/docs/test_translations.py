"""German and French: nothing is missing, nothing is doubtful, and the compiled catalogs are those of the sources."""

from __future__ import annotations

import ast
import gettext
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils.translation import override

from anonauth.exceptions import RateLimited
from tests.docs.pages import ROOT

PACKAGE = ROOT / "anonauth"
CATALOGS = sorted((PACKAGE / "locale").glob("*/LC_MESSAGES/django.po"))
MARKERS = {"_", "gettext", "gettext_lazy", "pgettext", "ngettext"}
STRING = r'((?:"(?:[^"\\]|\\.)*"\s*)+)'


def marked() -> Iterator[str]:
    """Yield the strings of the package that are marked for translation."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in MARKERS
            ):
                yield ast.literal_eval(node.args[0])
    for path in PACKAGE.rglob("templates/**/*.*"):
        text = path.read_text("utf-8")
        assert "{% blocktrans" not in text, "teach this test about it"
        yield from re.findall(r'{% translate "([^"]+)" %}', text)


def entries(catalog: Path) -> dict[str, str]:
    """Return the messages of a .po file, without its header."""
    found = re.findall(
        rf"^msgid {STRING}^msgstr {STRING}", catalog.read_text("utf-8"), re.MULTILINE
    )
    texts = [(joined(source), joined(target)) for source, target in found]
    return {source: target for source, target in texts if source}


def joined(literals: str) -> str:
    parts = re.findall(r'"(?:[^"\\]|\\.)*"', literals)
    return "".join(ast.literal_eval(part) for part in parts)


def ids(catalog: Path) -> str:
    return catalog.parent.parent.name


def test_there_are_a_german_and_a_french_catalog() -> None:
    assert [ids(catalog) for catalog in CATALOGS] == ["de", "fr"]


@pytest.mark.parametrize("catalog", CATALOGS, ids=ids)
def test_each_marked_string_is_translated_and_no_other(catalog: Path) -> None:
    assert set(entries(catalog)) == set(marked())
    assert all(entries(catalog).values())
    text = catalog.read_text("utf-8")
    assert "fuzzy" not in text
    assert "#~" not in text
    assert "msgid_plural" not in text, "teach this test about it"


@pytest.mark.parametrize("catalog", CATALOGS, ids=ids)
def test_placeholders_survive_the_translation(catalog: Path) -> None:
    placeholder = re.compile(r"%\(\w+\)s|\{[^}]*\}")
    for source, target in entries(catalog).items():
        assert sorted(placeholder.findall(source)) == sorted(placeholder.findall(target))


@pytest.mark.parametrize("catalog", CATALOGS, ids=ids)
def test_the_compiled_catalog_is_up_to_date(catalog: Path) -> None:
    with catalog.with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for source, target in entries(catalog).items():
        assert compiled.gettext(source) == target
    known = set(vars(compiled)["_catalog"]) - {""}
    assert known == set(entries(catalog))


def test_a_refusal_speaks_the_language_of_the_request() -> None:
    with override("de"):
        assert (
            str(RateLimited(1).message) == "Zu viele Versuche. Versuchen Sie es später noch einmal."
        )
    with override("fr"):
        assert str(RateLimited(1).message) == "Trop de tentatives. Réessayez plus tard."

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

#: One text, or one for the singular and one for the plural.
Texts = tuple[str, ...]


def marked() -> Iterator[Texts]:
    """Yield the strings of the package that are marked for translation."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in MARKERS
            ):
                forms = 2 if node.func.id == "ngettext" else 1
                yield tuple(ast.literal_eval(text) for text in node.args[:forms])
    for path in PACKAGE.rglob("templates/**/*.*"):
        text = path.read_text("utf-8")
        assert "{% blocktrans" not in text, "teach this test about it"
        found = re.findall(r"""{% translate (?:"([^"]+)"|'([^']+)') %}""", text)
        assert len(found) == text.count("{% translate "), "teach this test about it"
        yield from ((double or single,) for double, single in found)


def entries(catalog: Path) -> dict[Texts, Texts]:
    """Return the messages of a .po file, without its header."""
    keys, values = rf"^msgid(?:_plural)? {STRING}", rf"^msgstr(?:\[\d\])? {STRING}"
    found = re.findall(rf"((?:{keys})+)((?:{values})+)", catalog.read_text("utf-8"), re.MULTILINE)
    texts = [
        (
            tuple(joined(one) for one in re.findall(keys, sources, re.MULTILINE)),
            tuple(joined(one) for one in re.findall(values, targets, re.MULTILINE)),
        )
        for sources, _, targets, _ in found
    ]
    return {sources: targets for sources, targets in texts if sources != ("",)}


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
    for sources, targets in entries(catalog).items():
        assert len(targets) == len(sources)
        assert all(targets), sources
    text = catalog.read_text("utf-8")
    assert "fuzzy" not in text
    assert "#~" not in text


@pytest.mark.parametrize("catalog", CATALOGS, ids=ids)
def test_placeholders_survive_the_translation(catalog: Path) -> None:
    placeholder = re.compile(r"%\(\w+\)[sd]|\{[^}]*\}")
    for sources, targets in entries(catalog).items():
        for source, target in zip(sources, targets, strict=True):
            assert sorted(placeholder.findall(source)) == sorted(placeholder.findall(target))


@pytest.mark.parametrize("catalog", CATALOGS, ids=ids)
def test_the_compiled_catalog_is_up_to_date(catalog: Path) -> None:
    with catalog.with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for sources, targets in entries(catalog).items():
        if len(sources) == 1:
            assert (compiled.gettext(sources[0]),) == targets
        else:
            one, many = (compiled.ngettext(sources[0], sources[1], number) for number in (1, 2))
            assert (one, many) == targets
    known = {key if isinstance(key, str) else key[0] for key in vars(compiled)["_catalog"]}
    assert known == {"", *(sources[0] for sources in entries(catalog))}


def test_a_refusal_speaks_the_language_of_the_request() -> None:
    with override("de"):
        assert (
            str(RateLimited(1).message) == "Zu viele Versuche. Versuchen Sie es später noch einmal."
        )
    with override("fr"):
        assert str(RateLimited(1).message) == "Trop de tentatives. Réessayez plus tard."

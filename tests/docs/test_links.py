"""Links between the pages: the file is there, and so is the heading."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import BLOCK, LINK, PAGES, ROOT, anchors


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_internal_links_resolve(page: Path) -> None:
    text = page.read_text("utf-8")
    for link in LINK.findall(BLOCK.sub("", text)):
        if link.startswith(("http://", "https://")):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.is_file(), link
        assert target.is_relative_to(ROOT)
        if anchor:
            assert anchor in anchors(target.read_text("utf-8")), link

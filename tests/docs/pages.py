"""Reading the documentation: its files, code blocks, tables, headings and links."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = sorted([README, *DOCS.glob("*.md")])
BLOCK = re.compile(r"^```([\w+-]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def read(name: str) -> str:
    """Return a page of docs/ by its name."""
    return (DOCS / f"{name}.md").read_text("utf-8")


def blocks(text: str, language: str) -> list[str]:
    """Return the fenced code of one language, in order."""
    return [code for found, code in BLOCK.findall(text) if found == language]


def section(text: str, heading: str) -> str:
    """Return what stands below a heading, to the next heading of any level."""
    wanted: list[str] | None = None
    fenced = False
    for line in text.splitlines(keepends=True):
        fenced ^= line.startswith("```")
        if line.startswith("#") and not fenced:
            if wanted is not None:
                break
            if line.lstrip("# ").rstrip() == heading:
                wanted = []
        elif wanted is not None:
            wanted.append(line)
    assert wanted is not None, f"no heading {heading!r}"
    return "".join(wanted)


def rows(text: str) -> list[list[str]]:
    """Return the cells of all table rows but the header and its rule."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [row for row in cells[2:] if set(row[0]) != {"-"}]


def code(cell: str) -> str:
    """Return a cell without its backticks."""
    return cell.strip("`")


def anchors(text: str) -> set[str]:
    """Return the anchors of the headings, as GitHub and MyST make them."""
    prose = BLOCK.sub("", text)
    titles = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}

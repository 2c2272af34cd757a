"""Sphinx: ``sphinx-build -W -b html docs docs/_build/html``."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

project = "anonauth"
author = "django-anonauth contributors"
copyright = f"2026, {author}"
release = re.findall(r'__version__ = "(.+?)"', (ROOT / "anonauth" / "__init__.py").read_text())[0]

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"anonauth {release}"

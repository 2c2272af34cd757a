from __future__ import annotations

from tests.merging.ruled import rules

__all__ = ["rules"]

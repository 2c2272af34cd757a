"""Rules for one test, in place of all that the test project declares."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from anonauth.adapter import Adapter
from anonauth.merge_rules import MergeRule


class RuledAdapter(Adapter):
    rules: ClassVar[list[MergeRule]] = []

    def merge_rules(self) -> list[MergeRule]:
        return self.rules


@pytest.fixture
def rules(settings: Any, monkeypatch: pytest.MonkeyPatch) -> list[MergeRule]:
    """Give the list of the adapter's rules, empty; no app declares any."""
    settings.ANONAUTH_ADAPTER = f"{__name__}.RuledAdapter"
    monkeypatch.setattr("anonauth.merging.plan.declared", [])
    monkeypatch.setattr(RuledAdapter, "rules", [])
    return RuledAdapter.rules

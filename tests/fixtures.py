"""What the tests of the HTTP API share."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework_simplejwt.settings import api_settings

from tests.client import Api


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def simple_jwt(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Change settings of simplejwt; it reads SIMPLE_JWT once and does not notice override_settings."""

    def change(**values: Any) -> None:
        for name, value in values.items():
            monkeypatch.setattr(api_settings, name, value)

    return change

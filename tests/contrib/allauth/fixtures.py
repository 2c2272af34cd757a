"""What the tests of the bridge to allauth share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.contrib.allauth.social import APP, WEB
from tests.services import oidc as service
from tests.services.oidc import OIDCProvider

if TYPE_CHECKING:
    from pytest_django import Settings


@pytest.fixture(scope="session")
def oidc_server() -> Iterator[OIDCProvider]:
    """Run an OpenID Connect provider for the session."""
    with service.server() as provider:
        yield provider


@pytest.fixture
def oidc(oidc_server: OIDCProvider, settings: Settings) -> OIDCProvider:
    """Set the provider up as ``fake``, and two addresses to which a browser may return."""
    oidc_server.reset()
    settings.SOCIALACCOUNT_PROVIDERS = service.settings_for(oidc_server)
    settings.ANONAUTH_REDIRECT_URIS = (APP, WEB)
    return oidc_server

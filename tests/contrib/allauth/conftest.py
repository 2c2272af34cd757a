from tests.contrib.allauth.fixtures import oidc, oidc_server
from tests.fixtures import api, simple_jwt

__all__ = ["api", "oidc", "oidc_server", "simple_jwt"]

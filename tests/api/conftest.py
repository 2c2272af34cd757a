from tests.fixtures import api, simple_jwt

__all__ = ["api", "simple_jwt"]

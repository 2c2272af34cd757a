from tests.fixtures import api

__all__ = ["api"]

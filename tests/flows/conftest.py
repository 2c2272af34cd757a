from tests.fixtures import api
from tests.merging.ruled import rules

__all__ = ["api", "rules"]

"""The tests: they mirror the paths of the package; the rest is named by its folder."""

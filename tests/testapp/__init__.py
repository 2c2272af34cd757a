"""The tests' user model and a few models that hang off it."""

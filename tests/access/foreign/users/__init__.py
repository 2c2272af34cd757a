"""A user model that knows guests, for projects that bring none of their own."""

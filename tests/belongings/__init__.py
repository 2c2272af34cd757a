"""Things that belong to a user, with a relation of every kind."""

"""Small projects, each with a user model of another kind; one suite runs in all of them."""

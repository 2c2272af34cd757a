"""A newcomer's project: copied out of the tree, it sees only what the wheel installed."""

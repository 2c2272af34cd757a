"""Who reaches which view: every guard is run for a visitor, a guest and a permanent user, and no view is."""

"""Made by the check itself."""

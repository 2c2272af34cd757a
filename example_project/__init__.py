"""Saltbox, a small shop that shows how a project uses anonauth."""

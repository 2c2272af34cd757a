"""Projects that nobody here wrote, and how well the audit judges them; see docs/access-audit.md."""

"""Row-level security for PostgreSQL: the database itself knows for whom each statement is sent."""

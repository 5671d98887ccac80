"""The transcript store: what was said, kept in a database and found again. SQLite or PostgreSQL, one interface."""

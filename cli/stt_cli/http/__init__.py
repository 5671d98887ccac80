"""HTTP client of a running suite: its health, and jobs for files."""

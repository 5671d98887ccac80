"""Gateway between clients and Redis."""

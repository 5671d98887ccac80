"""Pool of model threads."""

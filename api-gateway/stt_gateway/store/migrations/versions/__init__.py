"""The steps, each a file; once released, a step never changes."""

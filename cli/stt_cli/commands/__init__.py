"""The commands, one per file: the few lines that put the parts together."""

"""One file per command: its options, and the few lines that put the parts together."""

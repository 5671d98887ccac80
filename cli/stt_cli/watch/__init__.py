"""A watched folder: which of its files are ready, and what has become of them."""

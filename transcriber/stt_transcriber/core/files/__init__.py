"""Cutting files into chunks, and the text of a chunk; pure."""

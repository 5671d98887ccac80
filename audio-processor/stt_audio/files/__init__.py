"""Decoding of uploaded files."""

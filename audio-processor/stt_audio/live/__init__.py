"""Decoding of live sessions."""

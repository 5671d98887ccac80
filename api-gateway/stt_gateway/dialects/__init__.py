"""Dialects: the shapes in which clients of different protocols talk to live sessions."""

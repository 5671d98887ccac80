"""Proof by counting that no word is lost or doubled, whatever dies. ``python -m chaos`` (from tests/) runs it."""

"""Random input for everything that reads what strangers send. ``python -m fuzz`` (from tests/) runs it."""

"""Entry point of ``python -m stt_cli``."""

from stt_cli.main import app

app()

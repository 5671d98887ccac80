"""Deepgram's protocol of live sessions, ``WS /v1/listen``."""

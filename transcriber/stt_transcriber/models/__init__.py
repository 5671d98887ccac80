"""Store of Whisper models."""

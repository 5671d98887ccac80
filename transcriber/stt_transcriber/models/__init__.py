"""The store of Whisper models."""

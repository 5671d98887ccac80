"""Whisper on PyTorch, by the package openai-whisper."""

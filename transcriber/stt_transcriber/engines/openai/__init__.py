"""Whisper on PyTorch, using the package openai-whisper."""

"""Whisper engines behind one interface."""

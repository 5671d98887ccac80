"""Models for voice activity detection."""

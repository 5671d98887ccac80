"""Rolling buffer, voice activity and cut points; pure."""

"""Live sessions: reading audio, decoding, emitting events."""

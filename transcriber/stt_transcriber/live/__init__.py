"""Live sessions: read audio, decode it, emit events."""

"""Live sessions: admission, opening, writing audio, sending events."""

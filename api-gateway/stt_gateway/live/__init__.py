"""Live sessions: opening, writing, sending events, admission."""

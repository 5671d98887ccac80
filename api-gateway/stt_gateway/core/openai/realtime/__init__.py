"""OpenAI's Realtime API for transcription in terms of a live session: configuration, messages, turns; pure."""

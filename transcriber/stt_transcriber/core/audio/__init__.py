"""Pure audio logic: rolling buffer, voice activity and cut points."""

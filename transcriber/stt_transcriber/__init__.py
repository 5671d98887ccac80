"""The transcriber: voice activity, rolling buffer, Whisper."""

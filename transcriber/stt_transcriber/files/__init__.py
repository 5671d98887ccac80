"""File jobs: cut the audio, transcribe the chunks, assemble the result."""

"""File jobs: cutting, transcribing, putting the result together."""

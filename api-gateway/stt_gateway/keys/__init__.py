"""API keys at work: who has one, what is open with it, and what ends when it does."""

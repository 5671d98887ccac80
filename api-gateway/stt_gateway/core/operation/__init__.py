"""Health, metrics text, rate limits and estimates; pure."""

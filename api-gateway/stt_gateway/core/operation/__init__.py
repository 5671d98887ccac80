"""Health, metrics text and estimates; pure."""

"""Models that tell voices apart."""

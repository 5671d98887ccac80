"""Decoders from any codec or container to 16 kHz mono samples."""

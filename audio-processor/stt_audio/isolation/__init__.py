"""Processes of their own for decoders, with limits of their own."""

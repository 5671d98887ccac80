"""Texts of a stored transcript as people have corrected them; pure."""

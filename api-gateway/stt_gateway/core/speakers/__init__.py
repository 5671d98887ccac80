"""Speakers of a stored transcript as people have named and corrected them; pure."""

"""Conversion of timed words to subtitle cues; pure."""

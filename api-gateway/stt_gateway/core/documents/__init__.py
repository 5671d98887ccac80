"""Transcripts as documents for people; pure."""

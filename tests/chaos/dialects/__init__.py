"""Clients of other protocols, whose words are counted while processes die."""

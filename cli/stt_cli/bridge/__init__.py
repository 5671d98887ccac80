"""Bridges: small servers for clients of other protocols than HTTP, which are clients of a suite themselves."""

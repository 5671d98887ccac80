"""Validation of requests: parameters, languages, hosts and origins; pure."""

"""Helpers of tests and benchmarks: harnesses, stand-ins, servers, recordings."""

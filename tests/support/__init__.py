"""What tests, and the benchmarks, share: harnesses, stand-ins, servers, recordings."""

"""The suite as `docker compose` starts it, on a real engine: `make test-docker`."""

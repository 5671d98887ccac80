"""Connections to Redis: client, pipeline, pub/sub, outages."""

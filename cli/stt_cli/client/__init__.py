"""Talking to a running suite: jobs over HTTP, live speech over a WebSocket."""

"""Client of a running suite: jobs over HTTP, live sessions over a WebSocket."""

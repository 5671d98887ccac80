"""WebSocket routes and the WebSocket protocol class."""

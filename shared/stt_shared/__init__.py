"""Code shared by the services: messages, transport through Redis, settings, logs and metrics."""

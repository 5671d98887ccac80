"""What the services have in common: messages, the way through Redis, settings, logs and metrics."""

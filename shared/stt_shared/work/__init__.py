"""Work distribution: stages, queues, heartbeats, takeovers."""

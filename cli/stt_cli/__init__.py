"""The `stt` command: launcher, model management and client."""

"""The command `stt`: launcher, model store and client."""

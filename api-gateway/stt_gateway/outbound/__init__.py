"""Connections of the gateway to what clients name: callbacks, and the files of jobs."""

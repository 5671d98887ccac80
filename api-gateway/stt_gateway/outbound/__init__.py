"""Connections of the gateway to what clients name: callbacks."""

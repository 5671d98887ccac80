"""The gateway: clients on one side, Redis on the other."""

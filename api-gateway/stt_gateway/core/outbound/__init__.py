"""What the gateway may connect to on a client's behalf, and the form of its callbacks. Pure."""
